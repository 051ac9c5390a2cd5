"""Open requests whose plan has to follow a change of hours or closed days, in steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import insert, select, tuple_, update

from referral.storage import tables
from referral.storage.db import Session

_TABLE: Final = tables.replanning


@dataclass(frozen=True, slots=True, kw_only=True)
class Replanning:
    """`clinician_id` None: requests to everybody. Order and clinician of the last request looked at."""

    id: int
    clinician_id: str | None
    reached_order: str
    reached_clinician: str


def begin(session: Session, clinician_id: str | None, now: datetime) -> Replanning:
    """A new walk from the beginning."""
    id = session.connection.scalar(
        insert(_TABLE).returning(_TABLE.c.id),
        {"clinic_id": session.clinic, "clinician_id": clinician_id, "created_at": now},
    )
    return Replanning(id=int(id or 0), clinician_id=clinician_id, reached_order="", reached_clinician="")


def take(session: Session) -> Replanning | None:
    """The oldest that is not finished, locked; None when there is none, or others are at it."""
    query = (
        select(_TABLE.c.id, _TABLE.c.clinician_id, _TABLE.c.reached_order, _TABLE.c.reached_clinician)
        .where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.finished_at.is_(None))
        .order_by(_TABLE.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = session.connection.execute(query).mappings().one_or_none()
    return Replanning(**row) if row else None


def next_of(session: Session, walk: Replanning, limit: int) -> list[tuple[str, str, str]]:
    """(order, clinician, request) of the next open requests, in the order in which everybody locks."""
    table = tables.referral
    query = (
        select(table.c.order_id, table.c.clinician_id, table.c.id)
        .where(
            table.c.clinic_id == session.clinic,
            table.c.closed_at.is_(None),
            tuple_(table.c.order_id, table.c.clinician_id)
            > tuple_(walk.reached_order, walk.reached_clinician),
        )
        .order_by(table.c.order_id, table.c.clinician_id)
        .limit(limit)
    )
    if walk.clinician_id is not None:
        query = query.where(table.c.clinician_id == walk.clinician_id)
    return [(row[0], row[1], row[2]) for row in session.connection.execute(query)]


def advance(
    session: Session,
    walk: Replanning,
    last: tuple[str, str, str] | None,
    moved: int,
    finished: datetime | None,
) -> None:
    """Note how far it is, how many requests it has moved, and when it has ended."""
    values: dict[str, Any] = {"moved": _TABLE.c.moved + moved, "finished_at": finished}
    if last is not None:
        values |= {"reached_order": last[0], "reached_clinician": last[1]}
    session.connection.execute(
        update(_TABLE).where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.id == walk.id).values(**values)
    )
