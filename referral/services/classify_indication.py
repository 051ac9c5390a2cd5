"""The medical director says what an unknown code stands for: the next version of the clinic's policy."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import InvalidInput, Issue, TransitionRefused
from referral.domain.policy import IndicationClass, IndicationRule
from referral.services.refresh_gate import refresh_gate
from referral.storage import audit, clinics, orders
from referral.storage.db import Session, hold


def classify_indication(
    session: Session, actor: Actor, order_id: str, code: str, indication_class: str, now: datetime
) -> int:
    """Add one rule for an unclassified code of this order; returns the policy's new version.

    It counts for every order with the code, whose gates are looked at again. Refuses a code that the
    policy knows.
    """
    if indication_class not in set(IndicationClass):
        raise InvalidInput(Issue("Choose what this indication needs.", ("requirement",), "required"))
    hold(session, "policy")
    order = orders.get(session, order_id)
    policy, ladder = clinics.policy_in_force(session)
    indication = next((i for i in policy.unclassified(order.indications) if i.code == code), None)
    if indication is None:
        raise TransitionRefused("This indication has been classified already.", "ServiceRequest.reasonCode")
    rule = IndicationRule(
        indication.system, indication.code.strip().upper(), IndicationClass(indication_class)
    )
    version = clinics.add_policy(session, replace(policy, rules=(*policy.rules, rule)), ladder, actor.id)
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype="classify-indication",
        entity=f"ServiceRequest/{order_id}",
        patient_id=order.patient_id,
        detail={"code": rule.prefix, "class": rule.indication_class, "version": version},
    )
    audit.record(session, actor, entry)
    for id in orders.with_code(session, indication):
        refresh_gate(session, actor, id, now)
    return version
