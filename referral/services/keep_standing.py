"""What a clinician does with an answer already given: reads it, renews it with one tap, or takes it back."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from referral.domain.answers import Answers, check_answers
from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Strength
from referral.domain.errors import CredentialUnusable, InvalidInput, TransitionRefused
from referral.domain.gate import needs_review
from referral.domain.language import Language, phrase
from referral.domain.life import Cause, Purpose, Standing, newest_living
from referral.domain.outgoing import MessageKind
from referral.domain.policy import Policy
from referral.domain.records import Clinician, Order, Referral
from referral.domain.referral import BUSINESS_STATUS_OF
from referral.domain.signature import signature_of
from referral.fhir.questionnaire import answers_from_response
from referral.services import publish
from referral.services.close_referral import cancel_siblings, tell_clinician
from referral.services.fill_in_for import require_clinician
from referral.services.keep_answer import Given, Signing, keep_answer, keep_shown
from referral.services.keep_draft import Draft, Signed, read_draft, write_draft
from referral.services.refresh_gate import is_answered, refresh_order
from referral.services.void_recommendation import void
from referral.storage import (
    audit,
    clinics,
    credentials,
    directory,
    orders,
    recommendations,
    referrals,
    resources,
    standings,
)
from referral.storage.credentials import PortalSession
from referral.storage.db import Session
from referral.storage.recommendations import NewRecommendation

_LONGEST_REASON: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingCard:
    """The answer as its clinician reads it again. Days are where the clinician is.

    `values` are the answers by link id, empty where the form has changed since; `renewable` is False then,
    when the order has ended or is not covered, or the director has declined: a new request is needed then.
    """

    answered_on: date
    valid_until: date
    renewed_until: date
    decision: str
    values: dict[str, list[str]]
    signer: str
    is_over: bool
    renewable: bool


def own_answer(session: Session, found: PortalSession) -> Standing | None:
    """What this session may look after: what its own link answered, or what its link was sent for.

    None where there is nothing, or nothing any more.
    """
    credential = credentials.get(session, found.selector)
    if credential is None or found.identified_at is None:
        return None
    answers = [a for a in standings.of_referral(session, credential.referral_id) if a.is_positive]
    signed = read_draft(session, found).signed
    if signed is not None:
        mine = any(a.document_id == signed.document_id for a in answers)
        return newest_living(answers) if mine and signed.document_id is not None else None
    usable = credential.revoked_at is None and credential.frozen_at is None
    return newest_living(answers) if usable and credential.purpose is Purpose.STANDING else None


def has_withdrawn(session: Session, found: PortalSession) -> bool:
    """Whether what this session could look after was taken back by its clinician."""
    credential = credentials.get(session, found.selector)
    if credential is None or found.identified_at is None:
        return False
    answers = standings.of_referral(session, credential.referral_id)
    ended = [answer.void.cause for answer in answers if answer.void is not None]
    return Cause.WITHDRAWN in ended and newest_living(answers) is None


def read_standing(session: Session, actor: Actor, found: PortalSession, now: datetime) -> StandingCard:
    """Raises CredentialUnusable where nothing is left to look after. The look is recorded."""
    standing, referral = _mine(session, found)
    clinician = directory.get_clinician(session, referral.clinician_id)
    policy, _ = clinics.policy_in_force(session)
    zone = ZoneInfo(clinician.time_zone)
    answers = _answers_again(session, standing, clinician, now)
    order = orders.get(session, referral.order_id)
    entry = AuditEntry(
        action=Action.READ,
        subtype="portal-standing",
        entity=f"ServiceRequest/{referral.id}",
        patient_id=referral.patient_id,
        detail={"recipient": f"PractitionerRole/{referral.clinician_id}"},
    )
    audit.record(session, actor, entry)
    return StandingCard(
        answered_on=standing.answered_at.astimezone(zone).date(),
        valid_until=standing.valid_until.astimezone(zone).date(),
        renewed_until=(now + policy.validity).astimezone(zone).date(),
        decision=standing.decision.value,
        values=_values(answers) if answers else {},
        signer=_signer(answers, clinician),
        is_over=standing.valid_until <= now,
        renewable=answers is not None and _is_renewable(standing, order, policy),
    )


def _is_renewable(standing: Standing, order: Order, policy: Policy) -> bool:
    """What the director has declined, or what does not cover the order any more, is not repeated."""
    needed = {indication.code for indication in policy.needing_recommendation(order.indications)}
    return order.status in orders.USABLE and not standing.is_declined and needed <= standing.covers


def _values(answers: Answers) -> dict[str, list[str]]:
    return {id: [given] if isinstance(given, str) else list(given) for id, given in answers.values.items()}


def _signer(answers: Answers | None, clinician: Clinician) -> str:
    """'Chidi Okafor, MD', as the answer was signed."""
    name = (answers.text("signer-name") if answers else None) or clinician.name
    credentials_ = (answers.text("signer-credentials") if answers else None) or clinician.credentials
    return f"{name}, {credentials_}".rstrip(", ")


def _mine(session: Session, found: PortalSession) -> tuple[Standing, Referral]:
    standing = own_answer(session, found)
    if standing is None:
        raise CredentialUnusable("There is no answer of yours that still counts here.")
    return standing, referrals.get(session, standing.referral_id)


def _answers_again(
    session: Session, standing: Standing, clinician: Clinician, now: datetime
) -> Answers | None:
    """The answers as they were given; None where the form of today would not take them."""
    kept = resources.find(session, "QuestionnaireResponse", standing.response_id)
    if kept is None:
        return None
    today = now.astimezone(ZoneInfo(clinician.time_zone)).date()
    try:
        return check_answers(answers_from_response(kept.document), clinician.kind, today)
    except InvalidInput:
        return None


# ---- Taking it back


def withdraw(session: Session, actor: Actor, found: PortalSession, reason: str, now: datetime) -> None:
    """'I withdraw my recommendation': from now on it does not count.

    Sent twice, the second finds nothing of theirs that counts: CredentialUnusable. The words, which are
    optional, are narrative: kept encrypted. Every link of the request ends with it.
    """
    fresh = credentials.lock_session(session, found.token_digest)
    require_clinician(fresh)
    _, referral = _mine(session, fresh)
    orders.get(session, referral.order_id, lock=True)
    # Once more under the lock: staff may have voided it, or another session renewed it, meanwhile.
    answers = standings.of_referral(session, referral.id)
    living = [answer for answer in answers if answer.is_living and answer.is_positive]
    words = reason.strip()[:_LONGEST_REASON]
    kept = publish.keep_words(session, referral, words, now) if words else None
    void(session, actor, living, Cause.WITHDRAWN, "The clinician has taken it back.", now, document=kept)
    refresh_order(session, actor, referral.order_id, now)


# ---- Renewing it


@dataclass(frozen=True, slots=True)
class Tap:
    """What was on the page when "still true" was pressed, byte for byte, what it said, and by what.

    `language` is the one that it was shown in.
    """

    shown: bytes
    attestation: str
    user_agent: str
    language: Language


def renew(session: Session, actor: Actor, found: PortalSession, tap: Tap, now: datetime) -> Signed:
    """A new recommendation with the content of the old one, new validity and evidence of its own.

    The old one stays as it is until its own time is over. Pressed twice, the second gives what the first
    gave. Raises CredentialUnusable where nothing is left to renew, TransitionRefused where a new request is
    needed.
    """
    fresh = credentials.lock_session(session, found.token_digest)
    require_clinician(fresh)
    draft = read_draft(session, fresh)
    if draft.signed is not None:
        return draft.signed
    _, referral = _mine(session, fresh)
    order = orders.get(session, referral.order_id, lock=True)
    referral = referrals.get(session, referral.id, lock=True)
    standing, _ = _mine(session, fresh)
    clinician = directory.get_clinician(session, referral.clinician_id)
    answers = _answers_again(session, standing, clinician, now)
    policy, _ = clinics.policy_in_force(session)
    if answers is None or not _is_renewable(standing, order, policy):
        text = phrase("This answer cannot be renewed as it is. Please ask the clinic for a new request.")
        raise TransitionRefused(text, "QuestionnaireResponse")
    response_id = publish.response(session, actor, referral, clinician, answers, {}, now)
    new = NewRecommendation(
        id=str(uuid.uuid4()),
        patient_id=referral.patient_id,
        order_id=referral.order_id,
        referral_id=referral.id,
        clinician_id=clinician.id,
        clinician_kind=clinician.kind,
        decision=standing.decision,
        covers=tuple(sorted(standing.covers)),
        red_flags=answers.red_flags,
        strength=Strength(fresh.strength or Strength.SINGLE_CHANNEL),
        answered_at=now,
        valid_until=now + policy.validity,
        response_id=response_id,
        document_id=str(uuid.uuid4()),
        renews=standing.id,
    )
    fhir = publish.opinion(session, actor, referral, clinician, new, answers, now)
    signing = Signing(
        strength=new.strength,
        selector=fresh.selector,
        address=actor.address,
        user_agent=tap.user_agent[:300],
        shown_text_sha256=hashlib.sha256(tap.shown).hexdigest(),
        preset=tuple(signature_of(clinician)),
        language=tap.language,
    )
    given = Given(referral, clinician, order, answers, new, signing)
    more = (
        (
            phrase("Signed by"),
            phrase("one tap on “Still true”, under the words of the attestation"),
        ),
        (phrase("Repeats the answer of"), standing.answered_at.isoformat(timespec="seconds")),
        (phrase("Repeated recommendation"), standing.id),
    )
    keep_answer(session, given, fhir, now, attestation=tap.attestation, more=more)
    keep_shown(session, referral, tap.shown, now)
    recommendations.add(session, new)
    _follow(session, actor, referral, new, now)
    waits = any(
        needs_review(answer, policy)
        for answer in orders.facts(session, referral.order_id).facts.recommendations
        if answer.id == new.id
    )
    decision = refresh_order(session, actor, referral.order_id, now)
    if is_answered(decision) and not waits:
        cancel_siblings(session, actor, referral, now)
    signed = Signed(decision=new.decision, document_id=new.document_id, needs_review=waits)
    write_draft(session, fresh, Draft(signed=signed))
    return signed


def _follow(
    session: Session, actor: Actor, referral: Referral, new: NewRecommendation, now: datetime
) -> None:
    """Records, timeline and thanks; the link is spent."""
    changed = referrals.change(session, referral, business_status=BUSINESS_STATUS_OF[new.decision])
    publish.referral_changed(session, changed, now)
    credentials.revoke_all(session, referral.id, "renew", now)
    referrals.note(session, referral.id, "renewed", actor.id, now, until=new.valid_until.date().isoformat())
    tell_clinician(session, changed, MessageKind.THANK_YOU, now, ordinal=None)
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype="renew",
        entity=f"Observation/{new.id}",
        patient_id=referral.patient_id,
        detail={"renews": new.renews, "strength": new.strength},
    )
    audit.record(session, actor, entry)
