"""Ends recommendations: a row says why, links die, records and timeline say so, who gave it is told.

The caller holds the order (orders.get with lock) and lets it follow by refresh_order() (docs/adr/0011).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import BusinessStatus
from referral.domain.life import UNTOLD, Cause, Standing
from referral.domain.outgoing import WHILE_STANDING, MessageKind
from referral.domain.records import Referral
from referral.services import publish
from referral.services.close_referral import stop_messages, tell_clinician
from referral.storage import audit, credentials, recommendations, referrals, standings
from referral.storage.db import Session


def void(
    session: Session,
    actor: Actor,
    ended: Iterable[Standing],
    cause: Cause,
    reason: str,
    now: datetime,
    **detail: Any,
) -> None:
    """None of `ended` counts from now on; the trigger on the rows moves the gate, so no start slips through.

    `reason` is the clinic's own sentence; `detail` are codes and ids for the timeline.
    """
    by_referral: dict[str, list[Standing]] = {}
    for answer in ended:
        by_referral.setdefault(answer.referral_id, []).append(answer)
    for referral_id, answers in sorted(by_referral.items()):
        for answer in answers:
            recommendations.remark(session, answer.id, "void", actor.id, reason, cause=cause)
            publish.opinion_voided(session, actor, answer, cause, now)
            _record(session, actor, answer, cause)
        referral = referrals.get(session, referral_id, lock=True)
        event = "withdrawn" if cause is Cause.WITHDRAWN else "voided"
        referrals.note(session, referral_id, event, actor.id, now, cause=cause, **detail)
        if not any(answer.is_living for answer in standings.of_referral(session, referral_id)):
            _end(session, referral, cause, now)


def _end(session: Session, referral: Referral, cause: Cause, now: datetime) -> None:
    """Nothing of what answered this request counts any more."""
    changed = referrals.change(session, referral, business_status=BusinessStatus.LAPSED)
    publish.referral_changed(session, changed, now)
    credentials.revoke_all(session, referral.id, cause, now)
    stop_messages(session, changed, WHILE_STANDING, now)
    if cause not in UNTOLD:
        kind = MessageKind.WITHDRAWN if cause is Cause.WITHDRAWN else MessageKind.NO_LONGER_COUNTS
        tell_clinician(session, changed, kind, now)


def void_amended(session: Session, actor: Actor, refusal: Standing, now: datetime) -> None:
    """Who recommended it once and does not any more has amended the earlier answer (product.md, rule 4)."""
    earlier = [
        answer
        for answer in standings.of_orders(session, [refusal.order_id])
        if answer.clinician_id == refusal.clinician_id and answer.is_positive and answer.is_living
    ]
    void(session, actor, earlier, Cause.AMENDED, "The clinician has answered anew.", now)


def _record(session: Session, actor: Actor, answer: Standing, cause: Cause) -> None:
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype="answer-voided",
        entity=f"Observation/{answer.id}",
        patient_id=answer.patient_id,
        detail={"cause": cause},
    )
    audit.record(session, actor, entry)
