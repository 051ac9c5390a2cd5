"""What an identified clinician does at the portal: reads the request and its letter, signs, asks, leaves."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from referral.domain.answers import Answers, check_answers
from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import ClinicianKind, Strength
from referral.domain.conversation import EXITS, About, Reach
from referral.domain.errors import CredentialUnusable, NotFound, StaleVersion
from referral.domain.language import Language, phrase
from referral.domain.late_answer import CameBy
from referral.domain.records import Clinician, Referral
from referral.domain.signature import signature_of
from referral.services.ask_clinic import How, ask_clinic
from referral.services.fill_in_for import both_names, require_clinician, require_own_name
from referral.services.keep_answer import keep_shown
from referral.services.keep_draft import Draft, Signed, read_draft, write_draft
from referral.services.keep_late_answer import keep_late_answer
from referral.services.letter_content import indication_words, planned_course
from referral.services.prove_identity import PAPER
from referral.services.read_conversation import Said, read_conversation
from referral.services.respond_to_referral import Response, respond
from referral.storage import audit, clinics, credentials, directory, documents, outbox, referrals
from referral.storage.credentials import Credential, PortalSession
from referral.storage.db import Session
from referral.storage.documents import Document
from referral.storage.portal_requests import PortalRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The request as the clinician reads it. `due_on` and `today` are dates where the clinician is.

    `signature` is what the clinic fills in of it, by link id.
    """

    number: str
    clinic_name: str
    patient_name: str
    birth_year: int | None
    indication: str
    planned_course: str
    clinician_name: str
    signature: dict[str, str]
    kind: ClinicianKind
    due_on: date
    today: date
    has_letter: bool
    is_single_channel: bool


@dataclass(frozen=True, slots=True)
class Sender:
    """Who asks, as far as a mail or a fax cover says it too."""

    name: str
    telephone: str


def read_sender(session: Session) -> Sender:
    """The neutral name and the telephone of the clinic of this transaction."""
    letterhead = clinics.get(session, session.clinic).letterhead
    return Sender(letterhead["neutral_name"], letterhead["telephone"])


def read_patient_name(session: Session, actor: Actor, credential: Credential) -> str:
    """For the check by birth date where no letter came that names the patient; the look is recorded."""
    referral = referrals.get(session, credential.referral_id)
    _note_read(session, actor, referral, "portal-patient-name")
    return directory.get_patient(session, referral.patient_id).name


def read_card(
    session: Session,
    actor: Actor,
    request: PortalRequest,
    found: PortalSession,
    now: datetime,
    language: Language = Language.ENGLISH,
) -> Card:
    """What the clinician is asked, in their language; the look is recorded."""
    asked, patient, order = request.asked, request.patient, request.order
    zone = ZoneInfo(asked.time_zone)
    _note_read(session, actor, request.referral, "portal-request")
    return Card(
        number=request.referral.number,
        clinic_name=clinics.get(session, session.clinic).name,
        patient_name=patient.name,
        birth_year=patient.birth_date.year if patient.birth_date else None,
        indication=indication_words(order),
        planned_course=planned_course(order, language),
        clinician_name=asked.name,
        signature=signature_of(asked),
        kind=asked.kind,
        due_on=request.referral.due_at.astimezone(zone).date(),
        today=now.astimezone(zone).date(),
        has_letter=request.letter_id is not None,
        is_single_channel=found.strength == Strength.SINGLE_CHANNEL,
    )


def read_letter(session: Session, actor: Actor, found: PortalSession) -> Document:
    """The letter that this very link came with.

    Never another one: the code on a letter that went another way is a second factor.
    """
    credential, referral = _of_session(session, found)
    letter_id = _letter_id(session, credential)
    if letter_id is None:
        raise NotFound(phrase("There is no letter with this link."))
    _note_read(session, actor, referral, "portal-letter")
    return documents.get(session, letter_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """`values` are all answers by link id, `shown` the page that was signed, `key` names the draft on it.

    `language` is the one that the page was shown in.
    """

    key: str
    values: dict[str, list[str]]
    shown: bytes
    user_agent: str
    language: Language


def sign(session: Session, actor: Actor, found: PortalSession, signature: Signature, now: datetime) -> Signed:
    """Record the answer once: the same form sent again gives what the first one gave.

    Raises InvalidInput with an issue per item, and StaleVersion where another draft was shown.
    """
    fresh = credentials.lock_session(session, found.token_digest)
    draft = read_draft(session, fresh)
    if draft.signed is not None:
        return draft.signed
    credential, referral = _held(session, fresh)
    if credential.frozen_at is not None or credential.revoked_for not in (None, "answer"):
        raise CredentialUnusable("This link cannot be used any more.")
    require_clinician(fresh)
    require_own_name(draft, next(iter(signature.values.get("signer-name", [])), ""))
    if draft.key != signature.key:
        raise StaleVersion(phrase("Your answers were changed in another window. Please read them again."))
    clinician = directory.get_clinician(session, referral.clinician_id)
    today = now.astimezone(ZoneInfo(clinician.time_zone)).date()
    answers = check_answers(signature.values, clinician.kind, today)
    response = _response(session, actor, fresh, credential, clinician, answers, signature)
    filled = draft.filled_by
    response = replace(response, evidence=both_names(draft), filled_by=filled.name if filled else "")
    if credential.revoked_for == "answer":
        return _late(session, actor, fresh, draft, response, now)
    receipt = respond(session, actor, response, now)
    keep_shown(session, referral, signature.shown, now)
    signed = Signed(
        decision=receipt.decision,
        document_id=receipt.document_id,
        needs_review=receipt.needs_review,
        visit_on=answers.text("visit-planned") or "",
    )
    write_draft(session, fresh, replace(draft, signed=signed))
    return signed


def _late(
    session: Session, actor: Actor, found: PortalSession, draft: Draft, response: Response, now: datetime
) -> Signed:
    """Another answer was first, while this one was being written: it is kept beside it."""
    came_by = CameBy.CODE if found.came_by == "code" else CameBy.LINK
    referral = referrals.get(session, response.referral_id)
    keep_late_answer(session, actor, referral, response.answers, came_by, now)
    signed = Signed(decision=response.answers.decision, document_id=None, needs_review=True, is_late=True)
    write_draft(session, found, replace(draft, signed=signed))
    return signed


def _response(
    session: Session,
    actor: Actor,
    found: PortalSession,
    credential: Credential,
    clinician: Clinician,
    answers: Answers,
    signature: Signature,
) -> Response:
    message = outbox.get(session, credential.message_id)
    return Response(
        referral_id=credential.referral_id,
        answers=answers,
        strength=Strength(found.strength or Strength.SINGLE_CHANNEL),
        selector=credential.selector,
        contact_id=message.contact_id if message else None,
        shown_text_sha256=hashlib.sha256(signature.shown).hexdigest(),
        user_agent=signature.user_agent[:300],
        language=signature.language,
        address=actor.address,
        preset=signature_of(clinician),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a visitor tells the clinic; `key` names the showing of its form."""

    about: About
    text: str
    key: str
    reach: Reach = field(default_factory=Reach)


def tell_clinic(
    session: Session, actor: Actor, found: PortalSession, message: Message, now: datetime
) -> None:
    """Ask, reply, want a call, or leave it to somebody else; the same form sent again says nothing again.

    Whoever leaves it to somebody else ends their links: staff find out who it is and send a new one.
    """
    fresh = credentials.lock_session(session, found.token_digest)
    draft = read_draft(session, fresh)
    if message.key in draft.asked:
        return
    credential, _ = _of_session(session, fresh)
    carrier = outbox.get(session, credential.message_id)
    ask_clinic(
        session,
        actor,
        credential.referral_id,
        message.about,
        message.text,
        now,
        how=How(
            reach=message.reach,
            had_seen=_had_seen(fresh, credential),
            contact_id=carrier.contact_id if carrier else None,
        ),
    )
    write_draft(session, fresh, replace(draft, asked=(*draft.asked, message.key)))
    if message.about in EXITS:
        leave(session, fresh, now)


def _had_seen(found: PortalSession, credential: Credential) -> bool:
    """A letter on paper names the patient; by mail, the page after the second factor does."""
    shown = found.identified_at is not None or found.second_factor_at is not None
    return shown or credential.channel in PAPER


def read_thread(session: Session, actor: Actor, request: PortalRequest) -> tuple[Said, ...]:
    """What both sides have said about this request, in the clinician's time; the look is recorded."""
    said = read_conversation(session, request.referral.id, words=True)
    if not said:
        return ()
    _note_read(session, actor, request.referral, "portal-conversation")
    zone = ZoneInfo(request.asked.time_zone)
    return tuple(
        replace(one, turn=replace(one.turn, said_at=one.turn.said_at.astimezone(zone))) for one in said
    )


def leave(session: Session, found: PortalSession, now: datetime) -> None:
    """End this visit; drafts are kept for the next one."""
    credentials.change_session(session, found.token_digest, ended_at=now)


def read_receipt(session: Session, actor: Actor, found: PortalSession, document_id: str) -> Document | None:
    """The sealed record of this session's own answer, None until a worker has drawn it."""
    _, referral = _of_session(session, found)
    try:
        document = documents.get(session, document_id)
    except NotFound:
        return None
    _note_read(session, actor, referral, "portal-receipt")
    return document


def _of_session(session: Session, found: PortalSession) -> tuple[Credential, Referral]:
    credential = credentials.get(session, found.selector)
    if credential is None:
        raise NotFound("There is no such link.")
    return credential, referrals.get(session, credential.referral_id)


def _held(session: Session, found: PortalSession) -> tuple[Credential, Referral]:
    """The same, held until the transaction ends, and the link as it is when the waiting is over.

    Whoever signs at the same moment is either before us, and has ended our link, or comes after us.
    """
    credential, _ = _of_session(session, found)
    referral = referrals.get(session, credential.referral_id, lock=True)
    return credentials.get(session, found.selector) or credential, referral


def _letter_id(session: Session, credential: Credential) -> str | None:
    message = outbox.get(session, credential.message_id)
    return message.letter_id if message else None


def _note_read(session: Session, actor: Actor, referral: Referral, what: str) -> None:
    entry = AuditEntry(
        action=Action.READ,
        subtype=what,
        entity=f"ServiceRequest/{referral.id}",
        patient_id=referral.patient_id,
        detail={"recipient": f"PractitionerRole/{referral.clinician_id}"},
    )
    audit.record(session, actor, entry)
