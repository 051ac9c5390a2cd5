"""What people of the clinic decide about an answer: the director's review, the confirming call, voiding."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import POSITIVE, BusinessStatus, Decision
from referral.domain.errors import InvalidInput, Issue, NotFound, TransitionRefused
from referral.domain.gate import GateDecision
from referral.services import publish
from referral.services.close_referral import cancel_siblings
from referral.services.refresh_gate import refresh_gate
from referral.storage import audit, orders, recommendations, referrals
from referral.storage.db import Session


def _answer_of(session: Session, referral_id: str) -> Any:
    row = recommendations.find(session, referral_id=referral_id)
    if row is None:
        raise NotFound("This request has no recorded answer.")
    # The order's row first: two people deciding at once must see each other's decision.
    orders.get(session, row.order_id, lock=True)
    return row


def _require_words(text: str, field: str, least: int = 3) -> str:
    words = " ".join(text.split())
    if len(words) < least:
        raise InvalidInput(
            Issue("Please write a short reason; it is kept with the record.", (field,), "required")
        )
    return words[:500]


def review_recommendation(
    session: Session, actor: Actor, referral_id: str, *, accepted: bool, reason: str, now: datetime
) -> GateDecision:
    """The medical director accepts conditions or red flags, or declines; a later review replaces this one."""
    row = _answer_of(session, referral_id)
    words = _require_words(reason, "review_reason")
    if row.decision not in POSITIVE:
        raise TransitionRefused("Only a recommendation can be accepted or declined.", "Task.status")
    recommendations.remark(session, row.id, "review", actor.id, words, accepted=accepted)
    _note(session, actor, row, "accepted" if accepted else "declined", now)
    return _settle(session, actor, row, now)


def confirm_by_phone(
    session: Session, actor: Actor, referral_id: str, *, spoke_with: str, called_number: str, now: datetime
) -> GateDecision:
    """Staff have called the clinician's office and heard that the answer is theirs."""
    row = _answer_of(session, referral_id)
    who = _require_words(spoke_with, "spoke_with")
    number = _require_words(called_number, "called_number")
    recommendations.remark(session, row.id, "confirmation", actor.id, f"called {number}", spoke_with=who)
    _note(session, actor, row, "confirmed-by-phone", now)
    return _settle(session, actor, row, now)


def revoke_recommendation(
    session: Session, actor: Actor, referral_id: str, *, reason: str, now: datetime, cause: str = "revoked"
) -> GateDecision:
    """The answer stops counting now; a treatment that is being started at this moment waits, or is refused.

    `cause` is revoked, denied, withdrawn, superseded, entered-in-error, facts-changed or consent-withdrawn.
    """
    row = _answer_of(session, referral_id)
    words = _require_words(reason, "void_reason")
    if recommendations.is_void(session, row.id):
        raise TransitionRefused("This answer has been voided already.", "Observation.status")
    recommendations.remark(session, row.id, "void", actor.id, words, cause=cause)
    referral = referrals.get(session, referral_id, lock=True)
    changed = referrals.change(session, referral, business_status=BusinessStatus.LAPSED)
    publish.referral_changed(session, changed, now)
    publish.opinion_voided(session, actor, row.id, cause, now)
    _note(session, actor, row, "voided", now, cause=cause)
    return refresh_gate(session, actor, row.order_id, now)


def _settle(session: Session, actor: Actor, row: Any, now: datetime) -> GateDecision:
    decision = refresh_gate(session, actor, row.order_id, now)
    if decision.settled and Decision(row.decision) in POSITIVE:
        cancel_siblings(session, actor, referrals.get(session, row.referral_id, lock=True), now)
    return decision


def _note(session: Session, actor: Actor, row: Any, what: str, now: datetime, **detail: Any) -> None:
    referrals.note(session, row.referral_id, what, actor.id, now, **detail)
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype=f"answer-{what}",
        entity=f"Observation/{row.id}",
        patient_id=row.patient_id,
        detail=detail,
    )
    audit.record(session, actor, entry)
