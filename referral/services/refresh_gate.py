"""Looks at the gate of an order after something changed, and lets the order say what the rule says."""

from __future__ import annotations

from datetime import datetime

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import RequestStatus, Requirement
from referral.domain.gate import GateDecision, decide
from referral.services import publish, publish_warnings
from referral.services.follow_gate import follow_gate
from referral.storage import audit, clinics, orders
from referral.storage.db import Session
from referral.storage.orders import FactsOfOrder


def decision_of(session: Session, found: FactsOfOrder, now: datetime) -> GateDecision:
    """The rule over facts that were read; a clinic without a policy has no open gate."""
    version = found.policy_version
    # The version was read with the facts; a process knows each version after the first time.
    policy, _ = clinics.policy_in_force(session) if version is None else clinics.policy_of(session, version)
    return decide(found.facts, policy, now)


def read_decision(session: Session, actor: Actor, order_id: str, now: datetime) -> GateDecision:
    """The advice for one order, with the audit row of the look."""
    found = orders.facts(session, order_id)
    entry = AuditEntry(
        action=Action.READ, subtype="gate", entity=f"ServiceRequest/{order_id}", patient_id=found.patient_id
    )
    audit.record(session, actor, entry)
    return decision_of(session, found, now)


def is_answered(decision: GateDecision) -> bool:
    """A recommendation counts, whatever else the gate still waits for: nobody else need be asked."""
    return any(s.requirement is Requirement.RECOMMENDATION and s.satisfied for s in decision.requirements)


def refresh_gate(session: Session, actor: Actor, order_id: str, now: datetime) -> GateDecision:
    """Put the infusion order on-hold or active as the rule says; the database alone decides about a start.

    Bookings of its chairs follow in the same transaction; an override, which is for one start, confirms none.
    """
    found = orders.facts(session, order_id)
    decision = decision_of(session, found, now)
    if not found.facts.order_usable:
        return decision
    status = RequestStatus.ACTIVE if decision.open else RequestStatus.ON_HOLD
    if orders.set_status(session, order_id, status):
        publish.order_changed(session, order_id, decision, now)
        publish_warnings.gate_changed(session, order_id, decision, now)
        entry = AuditEntry(
            action=Action.UPDATE,
            subtype="gate-open" if decision.open else "gate-closed",
            entity=f"ServiceRequest/{order_id}",
            patient_id=found.patient_id,
            detail={"verdict": decision.verdict},
        )
        audit.record(session, actor, entry)
        follow_gate(session, actor, order_id, now, is_open=decision.settled)
    return decision


def refresh_order(session: Session, actor: Actor, order_id: str, now: datetime) -> GateDecision:
    """After something was said about an answer: the order as refresh_gate() does it, and its warnings."""
    decision = refresh_gate(session, actor, order_id, now)
    publish_warnings.refresh_issues(session, order_id, now)
    return decision
