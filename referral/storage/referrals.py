"""Requests to clinicians: their rows, their numbers, their events."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any, Final

import orjson
from sqlalchemy import Integer, Select, Text, and_, any_, bindparam, func, not_, select, text
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert

from referral.domain.codes import BusinessStatus, TaskStatus
from referral.domain.errors import DuplicateRequest, NotFound, StaleVersion
from referral.domain.records import Referral
from referral.storage import tables
from referral.storage.db import Session, among, flush, member_of
from referral.storage.versioned import over

_TABLE: Final = tables.referral
_ORDER: Final = tables.infusion_order
FIELDS: Final = tuple(Referral.__slots__)
_SELECT: Final = select(*(_TABLE.c[name] for name in FIELDS))


_NUMBERS: Final = text("SELECT take_numbers(CAST(:clinic AS uuid), :year, :count)")


def next_number(session: Session, year: int, count: int = 1) -> list[str]:
    """Numbers for people: R-2026-00042. Gaps are possible, doubles are not."""
    with session.aside() as connection:
        given = {"clinic": session.clinic, "year": year, "count": count}
        last = int(connection.scalar(_NUMBERS, given))
    return [f"R-{year}-{number:05d}" for number in range(last - count + 1, last + 1)]


_ADD: Final = (
    upsert(_TABLE)
    .on_conflict_do_nothing(
        index_elements=["clinic_id", "order_id", "clinician_id"], index_where=_TABLE.c.closed_at.is_(None)
    )
    .returning(_TABLE.c.id)
)


def add(session: Session, referrals: Iterable[Referral]) -> None:
    """Raises DuplicateRequest when a clinician has an open request for the same order already."""
    rows = [
        {"clinic_id": session.clinic, **{name: getattr(referral, name) for name in FIELDS}}
        for referral in referrals
    ]
    # One by one: then the answer says of each whether it was written.
    for row in rows:
        if session.connection.scalar(_ADD, row) is None:
            raise DuplicateRequest("There is an open request to this clinician already.", row["id"])


_status, _business_status = member_of(TaskStatus), member_of(BusinessStatus)


def to_referral(row: Any) -> Referral:
    """From the columns FIELDS in their order."""
    values = dict(zip(FIELDS, row, strict=True))
    values["status"] = _status(values["status"])
    doing = values["business_status"]
    values["business_status"] = _business_status(doing) if doing else None
    return Referral(**values)


_ONE: Final = _SELECT.where(_TABLE.c.clinic_id == bindparam("clinic"), _TABLE.c.id == bindparam("id"))


def get(session: Session, id: str, *, lock: bool = False) -> Referral:
    """`lock` holds order and request until the transaction ends: take it before any decision about them.

    Everything locks in one order, so that nobody waits in a circle: infusion order, its requests, their links
    and messages, the gate.
    """
    query = _ONE
    if lock:
        of_order = _TABLE.c.order_id == _ORDER.c.id
        order = select(_ORDER.c.id).join(_TABLE, and_(_ORDER.c.clinic_id == _TABLE.c.clinic_id, of_order))
        mine = order.where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.id == id)
        session.connection.execute(mine.with_for_update(of=_ORDER, key_share=True))
        query = query.with_for_update(key_share=True)
    row = session.connection.execute(query, {"clinic": session.clinic, "id": id}).one_or_none()
    if row is None:
        raise NotFound(f"There is no request with id {id}.")
    return to_referral(row)


def find_by_id(session: Session, id: str) -> Referral | None:
    """As get(), but None where there is none."""
    row = session.connection.execute(_ONE, {"clinic": session.clinic, "id": id}).one_or_none()
    return to_referral(row) if row else None


def find_by_task(session: Session, task_id: str) -> Referral | None:
    """The request whose Task-C this is, or None."""
    row = session.connection.execute(
        _SELECT.where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.task_id == task_id)
    ).one_or_none()
    return to_referral(row) if row else None


def find_by_number(session: Session, words: str, limit: int) -> list[Referral]:
    """Open and closed ones whose number holds these words, newest first."""
    like = f"%{words.strip().replace('%', '').replace('_', '')}%"
    rows = session.connection.execute(
        _SELECT.where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.number.ilike(like))
        .order_by(_TABLE.c.created_at.desc(), _TABLE.c.id)
        .limit(limit)
    )
    return [to_referral(row) for row in rows]


@cache
def _find(columns: tuple[str, ...], is_open: bool | None, lock: bool) -> Select[Any]:
    query = _SELECT.where(_TABLE.c.clinic_id == bindparam("clinic"))
    for column in columns:
        query = query.where(_TABLE.c[column] == bindparam(f"wanted_{column}"))
    if is_open is not None:
        query = query.where(_TABLE.c.closed_at.is_(None) if is_open else _TABLE.c.closed_at.is_not(None))
    query = query.order_by(_TABLE.c.created_at.desc(), _TABLE.c.id).limit(bindparam("most", type_=Integer))
    return query.with_for_update(key_share=True) if lock else query


def find(
    session: Session,
    *,
    order_id: str | None = None,
    patient_id: str | None = None,
    clinician_id: str | None = None,
    is_open: bool | None = None,
    lock: bool = False,
    limit: int = 200,
) -> list[Referral]:
    """Newest first. For `lock` the caller holds the order already, see get()."""
    columns = {"order_id": order_id, "patient_id": patient_id, "clinician_id": clinician_id}
    wanted = {name: value for name, value in columns.items() if value is not None}
    given = {"clinic": session.clinic, "most": limit, **{f"wanted_{k}": v for k, v in wanted.items()}}
    query = _find(tuple(wanted), is_open, lock)
    return [to_referral(row) for row in session.connection.execute(query, given)]


_OF_ORDERS: Final = _SELECT.where(
    _TABLE.c.clinic_id == bindparam("clinic"), _TABLE.c.order_id == any_(bindparam("ids", type_=ARRAY(Text)))
).order_by(_TABLE.c.created_at.desc(), _TABLE.c.id)


def of_orders(session: Session, order_ids: Iterable[str]) -> list[Referral]:
    """All requests about these orders, newest first."""
    given = {"clinic": session.clinic, "ids": list(order_ids)}
    return [to_referral(row) for row in session.connection.execute(_OF_ORDERS, given).all()]


_MANY: Final = _SELECT.where(
    _TABLE.c.clinic_id == bindparam("clinic"), _TABLE.c.id == any_(bindparam("ids", type_=ARRAY(Text)))
)


def find_many(session: Session, ids: Iterable[str]) -> dict[str, Referral]:
    """By id; what does not exist is missing from the result."""
    rows = session.connection.execute(_MANY, {"clinic": session.clinic, "ids": list(ids)})
    return {row.id: to_referral(row) for row in rows}


_ORDERS: Final = select(_TABLE.c.id, _TABLE.c.order_id).where(
    _TABLE.c.clinic_id == bindparam("clinic"), _TABLE.c.id == any_(bindparam("ids", type_=ARRAY(Text)))
)


def orders_of(session: Session, ids: Iterable[str]) -> dict[str, str]:
    """The ids of the orders that these requests are about, by the id of the request."""
    rows = session.connection.execute(_ORDERS, {"clinic": session.clinic, "ids": list(ids)}).all()
    return {row.id: row.order_id for row in rows}


def exists(session: Session, id: str) -> bool:
    """In this clinic, open or closed."""
    query = select(_TABLE.c.id).where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.id == id)
    return session.connection.scalar(query) is not None


def find_due(session: Session, now: datetime, limit: int) -> list[Referral]:
    """Open requests whose next step is due, locked with their orders; what somebody else holds is skipped."""
    rows = session.connection.execute(
        _SELECT.join(_ORDER, and_(_ORDER.c.clinic_id == _TABLE.c.clinic_id, _ORDER.c.id == _TABLE.c.order_id))
        .where(
            _TABLE.c.clinic_id == session.clinic,
            _TABLE.c.next_step_at <= now,
            # Asked once per statement: nobody is reminded after a restore until the clinic is reopened.
            not_(select(func.is_restoring()).scalar_subquery()),
        )
        .order_by(_TABLE.c.next_step_at)
        .limit(limit)
        .with_for_update(of=(_ORDER, _TABLE), skip_locked=True, key_share=True)
    )
    return [to_referral(row) for row in rows]


def change(session: Session, before: Referral, **values: Any) -> Referral:
    """Write new values over the version that was read; StaleVersion if somebody else was first."""
    row = session.connection.execute(
        over(session, _TABLE, before, **values).returning(*(_TABLE.c[name] for name in FIELDS))
    ).one_or_none()
    if row is None:
        raise StaleVersion("Somebody else has changed this request. Reload it and try again.")
    return to_referral(row)


# What a delivery may move. All of them are written, as they are in the values given.
_MOVED: Final = {
    "business_status": "text",
    "delivered_at": "timestamptz",
    "started_at": "timestamptz",
    "due_at": "timestamptz",
    "next_step_at": "timestamptz",
    "climbed": "integer",
    "shifted_days": "integer",
    "extended_days": "integer",
}
_CHANGE_MANY: Final = text(
    "UPDATE referral r SET version = r.version + 1, "  # noqa: S608 - made of constants
    + ", ".join(f"{name} = v.{name}" for name in _MOVED)
    + " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS v (id text, version integer, "
    + ", ".join(f"{name} {kind}" for name, kind in _MOVED.items())
    + ") WHERE r.clinic_id = :clinic AND r.id = v.id AND r.version = v.version"
)


def change_many(session: Session, changed: Iterable[Referral]) -> list[Referral]:
    """Write what a first delivery has moved in these, in one statement; returns them as they are now.

    Each has the version that was read. StaleVersion if somebody else was first with any of them.
    """
    wanted = list(changed)
    rows = [{name: getattr(referral, name) for name in ("id", "version", *_MOVED)} for referral in wanted]
    given = {"clinic": session.clinic, "rows": orjson.dumps(rows).decode()}
    if wanted and session.connection.execute(_CHANGE_MANY, given).rowcount != len(wanted):
        raise StaleVersion("Somebody else has changed one of these requests.")
    return [replace(referral, version=referral.version + 1) for referral in wanted]


def require_version(referral: Referral, version: int) -> None:
    """For what a person decided on a page that showed `version`: StaleVersion if the request has moved on."""
    if referral.version != version:
        raise StaleVersion("This request has changed since the page was opened.")


@dataclass(frozen=True, slots=True)
class ReferralEvent:
    """`event` is a word of ours; `detail` holds codes and ids."""

    event: str
    actor: str
    detail: dict[str, Any]
    at: datetime


def note(session: Session, referral_id: str, event: str, actor: str, at: datetime, **detail: Any) -> None:
    """Add a line to the timeline that staff see; `detail` holds codes and ids, never narrative."""
    session.late.changed.add(f"ServiceRequest/{referral_id}")
    session.late.events.append(
        {"referral_id": referral_id, "event": event, "actor": actor, "detail": detail, "at": at}
    )


_EVENT: Final = tables.referral_event
_EVENTS: Final = (
    select(_EVENT.c.event, _EVENT.c.actor, _EVENT.c.detail, _EVENT.c.at)
    .where(_EVENT.c.clinic_id == bindparam("clinic"), _EVENT.c.referral_id == bindparam("referral"))
    .order_by(_EVENT.c.id)
)


def events(session: Session, referral_id: str) -> list[ReferralEvent]:
    """Oldest first."""
    flush(session)
    given = {"clinic": session.clinic, "referral": referral_id}
    return [ReferralEvent(*row) for row in session.connection.execute(_EVENTS, given)]


def count_noted(session: Session, referral_id: str, event: str, message_id: str) -> int:
    """How many lines of this kind the timeline has about one message."""
    flush(session)
    table = tables.referral_event
    lines = select(func.count()).where(
        table.c.clinic_id == session.clinic,
        table.c.referral_id == referral_id,
        table.c.event == event,
        table.c.detail["message"].astext == message_id,
    )
    return int(session.connection.scalar(lines) or 0)


def latest_questions(session: Session, ids: Iterable[str]) -> dict[str, ReferralEvent]:
    """What the clinician last asked of the clinic, by request."""
    flush(session)
    table = tables.referral_event
    rows = session.connection.execute(
        select(table.c.referral_id, table.c.event, table.c.actor, table.c.detail, table.c.at)
        .where(
            table.c.clinic_id == session.clinic,
            among(table.c.referral_id, ids),
            table.c.event.startswith("asked-"),
        )
        .order_by(table.c.referral_id, table.c.id.desc())
        .ext(distinct_on(table.c.referral_id))
    )
    return {row[0]: ReferralEvent(*row[1:]) for row in rows}


def latest_among(session: Session, ids: Iterable[str], words: Iterable[str]) -> dict[str, ReferralEvent]:
    """The newest event of each request that is one of `words`; requests without any are missing."""
    flush(session)
    table = tables.referral_event
    rows = session.connection.execute(
        select(table.c.referral_id, table.c.event, table.c.actor, table.c.detail, table.c.at)
        .where(
            table.c.clinic_id == session.clinic,
            among(table.c.referral_id, ids),
            table.c.event.in_(list(words)),
        )
        .order_by(table.c.referral_id, table.c.id.desc())
        .ext(distinct_on(table.c.referral_id))
    )
    return {row[0]: ReferralEvent(*row[1:]) for row in rows}


# By request, oldest first.
Told = Mapping[str, Sequence[ReferralEvent]]
_NEWEST_OF_EACH: Final = (
    select(_EVENT.c.id, _EVENT.c.referral_id, _EVENT.c.event, _EVENT.c.actor, _EVENT.c.detail, _EVENT.c.at)
    .where(
        _EVENT.c.clinic_id == bindparam("clinic"),
        _EVENT.c.referral_id == any_(bindparam("ids", type_=ARRAY(Text))),
        _EVENT.c.event == any_(bindparam("words", type_=ARRAY(Text))),
    )
    .order_by(_EVENT.c.referral_id, _EVENT.c.event, _EVENT.c.id.desc())
    .ext(distinct_on(_EVENT.c.referral_id, _EVENT.c.event))
)


def newest_of_each(session: Session, ids: Iterable[str], words: Iterable[str]) -> Told:
    """The newest event of each of `words`; requests without any are missing."""
    flush(session)
    given = {"clinic": session.clinic, "ids": list(ids), "words": list(words)}
    found: dict[str, list[ReferralEvent]] = {}
    if given["ids"]:
        for row in sorted(session.connection.execute(_NEWEST_OF_EACH, given)):
            found.setdefault(row.referral_id, []).append(ReferralEvent(*row[2:]))
    return found


def newest(events: Sequence[ReferralEvent], words: Container[str]) -> ReferralEvent | None:
    """The last of these that is one of `words`."""
    return next((event for event in reversed(events) if event.event in words), None)


_COUNT_OPEN: Final = select(func.count()).select_from(
    select(_TABLE.c.clinic_id)
    .where(_TABLE.c.clinic_id == bindparam("clinic"), _TABLE.c.closed_at.is_(None))
    .limit(bindparam("most", type_=Integer))
    .subquery()
)


def count_open(session: Session, *, at_most: int | None = None) -> int:
    """Of the entered clinic; counting ends at `at_most`, which costs the same however many there are."""
    given = {"clinic": session.clinic, "most": at_most}
    return int(session.connection.scalar(_COUNT_OPEN, given) or 0)
