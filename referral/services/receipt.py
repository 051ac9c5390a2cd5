"""The record of an answer: evidence is kept when it arrives, and drawn and sealed by a worker."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any

from referral.domain.errors import NotFound
from referral.domain.language import Language
from referral.domain.records import Referral
from referral.letters.content import EvidenceLine, ReceiptRecord, ShownAnswer
from referral.services.letter_content import letterhead_of
from referral.storage import documents, recommendations
from referral.storage.clinics import Clinic
from referral.storage.db import Session


def evidence_id(receipt_id: str) -> str:
    """The evidence is a document of its own, found by the id of the record that is drawn from it."""
    return f"{receipt_id}-evidence"


def keep_evidence(
    session: Session, referral: Referral, receipt_id: str, evidence: dict[str, Any], now: datetime
) -> None:
    """Store what was shown, typed and known, encrypted; the record is drawn from it."""
    documents.add(
        session,
        id=evidence_id(receipt_id),
        kind="evidence",
        content_type="application/json",
        content=json.dumps(evidence, sort_keys=True, ensure_ascii=False).encode(),
        now=now,
        patient_id=referral.patient_id,
        referral_id=referral.id,
    )


def receipt_record(
    session: Session, clinic: Clinic, referral: Referral, base_url: str, reads: Language
) -> tuple[str, ReceiptRecord]:
    """(document id, what the receipt says) of the newest answer to a request.

    In the language in which it was answered; where none was kept, in the one that the clinician `reads`. The
    words of the answer stay as they were shown.
    """
    row = recommendations.find(session, referral_id=referral.id)
    if row is None or row.document_id is None:
        raise NotFound("This request has no recorded answer.")
    kept = json.loads(documents.get(session, evidence_id(row.document_id)).content)
    shown = kept.get("shown", {})
    kept |= shown
    return row.document_id, ReceiptRecord(
        record_id=row.document_id,
        request_number=referral.number,
        answered_at=row.answered_at,
        letterhead=letterhead_of(clinic),
        clinician_name=kept["signer"]["name"],
        credentials=kept["signer"]["credentials"],
        npi=kept["signer"]["npi"],
        patient_name=kept["patient"]["name"],
        birth_year=kept["patient"]["birth_year"],
        indication=kept["indication"],
        decision=kept["decision"],
        answers=tuple(ShownAnswer(question=question, answer=answer) for question, answer in kept["answers"]),
        attestation=kept["attestation"],
        evidence=tuple(EvidenceLine(label=label, value=value) for label, value in kept["evidence"]),
        verify_url=f"{base_url}/verify/{row.document_id}",
        language=Language(shown["language"]) if shown else reads,
        answered_in=Language(shown["language"]) if shown else Language.ENGLISH,
        fhir=base64.b64decode(kept["fhir"]),
    )
