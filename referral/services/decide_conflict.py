"""A recommendation beside another clinician's refusal: the medical director keeps it or voids it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import InvalidInput, Issue, TransitionRefused
from referral.domain.gate import GateDecision
from referral.domain.life import Cause, Conflict, find_conflicts
from referral.services.judge_recommendation import require_words
from referral.services.refresh_gate import refresh_order
from referral.services.void_recommendation import void
from referral.storage import audit, orders, referrals, standings
from referral.storage.db import Session


def conflicts_of(session: Session, order_ids: Iterable[str], now: datetime) -> tuple[Conflict, ...]:
    """What waits for a decision among these orders, oldest first."""
    ids = list(order_ids)
    if not ids:
        return ()
    answers = standings.of_orders(session, ids)
    return find_conflicts(answers, standings.kept_pairs(session, ids), now)


def decide_conflict(
    session: Session,
    actor: Actor,
    order_id: str,
    pair: tuple[str, str],
    *,
    keep: bool | None,
    reason: str,
    now: datetime,
) -> GateDecision:
    """`pair` are the ids of recommendation and refusal. The recommendation counts until it is voided here.

    Raises TransitionRefused where somebody has decided already, or one of the two does not count any more.
    """
    if keep is None:
        raise InvalidInput(Issue("Choose whether the recommendation counts.", ("keep",), "required"))
    words = require_words(reason, "conflict_reason")
    orders.get(session, order_id, lock=True)
    found = conflicts_of(session, [order_id], now)
    conflict = next((c for c in found if (c.recommendation.id, c.refusal.id) == pair), None)
    if conflict is None:
        text = "This has been decided already, or one of the two answers does not count any more."
        raise TransitionRefused(text, "DetectedIssue.status")
    standings.decide_conflict(session, conflict, actor.id, words, now, kept=keep)
    recommendation = conflict.recommendation
    if keep:
        detail = {"request": conflict.refusal.referral_id}
        referrals.note(session, recommendation.referral_id, "conflict-kept", actor.id, now, **detail)
    else:
        of_request = standings.of_referral(session, recommendation.referral_id)
        living = [answer for answer in of_request if answer.is_living]
        void(session, actor, living, Cause.CONFLICT, words, now)
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype="conflict-kept" if keep else "conflict-voided",
        entity=f"Observation/{recommendation.id}",
        patient_id=recommendation.patient_id,
        detail={"refusal": conflict.refusal.id},
    )
    audit.record(session, actor, entry)
    return refresh_order(session, actor, order_id, now)
