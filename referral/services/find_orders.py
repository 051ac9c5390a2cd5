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
from referral.domain.records import Clinician, Order, Patient, Referral
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
class Watched:
    """An order, the advice of the gate, the answers it rests on, and the requests about it, newest first."""

    order: Order
    decision: GateDecision
    answers: tuple[Recommendation, ...]
    requests: tuple[Referral, ...]


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderState:
    """As Watched, with the patient, and with where each request stands."""

    order: Order
    patient: Patient
    decision: GateDecision
    answers: tuple[Recommendation, ...]
    requests: tuple[Followed, ...]


def basis_of(state: Watched | OrderState) -> Recommendation | None:
    """The answer that satisfies the rule, None where none does."""
    ids = {one.by for one in state.decision.requirements if one.satisfied}
    return next((answer for answer in state.answers if answer.id in ids), None)


class States:
    """The orders that one page looks at: each is read, judged and followed once, whoever asks for it.

    A board looks at many more than it shows. watch() reads what the gate says of an order and who was asked
    about it; the patient, and what was sent, are read for those that find() is asked for.
    """

    def __init__(self, session: Session, now: datetime) -> None:
        self._session, self._now = session, now
        self._watched: dict[str, Watched] = {}
        self._found: dict[str, OrderState] = {}
        self._order_of: dict[str, str] = {}

    def watch(self, found: Iterable[Order]) -> list[Watched]:
        """The same orders in the same order."""
        rows = list(found)
        new = {order.id: order for order in rows if order.id not in self._watched}
        if new:
            facts = orders.facts_of_many(self._session, new)
            requests: dict[str, list[Referral]] = {id: [] for id in new}
            for referral in referrals.of_orders(self._session, new):
                requests[referral.order_id].append(referral)
                self._order_of[referral.id] = referral.order_id
            for id, order in new.items():
                self._watched[id] = Watched(
                    order=order,
                    decision=decision_of(self._session, facts[id], self._now),
                    answers=facts[id].facts.recommendations,
                    requests=tuple(requests[id]),
                )
        return [self._watched[order.id] for order in rows]

    def find(self, order_ids: Iterable[str]) -> dict[str, OrderState]:
        """By id; what does not exist is missing."""
        wanted = dict.fromkeys(order_ids)
        unread = wanted.keys() - self._watched.keys()
        if unread:
            self.watch(orders.get_many(self._session, unread).values())
        new = [self._watched[id] for id in wanted if id in self._watched and id not in self._found]
        if new:
            patients = directory.get_patients(self._session, {one.order.patient_id for one in new})
            asked = follow(self._session, (request for one in new for request in one.requests), self._now)
            followed = {one.referral.id: one for one in asked}
            for one in new:
                self._found[one.order.id] = OrderState(
                    order=one.order,
                    patient=patients[one.order.patient_id],
                    decision=one.decision,
                    answers=one.answers,
                    requests=tuple(followed[request.id] for request in one.requests),
                )
        return {id: self._found[id] for id in wanted if id in self._found}

    def about(self, referral_ids: Iterable[str]) -> dict[str, tuple[Followed, OrderState]]:
        """Requests with their orders, by the id of the request; what does not exist is missing."""
        wanted = set(referral_ids)
        unknown = wanted - self._order_of.keys()
        if unknown:
            self._order_of |= referrals.orders_of(self._session, unknown)
        states = self.find(self._order_of[id] for id in wanted if id in self._order_of)
        return {
            followed.referral.id: (followed, state)
            for state in states.values()
            for followed in state.requests
            if followed.referral.id in wanted
        }


def states_of(session: Session, found: Iterable[Order], now: datetime) -> list[OrderState]:
    """The same orders in the same order, with everything about them in a handful of queries."""
    states = States(session, now)
    ids = [watched.order.id for watched in states.watch(found)]
    by_id = states.find(ids)
    return [by_id[id] for id in ids]


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
