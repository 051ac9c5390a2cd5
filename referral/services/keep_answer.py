"""The evidence of an answer (safety.md 3): what was shown, typed and preset, and who was recognised how."""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass
from datetime import datetime

from referral.domain.answers import Answers
from referral.domain.form import BY_LINK_ID, VERSION, Kind, items_for
from referral.domain.records import Clinician, Order, Referral
from referral.services.letter_content import indication_words
from referral.services.receipt import keep_evidence
from referral.storage import directory, documents
from referral.storage.db import Session
from referral.storage.recommendations import NewRecommendation


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """How the answer came: by the credential `selector`, or None when staff recorded it.

    `shown_text_sha256` is the digest of the exact page that was signed; `preset` names the prefilled fields.
    """

    strength: str
    selector: str | None
    address: str | None = None
    user_agent: str = ""
    shown_text_sha256: str = ""
    preset: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """An answer, whose it is, what it is about, and how it was signed."""

    referral: Referral
    clinician: Clinician
    order: Order
    answers: Answers
    recommendation: NewRecommendation
    signing: Signing


def keep_answer(
    session: Session,
    given: Given,
    fhir: bytes,
    now: datetime,
    *,
    attestation: str = "",
    more: tuple[tuple[str, str], ...] = (),
) -> None:
    """Store the evidence, encrypted. `attestation` replaces the form's own; `more` are further lines."""
    answers, clinician, signing = given.answers, given.clinician, given.signing
    patient = directory.get_patient(session, given.referral.patient_id)
    evidence = {
        "signer": {
            "name": answers.text("signer-name") or clinician.name,
            "credentials": answers.text("signer-credentials") or clinician.credentials,
            "npi": answers.text("signer-npi") or clinician.npi or "",
        },
        "patient": {"name": patient.name, "birth_year": patient.birth_date.year if patient.birth_date else 0},
        "indication": indication_words(given.order),
        "decision": _words("decision", answers.decision),
        "answers": shown_answers(answers, clinician),
        "attestation": attestation or BY_LINK_ID["attestation"].text,
        "evidence": [
            ["Identity established by", signing.strength],
            ["Answered at", now.isoformat(timespec="seconds")],
            ["Credential", signing.selector or "recorded by staff"],
            ["Network address", signing.address or "unknown"],
            ["Browser", signing.user_agent[:300] or "unknown"],
            ["Form version", VERSION],
            ["SHA-256 of the page as shown", signing.shown_text_sha256 or "not shown on a page"],
            ["Prefilled by the clinic", ", ".join(sorted(signing.preset)) or "nothing"],
            ["NPI on file at the time", clinician.npi or "none"],
            ["Recommendation", given.recommendation.id],
            *([label, value] for label, value in more),
        ],
        "fhir": base64.b64encode(fhir).decode(),
    }
    keep_evidence(session, given.referral, str(given.recommendation.document_id), evidence, now)


def keep_shown(session: Session, referral: Referral, shown: bytes, now: datetime) -> None:
    """The exact page whose digest the evidence names, so that the digest can be checked."""
    documents.add(
        session,
        id=str(uuid.uuid4()),
        kind="signed-page",
        content_type="text/html; charset=utf-8",
        content=shown,
        now=now,
        patient_id=referral.patient_id,
        referral_id=referral.id,
    )


def _words(link_id: str, code: str) -> str:
    return next((o.text for o in BY_LINK_ID[link_id].options if o.code == code), code)


def shown_answers(answers: Answers, clinician: Clinician) -> list[list[str]]:
    """[question, answer] in the words that were on the page, in its order."""
    shown = []
    for item in items_for(clinician.kind):
        value = answers.values.get(item.link_id)
        if value is None or item.kind is Kind.TICK:
            continue
        parts = [value] if isinstance(value, str) else list(value)
        shown.append([item.text, ", ".join(_words(item.link_id, part) for part in parts)])
    return shown
