"""The FHIR side of what was said: one Communication for each turn, its words behind a DocumentReference.

So the words stay encrypted, and whoever may read the Communication asks for them by Binary (docs/adr/0028).
"""

from __future__ import annotations

from datetime import datetime

from referral.domain.conversation import Turn
from referral.domain.records import Referral
from referral.fhir import communication as mapping
from referral.services.publish import clinic_ref, letter_kept
from referral.storage import documents, resources
from referral.storage.db import Session


def said(session: Session, about: Referral, turn: Turn, earlier: Turn | None, now: datetime) -> None:
    """`earlier` is what it answers, None for what opens a conversation."""
    clinic = clinic_ref(session)
    clinician = f"PractitionerRole/{about.clinician_id}"
    by_clinic = turn.speaker != "clinician"
    if turn.words_id is not None:
        kept = documents.get(session, turn.words_id)
        author = clinic if by_clinic else clinician
        title = f"Message about {about.number}"
        letter_kept(session, about, kept, title, now, type=mapping.NOTE, author=author)
    made = mapping.said(turn, about, clinic=clinic, in_response_to=earlier.id if earlier else None)
    resources.create(session, [made], now)
