"""Events that must survive a restore, as the database keeps them. Triggers of migration 0008 write them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import func, insert, or_, select, text, update

from referral.storage.db import Session, hold
from referral.storage.tables import safety_event

_TABLE: Final = safety_event
_COLUMNS: Final = (
    _TABLE.c.position,
    _TABLE.c.event_id,
    _TABLE.c.at,
    _TABLE.c.kind,
    _TABLE.c.subject,
    _TABLE.c.detail,
)
_ASSIGN: Final = text(
    "UPDATE safety_event e SET position = n.place FROM (SELECT id, CAST(:last AS bigint)"
    " + row_number() OVER (ORDER BY id) AS place FROM safety_event WHERE clinic_id = :clinic"
    " AND position IS NULL) n WHERE e.clinic_id = :clinic AND e.id = n.id"
)


@dataclass(frozen=True, slots=True)
class SafetyEvent:
    """One fact. `position` is its place in the clinic's stream; `detail` holds ids and codes."""

    position: int
    id: str
    at: datetime
    kind: str
    subject: str
    detail: dict[str, Any]


def _to_event(row: Any) -> SafetyEvent:
    return SafetyEvent(
        row.position, str(row.event_id), row.at.astimezone(UTC), row.kind, row.subject, row.detail
    )


def assign(session: Session) -> None:
    """Give every committed event without a place the next one. One at a time per clinic, without gaps."""
    waiting = select(_TABLE.c.id).where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.position.is_(None))
    if session.connection.execute(waiting.limit(1)).first() is None:
        return
    hold(session, "safety-stream")
    last = session.connection.scalar(
        select(func.max(_TABLE.c.position)).where(_TABLE.c.clinic_id == session.clinic)
    )
    session.connection.execute(_ASSIGN, {"clinic": session.clinic, "last": int(last or 0)})


def after(session: Session, position: int, limit: int = 1000) -> list[SafetyEvent]:
    """The next events of the stream, in its order."""
    rows = session.connection.execute(
        select(*_COLUMNS)
        .where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.position > position)
        .order_by(_TABLE.c.position)
        .limit(limit)
    )
    return [_to_event(row) for row in rows]


def known(session: Session, events: Iterable[SafetyEvent]) -> set[str]:
    """Which of these the database has, at the same place; by id."""
    wanted = {event.position: event.id for event in events}
    rows = session.connection.execute(
        select(_TABLE.c.position, _TABLE.c.event_id).where(
            _TABLE.c.clinic_id == session.clinic, _TABLE.c.position.in_(list(wanted))
        )
    )
    return {str(row.event_id) for row in rows if wanted[row.position] == str(row.event_id)}


def continues(session: Session, head: SafetyEvent) -> bool:
    """Whether the database goes on from this line: it has the event, or was reconciled behind it."""
    marker = select(_TABLE.c.id).where(
        _TABLE.c.clinic_id == session.clinic,
        _TABLE.c.position == head.position + 1,
        _TABLE.c.kind == "restored",
        _TABLE.c.detail["head"].astext == head.id,
    )
    return bool(known(session, [head])) or session.connection.execute(marker).first() is not None


def without_place(session: Session, common: int) -> set[str]:
    """Events that the database has, but not at a place that it shares with the stream; by id.

    They were committed before the backup and got their place in the stream after it, or after the restore.
    """
    rows = session.connection.scalars(
        select(_TABLE.c.event_id).where(
            _TABLE.c.clinic_id == session.clinic,
            or_(_TABLE.c.position.is_(None), _TABLE.c.position > common),
        )
    )
    return {str(id) for id in rows}


def mark_restored(
    session: Session, common: int, head: SafetyEvent, adopted: Iterable[SafetyEvent] = ()
) -> None:
    """Go on behind `head`: `adopted` take the places that they have in the stream, a marker the next one.

    What else the restored database has after `common` gets its place with the next export.
    """
    hold(session, "safety-stream")
    mine = _TABLE.c.clinic_id == session.clinic
    session.connection.execute(update(_TABLE).where(mine, _TABLE.c.position > common).values(position=None))
    for event in adopted:
        place = update(_TABLE).where(mine, _TABLE.c.event_id == event.id).values(position=event.position)
        session.connection.execute(place)
    marker = session.connection.scalar(
        insert(_TABLE)
        .values(
            clinic_id=session.clinic,
            kind="restored",
            subject="",
            detail={"after": common, "head": head.id},
        )
        .returning(_TABLE.c.id)
    )
    session.connection.execute(
        update(_TABLE).where(mine, _TABLE.c.id == marker).values(position=head.position + 1)
    )


def were_exported(session: Session) -> bool:
    """Whether any event of the clinic has a place in a stream."""
    query = select(_TABLE.c.id).where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.position.is_not(None))
    return session.connection.execute(query.limit(1)).first() is not None


def waiting(session: Session) -> int:
    """How many committed events have no place in the stream yet."""
    query = select(func.count()).where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.position.is_(None))
    return int(session.connection.scalar(query) or 0)
