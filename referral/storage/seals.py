"""Sealed records, found by whoever shows a reference or the digest of a file (docs/adr/0004)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select

from referral.storage.db import Session
from referral.storage.tables import sealed_record


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedRecord:
    """Whose it is and when it was sealed; nothing about a patient. `sha256` in hex."""

    clinic_id: str
    reference: str
    sha256: str
    sealed_at: datetime


def find(session: Session, key: str) -> SealedRecord | None:
    """By reference or digest, before any clinic is known; None where there is none."""
    session.show_key(key)
    row = session.connection.execute(
        select(sealed_record)
        .where(or_(sealed_record.c.reference == key, sealed_record.c.sha256 == key))
        .limit(1)
    ).one_or_none()
    session.show_key("")
    if row is None:
        return None
    return SealedRecord(
        clinic_id=str(row.clinic_id), reference=row.reference, sha256=row.sha256, sealed_at=row.sealed_at
    )
