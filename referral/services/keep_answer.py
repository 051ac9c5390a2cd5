"""The evidence of an answer (safety.md 3): what was shown, typed and preset, and who was recognised how."""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass
from datetime import date, datetime

from referral.domain.answers import Answers
from referral.domain.form import BY_LINK_ID, VERSION, Item, Kind, items_for
from referral.domain.language import Language, phrase
from referral.domain.records import Clinician, Order, Referral
from referral.services.letter_content import indication_words
from referral.services.receipt import keep_evidence
from referral.storage import directory, documents
from referral.storage.db import Session
from referral.storage.recommendations import NewRecommendation
from referral.translation import long_date, say


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """How the answer came: by the credential `selector`, or None when staff recorded it.

    `shown_text_sha256` is the digest of the exact page that was signed, `language` the one it was shown in;
    `preset` names the prefilled fields.
    """

    strength: str
    selector: str | None
    address: str | None = None
    user_agent: str = ""
    shown_text_sha256: str = ""
    preset: tuple[str, ...] = ()
    language: Language | None = None


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
    """Store the evidence, encrypted. `attestation` replaces the form's own; `more` are further lines.

    Staff read the answer in English; what a page has shown is kept beside it in that page's words, and what
    staff have written down in those of the form that the clinician gets: their letters are in their language.
    """
    answers, clinician, signing = given.answers, given.clinician, given.signing
    patient = directory.get_patient(session, given.referral.patient_id)
    evidence: dict[str, object] = {
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
            [phrase("Identity established by"), signing.strength],
            [phrase("Answered at"), now.isoformat(timespec="seconds")],
            [phrase("Credential"), signing.selector or phrase("recorded by staff")],
            [phrase("Network address"), signing.address or phrase("unknown")],
            [phrase("Browser"), signing.user_agent[:300] or phrase("unknown")],
            [phrase("Form version"), VERSION],
            [
                phrase("SHA-256 of the page as shown"),
                signing.shown_text_sha256 or phrase("not shown on a page"),
            ],
            [phrase("Prefilled by the clinic"), ", ".join(sorted(signing.preset)) or phrase("nothing")],
            [phrase("NPI on file at the time"), clinician.npi or phrase("none")],
            [phrase("Recommendation"), given.recommendation.id],
            *([label, value] for label, value in more),
        ],
        "fhir": base64.b64encode(fhir).decode(),
    }
    language = signing.language or clinician.language
    if language is not None:
        evidence["shown"] = _as_shown(answers, clinician, attestation, language)
    keep_evidence(session, given.referral, str(given.recommendation.document_id), evidence, now)


def _as_shown(
    answers: Answers, clinician: Clinician, attestation: str, language: Language
) -> dict[str, object]:
    return {
        "language": language,
        "decision": _words("decision", answers.decision, language),
        "answers": shown_answers(answers, clinician, language),
        "attestation": attestation or say(language, BY_LINK_ID["attestation"].text),
    }


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


def _words(link_id: str, code: str, language: Language = Language.ENGLISH) -> str:
    chosen = next((o.text for o in BY_LINK_ID[link_id].options if o.code == code), None)
    return say(language, chosen) if chosen else code


def shown_answers(
    answers: Answers, clinician: Clinician, language: Language | None = None
) -> list[list[str]]:
    """[question, answer] in the order of the page; with a `language` in the words that were on it."""
    shown = []
    for item in items_for(clinician.kind):
        value = answers.values.get(item.link_id)
        if value is None or item.kind is Kind.TICK:
            continue
        parts = [value] if isinstance(value, str) else list(value)
        said = ", ".join(_said(item, part, language) for part in parts)
        shown.append([say(language or Language.ENGLISH, item.text), said])
    return shown


def _said(item: Item, part: str, language: Language | None) -> str:
    if item.kind is Kind.DATE and language is not None:
        return long_date(language, date.fromisoformat(part))
    return _words(item.link_id, part, language or Language.ENGLISH)
