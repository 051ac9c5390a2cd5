"""Answers as the gate counts them, and what was said about them later."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from referral.domain.codes import ClinicianKind, Decision, Strength
from referral.domain.errors import NotFound
from referral.storage import tables
from referral.storage.db import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecommendation:
    id: str
    patient_id: str
    order_id: str
    referral_id: str
    clinician_id: str
    clinician_kind: ClinicianKind
    decision: Decision
    covers: tuple[str, ...]
    red_flags: tuple[str, ...]
    strength: Strength
    answered_at: datetime
    valid_until: datetime
    response_id: str
    document_id: str | None = None
    renews: str | None = None


def add(session: Session, new: NewRecommendation) -> None:
    """The database refuses an answer to a request that was never made."""
    row = {name: getattr(new, name) for name in NewRecommendation.__slots__}
    row |= {"clinic_id": session.clinic, "covers": list(new.covers), "red_flags": list(new.red_flags)}
    session.connection.execute(insert(tables.recommendation).inline(), row)


def find(session: Session, *, id: str | None = None, referral_id: str | None = None) -> Any:
    """The row of an answer by its own id or by its request's (the newest), None where there is none."""
    table = tables.recommendation
    query = select(table).where(table.c.clinic_id == session.clinic)
    query = (
        query.where(table.c.id == id) if id is not None else query.where(table.c.referral_id == referral_id)
    )
    return session.connection.execute(query.order_by(table.c.answered_at.desc()).limit(1)).one_or_none()


def find_many(session: Session, ids: Iterable[str]) -> dict[str, Any]:
    """Rows by id; what does not exist is missing from the result."""
    table = tables.recommendation
    query = select(table).where(table.c.clinic_id == session.clinic, table.c.id.in_(list(ids)))
    return {row.id: row for row in session.connection.execute(query)}


def remark(
    session: Session, recommendation_id: str, table_name: str, made_by: str, reason: str, **values: Any
) -> None:
    """Add a review, a confirmation or a void; each moves the gate's version first (trigger move_gate)."""
    row = find(session, id=recommendation_id)
    if row is None:
        raise NotFound("There is no such recommendation.")
    session.connection.execute(
        insert(tables.metadata.tables[f"recommendation_{table_name}"]).inline(),
        {
            "clinic_id": session.clinic,
            "patient_id": row.patient_id,
            "order_id": row.order_id,
            "recommendation_id": row.id,
            "made_by": made_by,
            "reason": reason,
            **values,
        },
    )
