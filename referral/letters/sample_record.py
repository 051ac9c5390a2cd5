"""A sample of the sealed record, about nobody."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final

from referral.domain.form import BY_LINK_ID
from referral.domain.language import Language
from referral.letters.content import EvidenceLine, Letterhead, ReceiptRecord, ShownAnswer

RECORD: Final = "record"
_REFERENCE: Final = "00000000-0000-4000-8000-000000000000"


def sample_record(letterhead: Letterhead, language: Language) -> ReceiptRecord:
    """As it is drawn before it is sealed; its reference leads nowhere."""
    del language  # The record keeps the words that the clinician was shown; this one answered in English.
    return ReceiptRecord(
        record_id=_REFERENCE,
        request_number="R-2026-04182",
        answered_at=datetime(2026, 11, 24, 19, 3, 21, tzinfo=UTC),
        letterhead=letterhead,
        clinician_name="Chidi A. Okafor",
        credentials="MD",
        npi="9000000019",
        patient_name="Maria José Nguyễn",
        birth_year=1986,
        indication="recurrent depression (F33.2)",
        decision="I recommend it with conditions",
        answers=(
            ShownAnswer(question="Do you recommend it?", answer="I recommend it with conditions"),
            ShownAnswer(question="Which conditions?", answer="Below 140/90 first.\nNo lamotrigine."),
            ShownAnswer(question="Psychosis", answer="No"),
        ),
        attestation=BY_LINK_ID["attestation"].text,
        evidence=(
            EvidenceLine(label="Identity", value="two-channel"),
            EvidenceLine(label="Contact", value="o•••••@beaconhill.example"),
            EvidenceLine(label="Answer, SHA-256", value="60303ae22b998861" * 4),
        ),
        verify_url=f"https://ask.harborlight.example/verify/{_REFERENCE}",
        fhir=json.dumps({"resourceType": "QuestionnaireResponse", "status": "completed"}).encode(),
    )
