"""Calls that people have to make: one row for each, open until something came of it."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Text, and_, any_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on, insert

from referral.domain.calls import CallOutcome, CallReason, CallState
from referral.domain.errors import StaleVersion
from referral.domain.quick import quick
from referral.storage import tables
from referral.storage.db import Session, one_of
from referral.storage.versioned import over

_TABLE: Final = tables.call_task


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class CallTask:
    """About a request, a contact of its clinician, or both. `tries` counts calls that reached nobody."""

    id: str
    why: CallReason
    referral_id: str | None
    contact_id: str | None
    state: CallState
    due_at: datetime
    tries: int
    outcome: CallOutcome | None
    created_at: datetime
    done_by: str | None
    done_at: datetime | None
    version: int


_FIELDS: Final = tuple(CallTask.__slots__)
COLUMNS: Final = tuple(_TABLE.c[name] for name in _FIELDS)


def to_task(row: Any) -> CallTask:
    """From COLUMNS in their order."""
    values = dict(zip(_FIELDS, row, strict=True))
    values |= {"why": CallReason(values["why"]), "state": CallState(values["state"])}
    values["outcome"] = CallOutcome(values["outcome"]) if values["outcome"] else None
    return CallTask(**values)


def put(
    session: Session,
    why: CallReason,
    now: datetime,
    *,
    referral_id: str | None,
    contact_id: str | None,
    due_at: datetime,
) -> str | None:
    """The id; None where the same call is open already, which is no error."""
    made = session.connection.scalar(
        insert(_TABLE).on_conflict_do_nothing().returning(_TABLE.c.id),
        {
            "clinic_id": session.clinic,
            "id": str(uuid.uuid4()),
            "why": why,
            "referral_id": referral_id,
            "contact_id": contact_id,
            "due_at": due_at,
            "created_at": now,
        },
    )
    return None if made is None else str(made)


def get(session: Session, id: str, *, lock: bool = False) -> CallTask | None:
    """None where there is none in this clinic."""
    query = select(*COLUMNS).where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.id == id)
    row = session.connection.execute(query.with_for_update() if lock else query).one_or_none()
    return to_task(row) if row else None


_OPEN: Final = (
    select(*COLUMNS)
    .where(_TABLE.c.clinic_id == bindparam("clinic"), one_of(_TABLE.c.state, [CallState.OPEN]))
    .order_by(_TABLE.c.due_at, _TABLE.c.id)
    .limit(bindparam("most"))
)


def find_open(session: Session, limit: int) -> list[CallTask]:
    """Those that are due first come first."""
    rows = session.connection.execute(_OPEN, {"clinic": session.clinic, "most": limit})
    return [to_task(row) for row in rows]


def of_referral(session: Session, referral_id: str) -> list[CallTask]:
    """Open ones, those that are due first before the others."""
    query = (
        select(*COLUMNS)
        .where(
            _TABLE.c.clinic_id == session.clinic,
            _TABLE.c.referral_id == referral_id,
            _TABLE.c.state == CallState.OPEN,
        )
        .order_by(_TABLE.c.due_at, _TABLE.c.id)
    )
    return [to_task(row) for row in session.connection.execute(query)]


COUNT_DUE: Final = select(func.count()).where(
    _TABLE.c.clinic_id == bindparam("clinic"),
    one_of(_TABLE.c.state, [CallState.OPEN]),
    _TABLE.c.due_at <= bindparam("now"),
)


_NEWEST: Final = (
    select(_TABLE.c.referral_id, _TABLE.c.outcome, _TABLE.c.done_at)
    .where(
        _TABLE.c.clinic_id == bindparam("clinic"),
        _TABLE.c.referral_id == any_(bindparam("ids", type_=ARRAY(Text))),
    )
    .order_by(_TABLE.c.referral_id, _TABLE.c.created_at.desc(), _TABLE.c.id)
    .ext(distinct_on(_TABLE.c.referral_id))
    .subquery()
)
_NOT_REACHED: Final = select(_NEWEST.c.referral_id, _NEWEST.c.done_at).where(
    one_of(_NEWEST.c.outcome, [CallOutcome.NOT_REACHED])
)


def not_reached(session: Session, referral_ids: list[str]) -> dict[str, datetime]:
    """Of these requests, those whose newest call was given up, and when."""
    given = {"clinic": session.clinic, "ids": referral_ids}
    return {row.referral_id: row.done_at for row in session.connection.execute(_NOT_REACHED, given)}


_UNWELCOME: Final = (
    select(tables.referral.c.clinician_id, func.max(_TABLE.c.done_at))
    .join(
        tables.referral,
        and_(tables.referral.c.clinic_id == _TABLE.c.clinic_id, tables.referral.c.id == _TABLE.c.referral_id),
    )
    .where(
        _TABLE.c.clinic_id == bindparam("clinic"),
        one_of(_TABLE.c.outcome, [CallOutcome.DO_NOT_CONTACT]),
        tables.referral.c.clinician_id == any_(bindparam("ids", type_=ARRAY(Text))),
    )
    .group_by(tables.referral.c.clinician_id)
)


def unwelcome(session: Session, clinician_ids: list[str]) -> dict[str, datetime]:
    """Of these clinicians, those who have asked on the telephone not to be contacted, and when last."""
    given = {"clinic": session.clinic, "ids": clinician_ids}
    return {row[0]: row[1] for row in session.connection.execute(_UNWELCOME, given)}


def change(session: Session, before: CallTask, **values: Any) -> CallTask:
    """Write over the version that was read; StaleVersion if somebody else was first."""
    row = session.connection.execute(
        over(session, _TABLE, before, **values).returning(*COLUMNS)
    ).one_or_none()
    if row is None:
        raise StaleVersion("Somebody else has logged this call. Reload the page and look.")
    return to_task(row)


def cancel_of(
    session: Session, referral_id: str, now: datetime, reasons: Collection[CallReason] = tuple(CallReason)
) -> int:
    """Nobody has to call about the request any more for these reasons; all of them once it has ended.

    Returns how many calls it were.
    """
    changed = session.connection.execute(
        update(_TABLE)
        .where(
            _TABLE.c.clinic_id == session.clinic,
            _TABLE.c.referral_id == referral_id,
            _TABLE.c.state == CallState.OPEN,
            one_of(_TABLE.c.why, reasons),
        )
        .values(state=CallState.CANCELLED, done_at=now, version=_TABLE.c.version + 1)
    )
    return changed.rowcount


def _about_number(session: Session, contact_id: str) -> tuple[Any, ...]:
    return (
        _TABLE.c.clinic_id == session.clinic,
        _TABLE.c.contact_id == contact_id,
        _TABLE.c.why == CallReason.CONFIRM_NUMBER,
        _TABLE.c.state == CallState.OPEN,
    )


def waits_about(session: Session, contact_id: str) -> bool:
    """Somebody has to confirm this number already, for whichever request."""
    query = select(func.count()).where(*_about_number(session, contact_id))
    return bool(session.connection.scalar(query))


def cancel_about(session: Session, contact_id: str, now: datetime) -> int:
    """It is known whose number it is, or it is used no more. Returns how many calls it were."""
    changed = session.connection.execute(
        update(_TABLE)
        .where(*_about_number(session, contact_id))
        .values(state=CallState.CANCELLED, done_at=now, version=_TABLE.c.version + 1)
    )
    return changed.rowcount
