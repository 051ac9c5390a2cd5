"""What people of the clinic decide about an answer: the director's review, the confirming call, voiding."""

from __future__ import annotations

from datetime import datetime

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import InvalidInput, Issue, NotFound, TransitionRefused
from referral.domain.gate import GateDecision
from referral.domain.life import Cause, Standing, newest_living
from referral.services.close_referral import cancel_siblings
from referral.services.keep_directory import require_somebody_else
from referral.services.refresh_gate import is_answered, refresh_order
from referral.services.void_recommendation import void
from referral.storage import audit, orders, recommendations, referrals, standings
from referral.storage.db import Session


def _answers_to(session: Session, referral_id: str) -> list[Standing]:
    """The first answer and its renewals, oldest first; what of them lives may still be judged."""
    referral = referrals.get(session, referral_id)
    # The order's row first: two people deciding at once must see each other's decision.
    orders.get(session, referral.order_id, lock=True)
    answers = standings.of_referral(session, referral_id)
    if not answers:
        raise NotFound("This request has no recorded answer.")
    return answers


def _living(answers: list[Standing]) -> Standing:
    """What the request amounts to now; raises TransitionRefused where all of it is void."""
    newest = newest_living(answers)
    if newest is None:
        raise TransitionRefused("This answer has been voided already.", "Observation.status")
    return newest


def require_words(text: str, field: str, least: int = 3) -> str:
    """A reason in one line; InvalidInput where there is none."""
    words = " ".join(text.split())
    if len(words) < least:
        raise InvalidInput(
            Issue("Please write a short reason; it is kept with the record.", (field,), "required")
        )
    return words[:500]


def review_recommendation(
    session: Session, actor: Actor, referral_id: str, *, accepted: bool, reason: str, now: datetime
) -> GateDecision:
    """The medical director accepts conditions or red flags, or declines; a later review replaces this one.

    The same said twice is said once.

    Declining holds for what the answer renews as well: its content is the same.
    """
    answers = _answers_to(session, referral_id)
    newest = _living(answers)
    words = require_words(reason, "review_reason")
    if not newest.is_positive:
        raise TransitionRefused("Only a recommendation can be accepted or declined.", "Task.status")
    said = newest.review
    if said and (said.by, said.accepted, said.reason) == (actor.id, accepted, words):
        return _settle(session, actor, newest, now)
    for answer in (newest,) if accepted else tuple(answer for answer in answers if answer.is_living):
        recommendations.remark(session, answer.id, "review", actor.id, words, accepted=accepted)
    _note(session, actor, newest, "accepted" if accepted else "declined", now)
    return _settle(session, actor, newest, now)


def confirm_by_phone(
    session: Session, actor: Actor, referral_id: str, *, spoke_with: str, called_number: str, now: datetime
) -> GateDecision:
    """Staff have called the clinician's office and heard that the answer is theirs.

    Raises Forbidden for whoever entered this clinician: that person may be who answered.
    """
    newest = _living(_answers_to(session, referral_id))
    require_somebody_else(session, actor, referrals.get(session, referral_id).clinician_id)
    who = require_words(spoke_with, "spoke_with")
    number = require_words(called_number, "called_number")
    recommendations.remark(session, newest.id, "confirmation", actor.id, f"called {number}", spoke_with=who)
    _note(session, actor, newest, "confirmed-by-phone", now)
    return _settle(session, actor, newest, now)


def revoke_recommendation(
    session: Session,
    actor: Actor,
    referral_id: str,
    *,
    reason: str,
    now: datetime,
    cause: Cause = Cause.REVOKED,
) -> GateDecision:
    """The answer stops counting now; a treatment that is being started at this moment waits, or is refused.

    What it renews ends with it, unless somebody has denied only the newest (`cause` denied).
    """
    answers = _answers_to(session, referral_id)
    words = require_words(reason, "void_reason")
    newest = _living(answers)
    ended = (newest,) if cause is Cause.DENIED else tuple(a for a in answers if a.is_living)
    void(session, actor, ended, cause, words, now)
    return refresh_order(session, actor, newest.order_id, now)


def _settle(session: Session, actor: Actor, answer: Standing, now: datetime) -> GateDecision:
    decision = refresh_order(session, actor, answer.order_id, now)
    if is_answered(decision) and answer.is_positive:
        cancel_siblings(session, actor, referrals.get(session, answer.referral_id, lock=True), now)
    return decision


def _note(session: Session, actor: Actor, answer: Standing, what: str, now: datetime) -> None:
    referrals.note(session, answer.referral_id, what, actor.id, now)
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype=f"answer-{what}",
        entity=f"Observation/{answer.id}",
        patient_id=answer.patient_id,
    )
    audit.record(session, actor, entry)
