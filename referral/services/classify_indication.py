"""The medical director says what an unknown code stands for: the next version of the clinic's policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import InvalidInput, Issue, TransitionRefused
from referral.domain.policy import Indication, IndicationClass, Policy
from referral.domain.policy_change import Move, effect_on
from referral.domain.policy_draft import CLASS_LABEL, checked_rule
from referral.domain.records import Order
from referral.services.change_policy import PolicySaved, put_in_force
from referral.services.foresee_policy import foresee
from referral.storage import audit, clinics, orders
from referral.storage.db import Session, hold


def classified(policy: Policy, indication: Indication, indication_class: IndicationClass) -> Policy:
    """The policy with one rule more; InvalidInput for a code that no rule can name."""
    rule = checked_rule(indication.system, indication.code, indication_class)
    return replace(policy, rules=(*policy.rules, rule))


@dataclass(frozen=True, slots=True)
class CodeEffect:
    """Orders in use that have an unclassified code, and how many of them each class would open at once."""

    orders: int
    opens: Mapping[IndicationClass, int]


def look_at_code(session: Session, policy: Policy, indication: Indication, now: datetime) -> CodeEffect:
    """What the classes would do to the orders with this code; nothing is written."""
    found = orders.facts_of_many(session, orders.with_code(session, indication)).values()
    opens = {}
    for chosen in IndicationClass:
        try:
            after = classified(policy, indication, chosen)
        except InvalidInput:
            continue
        opens[chosen] = sum(effect_on(f.facts, policy, after, now).move is Move.OPENS for f in found)
    return CodeEffect(len(found), opens)


def unclassified_of(policy: Policy, order: Order, system: str, code: str) -> Indication:
    """The indication of this order that is meant; TransitionRefused when the policy knows it already."""
    for indication in policy.unclassified(order.indications):
        if (indication.system, indication.code) == (system, code):
            return indication
    raise TransitionRefused("This indication has been classified already.", "ServiceRequest.reasonCode")


def classify_indication(
    session: Session, actor: Actor, order_id: str, system: str, code: str, chosen: str, now: datetime
) -> PolicySaved:
    """Add one rule for an unclassified code of this order. `chosen` is an IndicationClass, as sent.

    It counts for every order with the code; those that it opens follow at once. Refuses a code that the
    policy knows.
    """
    if chosen not in set(IndicationClass):
        raise InvalidInput(Issue("Choose what this indication needs.", ("requirement",), "required"))
    hold(session, "policy")
    order = orders.get(session, order_id)
    policy, ladder = clinics.policy_in_force(session)
    indication = unclassified_of(policy, order, system, code)
    new = classified(policy, indication, IndicationClass(chosen))
    rule = new.rules[-1]
    reason = f"{rule.prefix} was not classified; it is {CLASS_LABEL[rule.indication_class]}."
    foreseen = foresee(session, policy, new, now)
    saved = put_in_force(session, actor, new, ladder, reason, foreseen, now)
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype="classify-indication",
        entity=f"ServiceRequest/{order_id}",
        patient_id=order.patient_id,
        detail={
            "code": rule.prefix,
            "class": rule.indication_class,
            "version": saved.version,
            "opens": len(foreseen.moving(Move.OPENS)),
        },
    )
    audit.record(session, actor, entry)
    return saved
