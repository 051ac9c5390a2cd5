"""Clinicians of the national register whom the clinic does not have in its own directory."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from referral.domain.nppes import PERSON, Registered
from referral.domain.records import Clinician
from referral.storage import directory, register, register_import
from referral.storage.db import Session


def look_up_register(session: Session, words: str, limit: int) -> tuple[list[Registered], bool]:
    """People by name, city or NPI, best match first, and whether there are more; nothing for nothing."""
    if limit < 1 or not words.strip():
        return [], False
    found = [record for record in register.find(session, words, 2 * limit) if record.entity == PERSON]
    known = directory.find_by_npi(session, [record.npi for record in found])
    new = [record for record in found if record.npi not in known]
    return new[:limit], len(new) > limit


def deactivations(session: Session, clinicians: Iterable[Clinician]) -> dict[str, date]:
    """Since when the NPIs of these clinicians are deactivated, by NPI; the others are missing."""
    npis = [clinician.npi for clinician in clinicians if clinician.npi]
    found = register.get_many(session, npis) if npis else {}
    return {npi: record.deactivated_on for npi, record in found.items() if record.deactivated_on}


def remember(session: Session, found: Iterable[Registered], now: datetime) -> int:
    """Keep what the register itself has just said, as if it had been imported today; returns what was new."""
    return register_import.put(session, {record.npi: record for record in found}.values(), now.date())
