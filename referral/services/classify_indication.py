"""The medical director says what an unknown code stands for: the next version of the clinic's policy."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import InvalidInput, Issue, StaleVersion, TransitionRefused
from referral.domain.policy import Indication, IndicationClass, IndicationRule, Policy
from referral.domain.policy_change import Move, added_rule, effect_on
from referral.domain.policy_draft import CLASS_LABEL, checked_rule
from referral.domain.records import Order
from referral.services.change_policy import PolicySaved, PreviewOutdated, put_in_force
from referral.services.foresee_policy import Foreseen, foresee
from referral.storage import audit, clinics, orders
from referral.storage.db import Session, hold
from referral.storage.policies import CodeInUse

# So many orders are looked at for one board; codes beyond are looked at on the page of one of their orders.
MOST_LOOKED_AT: Final = 300


def classified(policy: Policy, indication: Indication, indication_class: IndicationClass) -> Policy:
    """The policy with one rule more; InvalidInput for a code that no rule can name."""
    rule = checked_rule(indication.system, indication.code, indication_class)
    return replace(policy, rules=(*policy.rules, rule))


@dataclass(frozen=True, slots=True)
class CodeEffect:
    """Orders in use that wait for an unclassified code, and what each class that it can have would do.

    `version` is the policy that this was worked out against.
    """

    orders: int
    classes: Mapping[IndicationClass, Foreseen]
    version: int


def look_at_code(session: Session, policy: Policy, indication: Indication, now: datetime) -> CodeEffect:
    """The preview of either class; nothing is written. Longer ICD-10-CM codes that it would cover count."""
    return _look(session, policy, indication, orders.with_code(session, indication), now)


def _look(
    session: Session, policy: Policy, indication: Indication, ids: Collection[str], now: datetime
) -> CodeEffect:
    found = orders.facts_of_many(session, ids)
    classes, waiting = {}, len(found)
    for chosen in IndicationClass:
        try:
            after = classified(policy, indication, chosen)
        except InvalidInput:
            continue
        waiting = sum(
            any(after.classify(i) is not None for i in policy.unclassified(f.facts.indications))
            for f in found.values()
        )
        effects = {id: effect_on(f.facts, policy, after, now) for id, f in found.items()}
        moving = {id: e for id, e in sorted(effects.items()) if e.move is not Move.STAYS or e.stopped}
        classes[chosen] = Foreseen(moving, len(found))
    return CodeEffect(waiting, classes, policy.version)


def look_at_codes(
    session: Session, policy: Policy, codes: Iterable[CodeInUse], now: datetime
) -> dict[Indication, CodeEffect]:
    """The previews that stand beside a list; codes that too many orders have are left out."""
    found, left = {}, MOST_LOOKED_AT
    for code in codes:
        ids = orders.with_code(session, code.indication)
        if len(ids) <= left:
            left -= len(ids)
            found[code.indication] = _look(session, policy, code.indication, ids, now)
    return found


def unclassified_of(policy: Policy, order: Order, system: str, code: str) -> Indication:
    """The indication of this order that is meant; TransitionRefused when the policy knows it already."""
    for indication in policy.unclassified(order.indications):
        if indication.system == system and indication.code.strip().upper() == code.strip().upper():
            return indication
    raise TransitionRefused("This indication has been classified already.", "ServiceRequest.reasonCode")


def classify_indication(
    session: Session,
    actor: Actor,
    order_id: str,
    code: tuple[str, str],
    chosen: str,
    *,
    based_on: int,
    seen: str,
    now: datetime,
) -> PolicySaved:
    """Add one rule for an unclassified `code` (system and code) of this order; `chosen` is its class.

    It counts for every order with the code; those that it opens follow at once. `based_on` and `seen` are the
    version and the digest of what stood beside the button. Refuses a code that the policy knows; StaleVersion
    when another version is in force, PreviewOutdated when the class would do something else by now.
    """
    if chosen not in set(IndicationClass):
        raise InvalidInput(Issue("Choose what this indication needs.", ("requirement",), "required"))
    hold(session, "policy")
    order = orders.get(session, order_id)
    policy, ladder = clinics.policy_in_force(session)
    indication = unclassified_of(policy, order, *code)
    if policy.version != based_on:
        raise StaleVersion(
            f"Version {policy.version} of the policy was put in force after this page was made, so nothing "
            "was classified. What each class would do now is shown below."
        )
    new = classified(policy, indication, IndicationClass(chosen))
    rule = new.rules[-1]
    foreseen = foresee(session, policy, new, now)
    if foreseen.digest != seen:
        raise PreviewOutdated(
            "Orders have changed since this page was made, so nothing was classified. "
            "What each class would do now is shown below."
        )
    reason = f"{rule.prefix} was not classified; it is {CLASS_LABEL[rule.indication_class]}."
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


# ---- Taking it back


@dataclass(frozen=True, slots=True)
class Classification:
    """The version in force, where all it did was to add `rule` to the policy `before` for an unknown code."""

    policy: Policy
    before: Policy
    rule: IndicationRule


def newest_classification(session: Session) -> Classification | None:
    """None where the version in force did anything else, or is the first."""
    policy, _ = clinics.policy_in_force(session)
    if policy.version == 1:
        return None
    before, _ = clinics.policy_of(session, policy.version - 1)
    rule = added_rule(before, policy)
    return Classification(policy, before, rule) if rule else None


def closed_by_undoing(session: Session, made: Classification, now: datetime) -> int:
    """How many orders are open because of it."""
    with_it = orders.with_code(session, Indication(made.rule.system, made.rule.prefix, ""))
    found = orders.facts_of_many(session, with_it).values()
    return sum(effect_on(f.facts, made.policy, made.before, now).move is Move.CLOSES for f in found)


def undo_classification(session: Session, actor: Actor, version: int, now: datetime) -> PolicySaved:
    """Another version, without the rule that `version` has added. It can only close orders, never open one.

    StaleVersion where a newer version is in force, TransitionRefused where this one classified nothing.
    """
    hold(session, "policy")
    policy, ladder = clinics.policy_in_force(session)
    if policy.version != version:
        raise StaleVersion(
            f"Version {policy.version} of the policy was put in force since, so nothing was undone. "
            "Change the policy on its own page."
        )
    made = newest_classification(session)
    if made is None:
        raise TransitionRefused("This version did more than classify one code. Change the policy instead.")
    new = replace(made.before, version=policy.version)
    foreseen = foresee(session, policy, new, now)
    reason = f"{made.rule.prefix} is unclassified again: its classification was taken back."
    saved = put_in_force(session, actor, new, ladder, reason, foreseen, now)
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype="undo-classification",
        detail={
            "code": made.rule.prefix,
            "version": saved.version,
            "closes": len(foreseen.moving(Move.CLOSES)),
        },
    )
    audit.record(session, actor, entry)
    return saved
