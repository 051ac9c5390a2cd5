"""What a new answer means for the earlier ones about the same order."""

from __future__ import annotations

from datetime import datetime

from referral.domain.audit import Actor
from referral.domain.life import find_conflicts
from referral.services.void_recommendation import void_amended
from referral.storage import referrals, standings
from referral.storage.db import Session


def note_contradictions(session: Session, actor: Actor, new_id: str, order_id: str, now: datetime) -> None:
    """A clinician's own change of mind ends their recommendation; two who disagree are for the director.

    The caller holds the order and lets it follow afterwards.
    """
    answers = standings.of_orders(session, [order_id])
    new = next(answer for answer in answers if answer.id == new_id)
    if len(answers) == 1:
        return
    if not new.is_positive:
        void_amended(session, actor, new, now)
        answers = standings.of_orders(session, [order_id])
    kept = standings.kept_pairs(session, [order_id])
    for conflict in find_conflicts(answers, kept, now):
        if new_id in (conflict.recommendation.id, conflict.refusal.id):
            detail = {"request": conflict.refusal.referral_id}
            recommended = conflict.recommendation.referral_id
            referrals.note(session, recommended, "contradicted", actor.id, now, **detail)
