"""What the gate says about a patient's orders to a system that asks by CDS Hooks."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.gate import GateDecision
from referral.services.refresh_gate import decision_of
from referral.storage import audit, orders, resources
from referral.storage.db import Session


def advise(
    session: Session, actor: Actor, patient_id: str, hook: str, now: datetime
) -> list[tuple[dict[str, Any], GateDecision]]:
    """Each order in use as it stands, with the decision; empty for a patient without one or unknown here."""
    found = orders.find(session, patient_id=patient_id)
    documents = resources.find_many(session, [f"ServiceRequest/{order.id}" for order in found])
    facts = orders.facts_of_many(session, [order.id for order in found])
    advice = [
        (documents[f"ServiceRequest/{order.id}"].document, decision_of(session, facts[order.id], now))
        for order in found
    ]
    entry = AuditEntry(
        action=Action.READ,
        subtype="gate",
        entity=f"Patient/{patient_id}" if found else None,
        patient_id=patient_id if found else None,
        detail={"hook": hook, "orders": len(found)},
    )
    audit.record(session, actor, entry)
    return advice


def note_feedback(session: Session, actor: Actor, feedback: list[dict[str, Any]]) -> None:
    """Which cards were accepted or overridden, by the codes and ids of the cards; free text is not kept."""
    entries = [
        AuditEntry(
            action=Action.EXECUTE,
            subtype="card-feedback",
            detail={
                "card": _uuid(item.get("card")),
                "outcome": str(item.get("outcome")) if item.get("outcome") in _OUTCOMES else None,
                "reason": _reason(item),
            },
        )
        for item in feedback
    ]
    if entries:
        audit.record(session, actor, *entries)


_OUTCOMES = frozenset({"accepted", "overridden"})


def _uuid(value: object) -> str | None:
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        return None


def _reason(item: dict[str, Any]) -> str | None:
    override = item.get("overrideReason")
    reason = override.get("reason") if isinstance(override, dict) else None
    code = reason.get("code") if isinstance(reason, dict) else None
    return code if isinstance(code, str) and len(code) <= 64 and code.replace("-", "").isalnum() else None
