"""The clinician's side of a request: identity proven, answered. Answers that staff record too."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from referral.domain.answers import Answers
from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import BusinessStatus, Decision, Strength
from referral.domain.errors import CredentialUnusable
from referral.domain.gate import needs_review
from referral.domain.language import Language
from referral.domain.outgoing import MessageKind
from referral.domain.records import Clinician, Order, Referral
from referral.domain.referral import BUSINESS_STATUS_OF, EVENT_OF, Event, next_status
from referral.domain.reminders import paused_until
from referral.services import publish
from referral.services.climb import climb_of, ladder_and_calendar, replanned
from referral.services.close_referral import (
    cancel_siblings,
    close_referral,
    tell_clinician,
)
from referral.services.follow_up import promise
from referral.services.hold_ladder import stop_reminders
from referral.services.keep_answer import Given, Signing, keep_answer
from referral.services.learn_contact import learn_from_answer
from referral.services.note_contradictions import note_contradictions
from referral.services.refresh_gate import refresh_gate, refresh_order
from referral.storage import audit, clinics, credentials, directory, orders, recommendations, referrals
from referral.storage.db import Session
from referral.storage.recommendations import NewRecommendation


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A signed answer and how it came: by the credential `selector`, or None when staff recorded it.

    `shown_text_sha256` is the digest of the exact page that was signed, `language` the one it was shown in;
    `preset` are the prefilled fields.
    `document` is a QuestionnaireResponse of a client's own. `evidence` are further lines for the record;
    `filled_by` is who has filled it in for the clinician.
    """

    referral_id: str
    answers: Answers
    strength: Strength
    selector: str | None
    contact_id: str | None = None
    shown_text_sha256: str = ""
    user_agent: str = ""
    address: str | None = None
    preset: dict[str, str] = field(default_factory=dict)
    language: Language | None = None
    document: dict[str, Any] = field(default_factory=dict)
    evidence: tuple[tuple[str, str], ...] = ()
    filled_by: str = ""

    @property
    def by(self) -> Signing:
        return Signing(
            strength=self.strength,
            selector=self.selector,
            address=self.address,
            user_agent=self.user_agent,
            shown_text_sha256=self.shown_text_sha256,
            preset=tuple(self.preset),
            language=self.language,
        )


@dataclass(frozen=True, slots=True)
class Receipt:
    """`document_id` is the sealed record, drawn by a worker shortly after; None without an opinion."""

    decision: Decision
    document_id: str | None
    needs_review: bool


def note_identity(session: Session, actor: Actor, referral_id: str, now: datetime) -> Referral:
    """The person has proven who they are: the Task is received. A second time changes nothing."""
    referral = referrals.get(session, referral_id, lock=True)
    status = next_status(Event.PROVE_IDENTITY, referral.status)
    if referral.identified_at is None or status != referral.status:
        referral = referrals.change(
            session, referral, status=status, business_status=BusinessStatus.VIEWED, identified_at=now
        )
        publish.referral_changed(session, referral, now)
        referrals.note(session, referral_id, "identity-proven", actor.id, now)
    _record(session, actor, "prove-identity", referral)
    return referral


def respond(session: Session, actor: Actor, response: Response, now: datetime) -> Receipt:
    """Record an answer, once. Refuses a request that is closed and a credential that was revoked meanwhile.

    An opinion closes the request, ends its links and reminders, and opens the gate if the rule says so; "need
    to see the patient first" keeps it open and pauses the ladder; "not my patient" gives it back to staff.
    """
    referral = referrals.get(session, response.referral_id, lock=True)
    if response.selector is not None:
        credential = credentials.get(session, response.selector, lock=True)
        if credential is None or credential.revoked_at is not None or credential.frozen_at is not None:
            raise CredentialUnusable("This link cannot be used any more.")
    decision = response.answers.decision
    next_status(EVENT_OF[decision], referral.status)
    clinician = directory.get_clinician(session, referral.clinician_id)
    if decision is not Decision.NOT_MY_PATIENT:
        learn_from_answer(
            session, referral, clinician, now, selector=response.selector, contact_id=response.contact_id
        )
    response_id = publish.response(
        session, actor, referral, clinician, response.answers, response.document, now
    )
    if decision is Decision.NEEDS_INFORMATION:
        return _wait_for_visit(session, actor, referral, response.answers, now)
    if decision is Decision.NOT_MY_PATIENT:
        return give_back(session, actor, referral, now)
    return _opinion(session, actor, referral, clinician, response, response_id, now)


def _opinion(
    session: Session,
    actor: Actor,
    referral: Referral,
    clinician: Clinician,
    response: Response,
    response_id: str,
    now: datetime,
) -> Receipt:
    answers, order = response.answers, orders.get(session, referral.order_id)
    policy, _ = clinics.policy_in_force(session)
    recommendation = _recommendation(
        referral, clinician, order, response, response_id, now, now + policy.validity
    )
    fhir = publish.opinion(
        session, actor, referral, clinician, recommendation, answers, now, filled_by=response.filled_by
    )
    given = Given(referral, clinician, order, response.answers, recommendation, response.by)
    keep_answer(session, given, fhir, now, more=response.evidence)
    recommendations.add(session, recommendation)
    promise(session, actor, recommendation, answers, now)
    closed = close_referral(
        session,
        referral,
        Event.ANSWER,
        now,
        reason=None,
        business_status=BUSINESS_STATUS_OF[answers.decision],
    )
    detail = {
        "decision": answers.decision,
        "strength": response.strength,
        "red_flags": list(answers.red_flags),
    }
    referrals.note(session, referral.id, "answered", actor.id, now, **detail)
    _record(session, actor, "answer", referral, **detail)
    tell_clinician(session, closed, MessageKind.THANK_YOU, now)
    note_contradictions(session, actor, recommendation.id, referral.order_id, now)
    waits = any(
        needs_review(answer, policy)
        for answer in orders.facts(session, referral.order_id).facts.recommendations
        if answer.id == recommendation.id
    )
    if answers.is_positive and not waits:
        cancel_siblings(session, actor, closed, now)
    refresh_order(session, actor, referral.order_id, now)
    return Receipt(answers.decision, recommendation.document_id, waits)


def _recommendation(
    referral: Referral,
    clinician: Clinician,
    order: Order,
    response: Response,
    response_id: str,
    now: datetime,
    valid_until: datetime,
) -> NewRecommendation:
    return NewRecommendation(
        id=str(uuid.uuid4()),
        patient_id=referral.patient_id,
        order_id=referral.order_id,
        referral_id=referral.id,
        clinician_id=clinician.id,
        clinician_kind=clinician.kind,
        decision=response.answers.decision,
        covers=tuple(indication.code for indication in order.indications),
        red_flags=response.answers.red_flags,
        strength=response.strength,
        answered_at=now,
        valid_until=valid_until,
        response_id=response_id,
        document_id=str(uuid.uuid4()),
    )


def _wait_for_visit(
    session: Session, actor: Actor, referral: Referral, answers: Answers, now: datetime
) -> Receipt:
    visit = date.fromisoformat(str(answers.text("visit-planned")))
    changed = _wait_until(session, referral, visit, now)
    detail = {"visit": visit.isoformat()}
    referrals.note(session, changed.id, "needs-visit", actor.id, now, **detail)
    _record(session, actor, "needs-visit", changed, **detail)
    return Receipt(Decision.NEEDS_INFORMATION, None, needs_review=False)


def _wait_until(session: Session, referral: Referral, visit: date, now: datetime) -> Referral:
    """Every rung moves by the business days from now to the day after the visit."""
    ladder, calendar = ladder_and_calendar(session, referral)
    stopped = stop_reminders(session, referral, now)
    moved = paused_until(replace(climb_of(referral), **stopped), calendar, now, visit)
    changed = referrals.change(
        session,
        referral,
        **replanned(moved, ladder, calendar),
        held_at=None,
        held_for=None,
        paused_until=visit,
        status=next_status(Event.ASK_INFORMATION, referral.status),
        business_status=BusinessStatus.AWAITING_INFORMATION,
    )
    publish.referral_changed(session, changed, now)
    return changed


def give_back(session: Session, actor: Actor, referral: Referral, now: datetime) -> Receipt:
    """Not their patient: the request ends and is the clinic's again. The caller holds it."""
    closed = close_referral(session, referral, Event.REJECT, now, reason="not-my-patient")
    detail = {"seen": referral.identified_at is not None}
    referrals.note(session, closed.id, "not-my-patient", actor.id, now, **detail)
    # The wrong person may have seen patient data: an incident that staff look at (45 CFR 164.528).
    _record(session, actor, "misdirected", closed, **detail)
    tell_clinician(session, closed, MessageKind.CANCELLED, now)
    refresh_gate(session, actor, closed.order_id, now)
    return Receipt(Decision.NOT_MY_PATIENT, None, needs_review=False)


def _record(session: Session, actor: Actor, what: str, referral: Referral, **detail: Any) -> None:
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype=what,
        entity=f"ServiceRequest/{referral.id}",
        patient_id=referral.patient_id,
        detail=detail,
    )
    audit.record(session, actor, entry)
