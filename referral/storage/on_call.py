"""Who is on call, and the messages to them about safety tasks: each claimed by one worker, finished once."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, bindparam, select, text, update
from sqlalchemy.dialects.postgresql import insert

from referral.domain.codes import Channel
from referral.domain.on_call import OnCallContact
from referral.domain.outgoing import MessageState
from referral.storage import tables
from referral.storage.db import Session

_CONTACT: Final = tables.on_call_contact
_CALL: Final = tables.safety_call
_CONTACT_FIELDS: Final = tuple(OnCallContact.__slots__)
_CONTACTS: Final = select(*(_CONTACT.c[name] for name in _CONTACT_FIELDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyCall:
    """One message. Its fields mean what those of a message mean (storage/outbox); `attempts` is the fence."""

    id: uuid.UUID
    task_id: str
    step: int
    contact_id: str
    state: MessageState
    attempts: int
    tries: int
    crashes: int
    in_doubt: bool
    not_before: datetime
    sending_since: datetime | None
    envelope_id: str | None
    provider_reference: str | None
    last_error: str | None
    sent_for_real: bool
    created_at: datetime
    finished_at: datetime | None


_FIELDS: Final = tuple(SafetyCall.__slots__)
_COLUMNS: Final = tuple(_CALL.c[name] for name in _FIELDS)


@dataclass(frozen=True, slots=True)
class CalledContact:
    """A message with whom it went to, who may be on call no longer."""

    call: SafetyCall
    contact: OnCallContact


CALL_COLUMNS: Final = (*_COLUMNS, *(_CONTACT.c[name] for name in _CONTACT_FIELDS))


def to_called(row: Any) -> CalledContact:
    """Of CALL_COLUMNS."""
    return CalledContact(_to_call(row[: len(_FIELDS)]), _to_contact(row[len(_FIELDS) :]))


def _to_contact(row: Any) -> OnCallContact:
    values = dict(zip(_CONTACT_FIELDS, row, strict=True))
    return OnCallContact(**{**values, "channel": Channel(values["channel"])})


def _to_call(row: Any) -> SafetyCall:
    values = dict(zip(_FIELDS, row, strict=True))
    return SafetyCall(**{**values, "state": MessageState(values["state"])})


# ---- Contacts


def contacts(session: Session) -> list[OnCallContact]:
    """Those of today, in the order in which they are told."""
    rows = session.connection.execute(
        _CONTACTS.where(_CONTACT.c.clinic_id == session.clinic, _CONTACT.c.ended_at.is_(None)).order_by(
            _CONTACT.c.place, _CONTACT.c.created_at, _CONTACT.c.id
        )
    )
    return [_to_contact(row) for row in rows]


def contacts_by_id(session: Session, ids: Iterable[str]) -> dict[str, OnCallContact]:
    """Also those that have ended."""
    rows = session.connection.execute(
        _CONTACTS.where(_CONTACT.c.clinic_id == session.clinic, _CONTACT.c.id.in_(list(ids)))
    )
    return {contact.id: contact for contact in map(_to_contact, rows)}


_ANYBODY: Final = (
    select(_CONTACT.c.id)
    .where(_CONTACT.c.clinic_id == bindparam("clinic"), _CONTACT.c.ended_at.is_(None))
    .limit(1)
)


def is_there_any(session: Session) -> bool:
    """Whether anybody at all is on call."""
    return session.connection.scalar(_ANYBODY, {"clinic": session.clinic}) is not None


def add_contact(session: Session, new: OnCallContact, now: datetime) -> bool:
    """False where this address is on the list already."""
    added = session.connection.scalar(
        insert(_CONTACT)
        .values(
            clinic_id=session.clinic,
            created_at=now,
            **{name: getattr(new, name) for name in _CONTACT_FIELDS},
        )
        .on_conflict_do_nothing(
            index_elements=["clinic_id", "channel", "address"], index_where=text("ended_at IS NULL")
        )
        .returning(_CONTACT.c.id)
    )
    return added is not None


def end_contact(session: Session, id: str, now: datetime) -> bool:
    """False where there is none of this id on the list."""
    changed = session.connection.execute(
        update(_CONTACT)
        .where(_CONTACT.c.clinic_id == session.clinic, _CONTACT.c.id == id, _CONTACT.c.ended_at.is_(None))
        .values(ended_at=now)
    )
    return changed.rowcount == 1


def place_contact(session: Session, id: str, place: int) -> None:
    """Where it stands in the order."""
    session.connection.execute(
        update(_CONTACT)
        .where(_CONTACT.c.clinic_id == session.clinic, _CONTACT.c.id == id)
        .values(place=place)
    )


# ---- Messages


def put(session: Session, task_id: str, step: int, contact_id: str, now: datetime) -> bool:
    """Queue one; False where this step was queued before, which makes repeating harmless."""
    made = session.connection.scalar(
        insert(_CALL)
        .values(
            clinic_id=session.clinic,
            id=uuid.uuid4(),
            task_id=task_id,
            step=step,
            contact_id=contact_id,
            not_before=now,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["clinic_id", "task_id", "step"])
        .returning(_CALL.c.id)
    )
    return made is not None


def get(session: Session, id: uuid.UUID, *, lock: bool = False) -> SafetyCall | None:
    """One of them, None where there is none of this id in this clinic."""
    query = select(*_COLUMNS).where(_CALL.c.clinic_id == session.clinic, _CALL.c.id == id)
    row = session.connection.execute(query.with_for_update(key_share=True) if lock else query).one_or_none()
    return _to_call(row) if row is not None else None


def of_tasks(session: Session, task_ids: Iterable[str]) -> dict[str, list[SafetyCall]]:
    """What was sent about each of these tasks, oldest first."""
    found: dict[str, list[SafetyCall]] = {id: [] for id in task_ids}
    if found:
        rows = session.connection.execute(
            select(*_COLUMNS)
            .where(_CALL.c.clinic_id == session.clinic, _CALL.c.task_id.in_(list(found)))
            .order_by(_CALL.c.step)
        )
        for call in map(_to_call, rows):
            found[call.task_id].append(call)
    return found


def find(
    session: Session,
    *,
    id: uuid.UUID | None = None,
    states: Iterable[MessageState] | None = None,
    channels: Iterable[Channel] | None = None,
    before: datetime | None = None,
    limit: int | None = None,
) -> list[CalledContact]:
    """Newest first; None for all."""
    query = (
        select(*CALL_COLUMNS)
        .join(_CONTACT, and_(_CONTACT.c.clinic_id == _CALL.c.clinic_id, _CONTACT.c.id == _CALL.c.contact_id))
        .where(_CALL.c.clinic_id == session.clinic)
        .order_by(_CALL.c.created_at.desc(), _CALL.c.id.desc())
    )
    if id is not None:
        query = query.where(_CALL.c.id == id)
    if states is not None:
        query = query.where(_CALL.c.state.in_(list(states)))
    if channels is not None:
        query = query.where(_CONTACT.c.channel.in_(list(channels)))
    if before is not None:
        query = query.where(_CALL.c.created_at <= before)
    return [to_called(row) for row in session.connection.execute(query.limit(limit))]


def cancel_waiting(session: Session, task_id: str, now: datetime) -> None:
    """Stop what has not left yet."""
    session.connection.execute(
        update(_CALL)
        .where(
            _CALL.c.clinic_id == session.clinic,
            _CALL.c.task_id == task_id,
            _CALL.c.state == MessageState.QUEUED,
        )
        .values(state=MessageState.CANCELLED, finished_at=now)
    )


_IS_DUE: Final = (
    "(c.state = 'queued' AND c.not_before <= :now OR c.state = 'sending' AND c.lease_until < :now)"
    " AND NOT (SELECT is_restoring())"
)
_DUE: Final = text(
    "SELECT DISTINCT k.channel FROM safety_call c"  # noqa: S608 - made of constants
    " JOIN on_call_contact k ON k.clinic_id = c.clinic_id AND k.id = c.contact_id"
    f" WHERE c.clinic_id = :clinic AND {_IS_DUE}"
)
_CLAIM: Final = text(
    f"SELECT {', '.join(f'c.{name}' for name in _FIELDS)}, t.settled_at, k.ended_at, k.address"  # noqa: S608 - as above
    " FROM safety_call c"
    " JOIN safety_task t ON t.clinic_id = c.clinic_id AND t.id = c.task_id"
    " JOIN on_call_contact k ON k.clinic_id = c.clinic_id AND k.id = c.contact_id"
    f" WHERE c.clinic_id = :clinic AND k.channel = :channel AND {_IS_DUE}"
    " ORDER BY c.created_at, c.step LIMIT 1 FOR NO KEY UPDATE OF c, t SKIP LOCKED"
)


def due_channels(session: Session, now: datetime) -> list[Channel]:
    """By which channels there is something to send, or to look into. Locks nothing."""
    found = session.connection.scalars(_DUE, {"clinic": session.clinic, "now": now})
    return sorted(Channel(name) for name in found)


@dataclass(frozen=True, slots=True)
class HeldCall:
    """A message and its task, both locked; `is_wanted` while the task waits and the contact is on call."""

    call: SafetyCall
    is_wanted: bool
    address: str


def hold_due(session: Session, channel: Channel, now: datetime) -> HeldCall | None:
    """The oldest that is due and that nobody else holds."""
    given = {"clinic": session.clinic, "channel": channel, "now": now}
    row = session.connection.execute(_CLAIM, given).one_or_none()
    if row is None:
        return None
    settled_at, ended_at, address = row[len(_FIELDS) :]
    return HeldCall(_to_call(row[: len(_FIELDS)]), settled_at is None and ended_at is None, address)


def change(session: Session, call: SafetyCall, **values: Any) -> bool:
    """Write what becomes of it, if the caller still has its newest claim; False where it has not.

    The lease is given up, unless a new one is among the values.
    """
    changed = session.connection.execute(
        update(_CALL)
        .where(
            _CALL.c.clinic_id == session.clinic,
            _CALL.c.id == call.id,
            _CALL.c.attempts == call.attempts,
            _CALL.c.state == call.state,
        )
        .values(**{"lease_until": None, **values})
    )
    return changed.rowcount == 1
