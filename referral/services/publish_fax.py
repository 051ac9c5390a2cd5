"""The FHIR side of a fax that has found its request: a DocumentReference, and its end after a mistake."""

from __future__ import annotations

import hashlib
from datetime import datetime

from referral.domain.records import Referral
from referral.fhir import answer as answer_mapping
from referral.services.publish import clinic_ref
from referral.storage import resources
from referral.storage.db import Session
from referral.storage.documents import Document


def fax_attached(session: Session, about: Referral, kept: Document, now: datetime) -> None:
    """`kept` is the request's own copy; the DocumentReference has its id, and Binary serves its bytes."""
    described = answer_mapping.KeptDocument(
        id=kept.id,
        type=answer_mapping.ANSWER_LETTER,
        patient_id=about.patient_id,
        content_type=kept.content_type,
        size=len(kept.content),
        sha1=hashlib.sha1(kept.content, usedforsecurity=False).digest(),
        sha256=kept.sha256,
        created_at=now,
        title=f"Fax about {about.number}",
        referral_id=about.id,
    )
    author = f"PractitionerRole/{about.clinician_id}"
    made = answer_mapping.document_reference(described, author=author, custodian=clinic_ref(session))
    resources.create(session, [made], now)


def fax_taken_off(session: Session, record_id: str, now: datetime) -> None:
    """It was another request's, or nobody's."""
    resources.amend(session, "DocumentReference", record_id, {"status": "entered-in-error"}, now)
