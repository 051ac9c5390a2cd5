"""Says to anybody who holds a sealed record whether it is unchanged, and nothing about whom it concerns."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from referral.domain.errors import Unavailable
from referral.letters.check_seal import check_seal
from referral.letters.seal_key import root_of
from referral.storage import clinics, seals
from referral.storage.clinics import Clinic
from referral.storage.db import Session
from referral.storage.seals import SealedRecord

# Processes that read files at a time; whoever comes then tries again.
_FEW_AT_A_TIME: Final = threading.BoundedSemaphore(2)
# A clinic's seal never changes.
_ROOTS: Final[dict[str, bytes]] = {}


class Verdict(StrEnum):
    """UNKNOWN is everything that is not sealed under a root of this service."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verified:
    """`by` is the neutral name of the clinic whose seal it is, empty for UNKNOWN; `reference` where known."""

    verdict: Verdict
    by: str = ""
    sealed_at: datetime | None = None
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """A record by its reference: `sha256` in hex, `by` as in Verified."""

    by: str
    sealed_at: datetime
    sha256: str
    reference: str


def find_record(session: Session, reference: str) -> Known | None:
    """None for a reference that nobody was given."""
    found = seals.find(session, reference)
    if found is None or found.reference != reference:
        return None
    return Known(_name(clinics.get(session, found.clinic_id)), found.sealed_at, found.sha256, reference)


def certificate_of(session: Session, reference: str) -> bytes | None:
    """The root certificate, in PEM, that the seal of this record can be checked by with any other program."""
    found = seals.find(session, reference)
    if found is None or found.reference != reference:
        return None
    return _root(session, clinics.get(session, found.clinic_id))


def verify_file(
    transaction: Callable[[], AbstractContextManager[Session]], content: bytes, now: datetime
) -> Verified:
    """Look at an uploaded file; it is kept nowhere. Raises Unavailable while too many others are looked at.

    A file that is a stored record to the byte needs no reading. Another one is read outside of a transaction.
    """
    with transaction() as session:
        same = seals.find(session, hashlib.sha256(content).hexdigest())
        if same is not None:
            return _unchanged(session, same)
        every = clinics.every(session)
        roots = [_root(session, clinic) for clinic in every]
    if not _FEW_AT_A_TIME.acquire(blocking=False):
        raise Unavailable("Other files are being checked at this moment. Please try again in a minute.")
    try:
        checked = check_seal(content, roots, now)
    finally:
        _FEW_AT_A_TIME.release()
    if checked.root is None:
        return Verified(Verdict.UNKNOWN)
    verdict = Verdict.UNCHANGED if checked.good else Verdict.CHANGED
    return Verified(verdict, _name(every[checked.root]), checked.signed_at if checked.good else None)


def _unchanged(session: Session, same: SealedRecord) -> Verified:
    name = _name(clinics.get(session, same.clinic_id))
    return Verified(Verdict.UNCHANGED, name, same.sealed_at, same.reference)


def _name(clinic: Clinic) -> str:
    return str(clinic.letterhead["neutral_name"])


def _root(session: Session, clinic: Clinic) -> bytes:
    found = _ROOTS.get(clinic.id)
    if found is None:
        key = session.vault.open(clinic.wrapped_key, clinic.seal_key, "seal-key")
        found = _ROOTS[clinic.id] = root_of(key)
    return found
