"""A sample of the sealed record, about nobody."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import Final

from referral.domain.codes import Decision
from referral.domain.form import BY_LINK_ID, VERSION
from referral.domain.language import Language
from referral.letters.content import EvidenceLine, Letterhead, ReceiptRecord, ShownAnswer
from referral.translation import say

RECORD: Final = "record"
_REFERENCE: Final = "00000000-0000-4000-8000-000000000000"
_DECISION: Final = next(
    option.text
    for option in BY_LINK_ID["decision"].options
    if option.code == Decision.RECOMMENDED_WITH_CONDITIONS
)
_CONDITIONS: Final = {
    Language.ENGLISH: "Below 140/90 first.\nNo lamotrigine.",
    Language.SPANISH: "Primero por debajo de 140/90.\nSin lamotrigina.",
}


def sample_record(letterhead: Letterhead, language: Language) -> ReceiptRecord:
    """As it is drawn before it is sealed; its reference leads nowhere."""
    said = partial(say, language)
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
        decision=said(_DECISION),
        answers=(
            ShownAnswer(question=said(BY_LINK_ID["decision"].text), answer=said(_DECISION)),
            ShownAnswer(question=said(BY_LINK_ID["conditions"].text), answer=_CONDITIONS[language]),
            ShownAnswer(question=said(BY_LINK_ID["psychosis"].text), answer=said("No")),
        ),
        attestation=said(BY_LINK_ID["attestation"].text),
        evidence=(
            EvidenceLine(label="Identity established by", value="two-channel"),
            EvidenceLine(label="Form version", value=VERSION),
            EvidenceLine(label="Prefilled by the clinic", value="nothing"),
            EvidenceLine(label="SHA-256 of the page as shown", value="60303ae22b998861" * 4),
        ),
        verify_url=f"https://ask.harborlight.example/verify/{_REFERENCE}",
        fhir=json.dumps({"resourceType": "QuestionnaireResponse", "status": "completed"}).encode(),
        language=language,
        answered_in=language,
    )
