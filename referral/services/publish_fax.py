"""The FHIR side of a fax that has found its request: a DocumentReference, and its end after a mistake."""

from __future__ import annotations

from datetime import datetime

from referral.domain.records import Referral
from referral.services.publish import letter_kept
from referral.storage import resources
from referral.storage.db import Session
from referral.storage.documents import Document


def fax_attached(session: Session, about: Referral, kept: Document, now: datetime) -> None:
    """`kept` is the request's own copy."""
    letter_kept(session, about, kept, f"Fax about {about.number}", now)


def fax_taken_off(session: Session, record_id: str, now: datetime) -> None:
    """It was another request's, or nobody's."""
    resources.amend(session, "DocumentReference", record_id, {"status": "entered-in-error"}, now)
