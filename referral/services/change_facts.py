"""Facts that end a recommendation: a new indication, something about the person, a rest in treatment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import InvalidInput, Issue, TransitionRefused
from referral.domain.gate import GateDecision
from referral.domain.life import FACTS, OF_PATIENT, Cause, is_gap
from referral.domain.policy import Indication
from referral.domain.records import Order
from referral.services import publish
from referral.services.find_indications import indication_of
from referral.services.judge_recommendation import require_words
from referral.services.refresh_gate import refresh_order
from referral.services.void_recommendation import void
from referral.storage import audit, clinics, orders, standings
from referral.storage.db import Session

_BATCH: Final = 50


def report_fact(
    session: Session, actor: Actor, order_id: str, fact: str, *, code: str, reason: str, now: datetime
) -> GateDecision:
    """Staff say what has changed. `code` is the ICD-10-CM code of a new indication, empty for other facts.

    What concerns the person ends the recommendations of all their orders in use. A new indication ends only
    those that do not cover it, which the order page says.
    """
    cause = next((known for known in FACTS if known == fact), None)
    if cause is None:
        raise InvalidInput(Issue("Choose what has changed.", ("fact",), "required"))
    words = require_words(reason, "fact_reason")
    patient_id = orders.get(session, order_id).patient_id
    concerned = [order_id]
    if cause in OF_PATIENT:
        concerned += [order.id for order in orders.find(session, patient_id=patient_id)]
    for id in sorted(set(concerned)):
        order = orders.get(session, id, lock=True)
        if order.status not in orders.USABLE:
            raise TransitionRefused("This order is not in use any more.", "ServiceRequest.status")
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype="facts-changed",
        entity=f"ServiceRequest/{order_id}",
        patient_id=patient_id,
        detail={"fact": cause},
    )
    audit.record(session, actor, entry)
    if cause is Cause.NEW_INDICATION:
        _add_indication(session, actor, orders.get(session, order_id), code, words, now)
    else:
        answers = standings.of_orders(session, sorted(set(concerned)))
        void(session, actor, [a for a in answers if a.is_living and a.is_positive], cause, words, now)
    for id in sorted(set(concerned) - {order_id}):
        refresh_order(session, actor, id, now)
    return refresh_order(session, actor, order_id, now)


def _add_indication(
    session: Session, actor: Actor, order: Order, code: str, reason: str, now: datetime
) -> None:
    indication = indication_of(code)
    if indication is None:
        text = "Give an ICD-10-CM code that is in use, for example F43.10."
        raise InvalidInput(Issue(text, ("fact_code",), "value"))
    if (indication.system, indication.code) in {(i.system, i.code) for i in order.indications}:
        raise InvalidInput(Issue("The order has this indication already.", ("fact_code",), "value"))
    orders.add_indications(session, order.id, [indication], len(order.indications))
    publish.indication_added(session, order, indication, now)
    void_uncovered(session, actor, order.id, (*order.indications, indication), reason, now)


def void_uncovered(
    session: Session,
    actor: Actor,
    order_id: str,
    indications: Iterable[Indication],
    reason: str,
    now: datetime,
) -> None:
    """End the recommendations that do not cover what the order needs one for now.

    The caller holds the order and lets it follow afterwards.
    """
    policy, _ = clinics.policy_in_force(session)
    needed = {indication.code for indication in policy.needing_recommendation(indications)}
    uncovered = [
        answer
        for answer in standings.of_orders(session, [order_id])
        if answer.is_positive and answer.is_living and not needed <= answer.covers
    ]
    void(session, actor, uncovered, Cause.NEW_INDICATION, reason, now)


def void_after_gaps(session: Session, now: datetime) -> int:
    """For the sweep: treatment has rested for longer than policy allows; returns how many orders closed."""
    actor = Actor(session.clinic, "system", "sweep")
    policy, _ = clinics.policy_in_force(session)
    closed = 0
    for order_id, last_start in standings.resting(session, now - policy.longest_gap, now, _BATCH):
        orders.get(session, order_id, lock=True)
        ended = [
            answer
            for answer in standings.of_orders(session, [order_id])
            if is_gap(answer, last_start, policy.longest_gap, now)
        ]
        days = policy.longest_gap.days
        reason = f"No infusion for more than {days} days, the longest gap that clinic policy allows."
        void(session, actor, ended, Cause.TREATMENT_GAP, reason, now)
        closed += not refresh_order(session, actor, order_id, now).open
    return closed
