"""Subscriptions as rows: claimed by one worker at a time, their events numbered and handed out in order."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, delete, exists, func, insert, not_, or_, select, text, update

from referral.domain.subscription import LEAP, LEASE, Content, SubscriptionStatus, Topic
from referral.storage import tables
from referral.storage.db import Session

_TABLE: Final = tables.subscription
_EVENT: Final = tables.subscription_event
_WORKING: Final = (SubscriptionStatus.REQUESTED, SubscriptionStatus.ACTIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One row. `attempts` counts claims and is the fence: whoever notes something must hold the newest claim.

    `tries` are failures in a row. `numbered` events are in order, `delivered` of them were accepted.
    `headers` are sealed.
    """

    id: str
    client_id: str
    topic: Topic
    filters: tuple[str, ...]
    content: Content
    endpoint: str
    headers: bytes | None
    heartbeat_seconds: int | None
    timeout_seconds: int
    max_count: int
    ends_at: datetime | None
    status: SubscriptionStatus
    error: str | None
    numbered: int
    delivered: int
    attempts: int
    tries: int
    contact_at: datetime | None
    changed_at: datetime
    deleted_at: datetime | None


_FIELDS: Final = tuple(Subscription.__slots__)
_COLUMNS: Final = tuple(_TABLE.c[name] for name in _FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`focus` is `Type/id`; `number` None until it has its place."""

    id: int
    number: int | None
    focus: str
    patient_id: str | None
    at: datetime


_EVENT_FIELDS: Final = tuple(Event.__slots__)
_EVENT_COLUMNS: Final = tuple(_EVENT.c[name] for name in _EVENT_FIELDS)


def _to_row(row: Any) -> Subscription:
    values = dict(zip(_FIELDS, row, strict=True))
    values["topic"] = Topic(values["topic"])
    values["content"] = Content(values["content"])
    values["status"] = SubscriptionStatus(values["status"])
    values["filters"] = tuple(values["filters"])
    return Subscription(**values)


def _to_event(row: Any) -> Event:
    return Event(**dict(zip(_EVENT_FIELDS, row, strict=True)))


def _is(session: Session, id: str) -> Any:
    return and_(_TABLE.c.clinic_id == session.clinic, _TABLE.c.id == id)


def add(session: Session, id: str, client_id: str, now: datetime, **values: Any) -> None:
    """A new subscription, due for its handshake at once."""
    row = {
        "clinic_id": session.clinic,
        "id": id,
        "client_id": client_id,
        "not_before": now,
        "changed_at": now,
    }
    session.connection.execute(insert(_TABLE).inline(), {**row, **values})


def change(session: Session, id: str, now: datetime, **values: Any) -> None:
    """Write columns; the caller holds the row. A claim that is under way does not hold it any more."""
    session.connection.execute(
        update(_TABLE)
        .where(_is(session, id))
        .values(attempts=_TABLE.c.attempts + 1, lease_until=None, changed_at=now, **values)
    )


def find(session: Session, id: str, *, lock: bool = False) -> Subscription | None:
    """Deleted ones too; None where there is none in this clinic."""
    query = select(*_COLUMNS).where(_is(session, id))
    row = session.connection.execute(query.with_for_update(key_share=True) if lock else query).one_or_none()
    return _to_row(row) if row else None


def of_client(session: Session, client_id: str) -> list[Subscription]:
    """Oldest first, without deleted ones."""
    rows = session.connection.execute(
        select(*_COLUMNS)
        .where(
            _TABLE.c.clinic_id == session.clinic,
            _TABLE.c.client_id == client_id,
            _TABLE.c.deleted_at.is_(None),
        )
        .order_by(_TABLE.c.changed_at, _TABLE.c.id)
    )
    return [_to_row(row) for row in rows]


def living(session: Session) -> list[Subscription]:
    """All of the clinic that are not off."""
    rows = session.connection.execute(
        select(*_COLUMNS)
        .where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.status != SubscriptionStatus.OFF)
        .order_by(_TABLE.c.id)
    )
    return [_to_row(row) for row in rows]


# ---- Who is due


def _has_something(now: datetime) -> Any:
    waiting = exists().where(
        _EVENT.c.clinic_id == _TABLE.c.clinic_id,
        _EVENT.c.subscription_id == _TABLE.c.id,
        _EVENT.c.number.is_(None),
    )
    silent = _TABLE.c.contact_at + func.make_interval(0, 0, 0, 0, 0, 0, _TABLE.c.heartbeat_seconds) <= now
    return or_(
        _TABLE.c.status == SubscriptionStatus.REQUESTED,
        _TABLE.c.delivered < _TABLE.c.numbered,
        silent,
        waiting,
    )


def _due(session: Session, now: datetime) -> Any:
    table = _TABLE
    return and_(
        table.c.clinic_id == session.clinic,
        # Asked once per statement: nothing leaves after a restore until the clinic is reopened.
        not_(select(func.is_restoring()).scalar_subquery()),
        table.c.status != SubscriptionStatus.OFF,
        or_(table.c.lease_until.is_(None), table.c.lease_until < now),
        or_(
            table.c.ends_at <= now,
            and_(table.c.status.in_(_WORKING), table.c.not_before <= now, _has_something(now)),
        ),
    )


def is_due(session: Session, now: datetime) -> bool:
    """Whether claim() would find one."""
    return session.connection.scalar(select(_TABLE.c.id).where(_due(session, now)).limit(1)) is not None


def claim(session: Session, now: datetime, busy: Collection[str] = ()) -> Subscription | None:
    """Take one that has something to be told, with a lease; None where there is none.

    Those of clients that are `busy` wait.

    A lease that ran out counts as a failure: a subscription that kills its worker ends in `error`.
    """
    table = _TABLE
    due = (
        select(table.c.id)
        .where(_due(session, now), table.c.client_id.not_in(busy))
        .order_by(table.c.not_before, table.c.id)
        .limit(1)
        .with_for_update(skip_locked=True, key_share=True, of=table)
        .cte("due")
    )
    row = session.connection.execute(
        update(table)
        .where(table.c.clinic_id == session.clinic, table.c.id == due.c.id)
        .values(
            attempts=table.c.attempts + 1,
            tries=table.c.tries + func.num_nonnulls(table.c.lease_until),
            lease_until=now + LEASE,
        )
        .returning(*_COLUMNS)
    ).one_or_none()
    return _to_row(row) if row else None


def hold(session: Session, claimed: Subscription) -> Subscription | None:
    """The row, locked, if this claim still holds it; None when somebody else has it now."""
    row = find(session, claimed.id, lock=True)
    return row if row is not None and row.attempts == claimed.attempts else None


def release(session: Session, held: Subscription, not_before: datetime, **values: Any) -> None:
    """Note what became of a claim, and give the row back. The caller holds it, see hold()."""
    session.connection.execute(
        update(_TABLE)
        .where(_is(session, held.id), _TABLE.c.attempts == held.attempts)
        .values(lease_until=None, not_before=not_before, **values)
    )


# ---- Events


def waiting(session: Session, subscription_id: str, limit: int = 1000) -> list[Event]:
    """Events without a number, in the order in which they happened; only committed ones are seen."""
    rows = session.connection.execute(
        select(*_EVENT_COLUMNS)
        .where(
            _EVENT.c.clinic_id == session.clinic,
            _EVENT.c.subscription_id == subscription_id,
            _EVENT.c.number.is_(None),
        )
        .order_by(_EVENT.c.id)
        .limit(limit)
    )
    return [_to_event(row) for row in rows]


_NUMBER: Final = text(
    "UPDATE subscription_event e SET number = n.number"
    " FROM unnest(CAST(:ids AS bigint[])) WITH ORDINALITY AS g(id, place)"
    " CROSS JOIN LATERAL (SELECT CAST(:last AS bigint) + g.place AS number) n"
    " WHERE e.clinic_id = CAST(:clinic AS uuid) AND e.id = g.id"
)


def number(session: Session, held: Subscription, ids: list[int]) -> int:
    """Give these events the next numbers, in this order; returns the last. The caller holds the row."""
    if not ids:
        return held.numbered
    session.connection.execute(_NUMBER, {"ids": ids, "last": held.numbered, "clinic": session.clinic})
    last = held.numbered + len(ids)
    session.connection.execute(update(_TABLE).where(_is(session, held.id)).values(numbered=last))
    return last


def drop(session: Session, ids: Iterable[int]) -> None:
    """Events that must not be told; they have no number yet, so that none is missing."""
    session.connection.execute(
        delete(_EVENT).where(
            _EVENT.c.clinic_id == session.clinic, _EVENT.c.id.in_(list(ids)), _EVENT.c.number.is_(None)
        )
    )


def events(session: Session, subscription_id: str, first: int, last: int | None, limit: int) -> list[Event]:
    """Numbered ones from `first` to `last`, as far as they are kept."""
    query = select(*_EVENT_COLUMNS).where(
        _EVENT.c.clinic_id == session.clinic,
        _EVENT.c.subscription_id == subscription_id,
        _EVENT.c.number >= first,
    )
    if last is not None:
        query = query.where(_EVENT.c.number <= last)
    rows = session.connection.execute(query.order_by(_EVENT.c.number).limit(limit))
    return [_to_event(row) for row in rows]


def forget_events(session: Session, before: datetime) -> int:
    """Old events that were delivered, or that nobody will ask for; returns how many went."""
    spoken = exists().where(
        _TABLE.c.clinic_id == _EVENT.c.clinic_id,
        _TABLE.c.id == _EVENT.c.subscription_id,
        or_(_TABLE.c.status == SubscriptionStatus.OFF, _EVENT.c.number <= _TABLE.c.delivered),
    )
    gone = session.connection.execute(
        delete(_EVENT).where(_EVENT.c.clinic_id == session.clinic, _EVENT.c.at < before, spoken)
    )
    return gone.rowcount


def leap(session: Session) -> None:
    """After a restore: no number that may have been sent before is used again."""
    session.connection.execute(
        update(_TABLE)
        .where(_TABLE.c.clinic_id == session.clinic)
        .values(numbered=_TABLE.c.numbered + LEAP, delivered=_TABLE.c.numbered + LEAP)
    )
