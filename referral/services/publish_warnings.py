"""Flag and DetectedIssue: the warnings about an order, written beside what `publish` writes.

One Flag per order, active while its gate is closed although it was open before; one DetectedIssue per
recommendation that needs the medical director, and one per conflict. Their ids follow from what they are
about, so that the same warning is the same resource and its history tells the rest.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from referral.domain.codes import Decision
from referral.domain.gate import GateDecision
from referral.domain.life import Conflict, Remark, Standing, find_conflicts
from referral.domain.policy import Policy
from referral.fhir import gate as gate_mapping
from referral.fhir import warning as mapping
from referral.fhir.elements import Resource, instant
from referral.storage import clinics, orders, resources, standings
from referral.storage.db import Session

# A fixed namespace: see above.
_IDS: Final = uuid.UUID("5c2c1f1e-0d0b-5f6e-8a55-3d9f6a1f7c40")
_ENDED: Final = ("status", "mitigation")


def _id(*about: str) -> str:
    return str(uuid.uuid5(_IDS, "/".join(about)))


# ---- Flag


def flag_id(order_id: str) -> str:
    """The Flag of this order, whether it exists yet or not."""
    return _id("flag", order_id)


def gate_changed(session: Session, order_id: str, decision: GateDecision, now: datetime) -> None:
    """The order was open and is closed now, or the other way round."""
    if decision.open:
        end_flag(session, order_id, now)
        return
    id = flag_id(order_id)
    made = gate_mapping.flag(id, orders.get(session, order_id), decision, since=now)
    if resources.find(session, "Flag", id) is None:
        resources.create(session, [made], now)
    else:
        resources.amend(session, "Flag", id, {k: made[k] for k in ("status", "code", "period")}, now)


def end_flag(session: Session, order_id: str, now: datetime) -> None:
    """The gate is open again, or the order has ended: nothing to warn of."""
    stored = resources.find(session, "Flag", flag_id(order_id))
    if stored is None or stored.document["status"] != "active":
        return
    period = {**stored.document["period"], "end": instant(now)}
    resources.amend(session, "Flag", stored.id, {"status": "inactive", "period": period}, now)


# ---- DetectedIssue


def refresh_issues(session: Session, order_id: str, now: datetime) -> None:
    """Let the issues of an order say what stands now; where nothing differs, nothing is written."""
    answers = standings.of_orders(session, [order_id])
    if not answers:
        return
    policy, _ = clinics.policy_in_force(session)
    usable = orders.get(session, order_id).status in orders.USABLE
    for id, made, is_open, remark, clinician_id in (
        *_reviews(answers, policy, now),
        *_conflicts(session, order_id, answers, now),
    ):
        stored = resources.find(session, "DetectedIssue", id)
        if stored is None:
            if is_open and usable:
                resources.create(session, [made], now)
            continue
        wanted = {"status": "preliminary"} if is_open and usable else mapping.settled(remark, clinician_id)
        changes: dict[str, Any] = {name: wanted.get(name) for name in _ENDED}
        if any(stored.document.get(name) != value for name, value in changes.items()):
            resources.amend(session, "DetectedIssue", id, changes, now)


_Issue = tuple[str, Resource, bool, Remark | None, str]


def _reviews(answers: list[Standing], policy: Policy, now: datetime) -> Iterator[_Issue]:
    for answer in answers:
        conditions = answer.decision is Decision.RECOMMENDED_WITH_CONDITIONS
        needed = (conditions and policy.conditions_need_director) or (
            answer.red_flags and policy.red_flags_need_director
        )
        if answer.is_positive and needed:
            id = _id("review", answer.id)
            waits = answer.may_count(now) and answer.review is None
            remark = answer.void or answer.review
            yield id, mapping.to_review(id, answer), waits, remark, answer.clinician_id


def _conflicts(session: Session, order_id: str, answers: list[Standing], now: datetime) -> Iterator[_Issue]:
    against = [answer for answer in answers if answer.decision is Decision.NOT_RECOMMENDED]
    if not against:
        return
    kept = standings.kept_pairs(session, [order_id])
    open_ids = {(c.recommendation.id, c.refusal.id) for c in find_conflicts(answers, kept, now)}
    for answer in answers:
        for refusal in against:
            if answer.is_positive and answer.clinician_id != refusal.clinician_id:
                id, pair = _id("conflict", answer.id, refusal.id), (answer.id, refusal.id)
                remark = answer.void or refusal.void or kept.get(pair)
                made = mapping.conflict(id, Conflict(answer, refusal))
                yield id, made, pair in open_ids, remark, answer.clinician_id
