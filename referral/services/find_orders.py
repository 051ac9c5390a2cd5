"""What the pages about infusion orders show; each look leaves its audit row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.gate import GateDecision, Recommendation
from referral.domain.listing import Page, View
from referral.domain.override import OverrideCase
from referral.domain.policy import Indication, Policy
from referral.domain.quick import quick
from referral.domain.records import Clinician, Order, Patient
from referral.services.classify_indication import CodeEffect, look_at_code
from referral.services.find_life import Life, find_life
from referral.services.follow_requests import Followed, follow
from referral.services.note_shown import note_shown
from referral.services.refresh_gate import decision_of
from referral.storage import (
    accounts,
    audit,
    cds,
    clinics,
    directory,
    orders,
    overrides,
    recommendations,
    referrals,
)
from referral.storage.cds import Answered
from referral.storage.db import Session
from referral.storage.lists import orders as listed_orders
from referral.storage.orders import TreatmentStart


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderState:
    """An order, the advice of the gate, the answers it rests on, and its requests, newest first."""

    order: Order
    patient: Patient
    decision: GateDecision
    answers: tuple[Recommendation, ...]
    requests: tuple[Followed, ...]

    def basis(self) -> Recommendation | None:
        """The answer that satisfies the rule, None where none does."""
        ids = {state.by for state in self.decision.requirements if state.satisfied}
        return next((answer for answer in self.answers if answer.id in ids), None)


def states_of(session: Session, found: Iterable[Order], now: datetime) -> list[OrderState]:
    """The same orders in the same order, with everything about them in a handful of queries."""
    rows = list(found)
    if not rows:
        return []
    facts = orders.facts_of_many(session, [order.id for order in rows])
    patients = directory.get_patients(session, {order.patient_id for order in rows})
    requests: dict[str, list[Followed]] = {order.id: [] for order in rows}
    for followed in follow(session, referrals.of_orders(session, requests), now):
        requests[followed.referral.order_id].append(followed)
    return [
        OrderState(
            order=order,
            patient=patients[order.patient_id],
            decision=decision_of(session, facts[order.id], now),
            answers=facts[order.id].facts.recommendations,
            requests=tuple(requests[order.id]),
        )
        for order in rows
    ]


def with_orders(
    session: Session, referral_ids: Iterable[str], now: datetime, known: Iterable[OrderState] = ()
) -> dict[str, tuple[Followed, OrderState]]:
    """These requests and the others of their orders, by id; what is `known` is not worked out again."""
    found = {f.referral.id: (f, state) for state in known for f in state.requests}
    unknown = set(referral_ids) - found.keys()
    if not unknown:
        return found
    about = referrals.find_many(session, unknown)
    placed = orders.get_many(session, {referral.order_id for referral in about.values()})
    for state in states_of(session, placed.values(), now):
        found |= {f.referral.id: (f, state) for f in state.requests}
    return found


def list_orders(session: Session, actor: Actor, view: View, now: datetime) -> Page[OrderState]:
    """Those in use unless another state is asked for."""
    page = listed_orders.listed(session, view, now)
    shown = states_of(session, page.rows, now)
    note_shown(
        session, actor, view.noted("orders"), (state.order.patient_id for state in shown), list="orders"
    )
    return page.of(shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """Everything that the page of one order shows. `signers` are the clinicians by recommendation id.

    `overrides` are all requests for emergency access, newest first.
    `card_answers` is what people did with warnings in their record system, newest first.
    `same_code` tells of the orders in use with each unclassified indication of this one.
    """

    state: OrderState
    policy: Policy
    starts: tuple[TreatmentStart, ...]
    consulted_at: datetime | None
    users: dict[str, str]
    signers: dict[str, Clinician]
    same_code: dict[Indication, CodeEffect]
    life: Life
    overrides: tuple[OverrideCase, ...] = ()
    card_answers: tuple[Answered, ...] = ()


def find_order(session: Session, actor: Actor, order_id: str, now: datetime) -> OrderView:
    """Raises NotFound; the audit row names the patient."""
    order = orders.get(session, order_id)
    state = states_of(session, [order], now)[0]
    policy, _ = clinics.policy_in_force(session)
    entry = AuditEntry(
        action=Action.READ, subtype="order", entity=f"ServiceRequest/{order.id}", patient_id=order.patient_id
    )
    audit.record(session, actor, entry)
    return OrderView(
        state=state,
        policy=policy,
        starts=tuple(orders.starts(session, order.id)),
        consulted_at=orders.consulted_at(session, order.id),
        users={id: user.name for id, user in accounts.get_users(session).items()},
        signers=_signers(session, state),
        overrides=tuple(overrides.of_order(session, order.id)),
        card_answers=tuple(cds.feedback_of_order(session, order.id)),
        life=find_life(session, order.id, now),
        same_code={i: look_at_code(session, policy, i, now) for i in policy.unclassified(order.indications)},
    )


def _signers(session: Session, state: OrderState) -> dict[str, Clinician]:
    """Who gave which answer: the clinician of the request that it answers."""
    by_request = {followed.referral.id: followed.clinician for followed in state.requests}
    rows = (recommendations.find(session, id=answer.id) for answer in state.answers)
    return {row.id: by_request[row.referral_id] for row in rows if row is not None}
