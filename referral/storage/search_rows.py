"""Rows of the store as a search gives them: the stored text, and whose record it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Text, cast, select

from referral.storage.db import Session
from referral.storage.resources import Stored
from referral.storage.tables import resource

COLUMNS: Final = (
    resource.c.id,
    resource.c.version,
    resource.c.last_updated,
    resource.c.patient_id,
    cast(resource.c.body, Text).label("body"),
)


@dataclass(frozen=True, slots=True)
class Match:
    """A resource and whose record it is."""

    stored: Stored
    patient_id: str | None


def match_of(type: str, row: Any) -> Match:
    """A row with COLUMNS."""
    return Match(Stored(type, row.id, row.version, row.last_updated, row.body), row.patient_id)


def fetch(session: Session, type: str, condition: ColumnElement[bool], limit: int) -> list[Match]:
    """Current versions, newest first."""
    rows = session.connection.execute(
        select(*COLUMNS)
        .where(resource.c.clinic_id == session.clinic, resource.c.type == type, condition)
        .order_by(resource.c.last_updated.desc(), resource.c.id)
        .limit(limit)
    )
    return [match_of(type, row) for row in rows]
