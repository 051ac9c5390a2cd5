"""A clinic's policy in words: the version in force, its history, and what a new one would do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from referral.domain.codes import Strength
from referral.domain.gate import who_may_recommend
from referral.domain.policy import ICD_10_CM, SNOMED_CT, IndicationClass, Policy
from referral.domain.policy_change import STRENGTH_LABEL
from referral.domain.policy_draft import STRENGTHS
from referral.services.find_policy import PolicyStep, PolicyView
from referral.services.foresee_policy import AnswerStopped, OrderMoved, PolicyPreview
from referral.web.form import Form
from referral.web.staff import present
from referral.web.staff.clock import Clock
from referral.web.staff.ladder_view import rungs
from referral.web.staff.models import Badge, Fact, Link
from referral.web.staff.policy_models import (
    CodeGroup,
    MovedRow,
    OpenCode,
    PolicyPage,
    PreviewPage,
    StoppedRow,
    VersionRow,
)

_NEEDS: Final = {
    IndicationClass.MENTAL_HEALTH: ("Mental health", "Initial consultation, and a recommendation."),
    IndicationClass.PAIN: ("Chronic pain", "Initial consultation only."),
}
_NOTHING_AT_ONCE: Final = "nothing; every answer needs a call"
_SYSTEMS: Final = {
    ICD_10_CM: "ICD-10-CM, by the beginning of the code",
    SNOMED_CT: "SNOMED CT, by the whole code",
}


def policy_page(view: PolicyView, clock: Clock, *, may_change: bool) -> PolicyPage:
    """As those see it who may change it, or read it only."""
    policy = view.policy
    newest = view.history[0].made
    return PolicyPage(
        version=policy.version,
        since=clock.moment(newest.created_at),
        groups=tuple(_group(policy, wanted) for wanted in _NEEDS),
        facts=_facts(policy),
        unclassified=tuple(
            OpenCode(
                code.indication.code,
                code.indication.display,
                present.counted(code.orders, "order"),
                f"/orders/{code.order_id}#classify" if may_change else "",
            )
            for code in view.unclassified
        ),
        history=tuple(_version(step, clock, in_force=policy.version) for step in view.history),
        edit="/policy/edit" if may_change else "",
        rungs=rungs(view.ladder),
        edit_ladder="/policy/ladder" if may_change else "",
        older=f"/policy?below={view.older}#history" if view.older else "",
    )


def _group(policy: Policy, wanted: IndicationClass) -> CodeGroup:
    title, needs = _NEEDS[wanted]
    codes: dict[str, list[str]] = {}
    for rule in sorted(policy.rules, key=lambda rule: (rule.system, rule.prefix)):
        if rule.indication_class is wanted:
            codes.setdefault(rule.system, []).append(rule.prefix)
    facts = tuple(
        Fact(_SYSTEMS.get(system, system or "Without a system"), ", ".join(found))
        for system, found in sorted(codes.items(), key=lambda item: (item[0] not in _SYSTEMS, item[0]))
    )
    return CodeGroup(title, needs, facts)


def _facts(policy: Policy) -> tuple[Fact, ...]:
    at_once = [STRENGTH_LABEL[s] for s in STRENGTHS if s in policy.counts_at_once]
    single = (
        "Allowed; the answer counts after a confirming call"
        if policy.allow_single_channel
        else "Not allowed; they answer by letter or fax"
    )
    who = who_may_recommend(policy)
    return (
        Fact("Who may recommend", f"{_first_large(who)}. Any one of them is enough."),
        Fact("A recommendation counts for", present.counted(policy.validity.days, "day")),
        Fact("Longest pause in treatment", present.counted(policy.longest_gap.days, "day")),
        Fact("Counts at once, with identity by", _first_large("; ".join(at_once) or _NOTHING_AT_ONCE)),
        Fact(f"Identity by {STRENGTH_LABEL[Strength.SINGLE_CHANNEL]}", single),
        Fact("Red flags", _director(policy.red_flags_need_director)),
        Fact("Conditions", _director(policy.conditions_need_director)),
        Fact("Emergency access by two people", "On" if policy.allow_override else "Off"),
    )


def _first_large(text: str) -> str:
    return text[:1].upper() + text[1:]


def _director(needed: bool) -> str:
    return "Wait for the medical director" if needed else "Count without the medical director"


def _version(step: PolicyStep, clock: Clock, in_force: int) -> VersionRow:
    made = step.made
    moved = [
        *([f"{present.counted(made.closed, 'order')} closed"] if made.closed else []),
        *([f"{present.counted(made.opened, 'order')} opened"] if made.opened else []),
    ]
    outcome = f"{' and '.join(moved)}." if moved else "No order opened or closed."
    if not made.finished:
        outcome = f"{' and '.join(moved) or 'None moved'} so far; the other orders are being looked at."
    first = made.version == 1
    return VersionRow(
        number=made.version,
        when=clock.moment(made.created_at),
        by=step.by or ("Set up with the clinic" if first else "The system"),
        reason=made.reason,
        changed=step.changed,
        outcome="" if first else outcome,
        badge=Badge("open", "In force") if made.version == in_force else None,
    )


# ---- Preview


def preview_page(
    seen: PolicyPreview,
    changed: tuple[str, ...],
    before: Policy,
    after: Policy,
    form: Form,
    hidden: tuple[tuple[str, str], ...],
    clock: Clock,
    outdated: str = "",
) -> PreviewPage:
    """Everything that somebody has to see before agreeing."""
    return PreviewPage(
        form=form,
        hidden=(*hidden, ("seen", seen.digest)),
        version=before.version,
        changed=changed,
        closes=tuple(_moved(item, clock) for item in seen.closes),
        opens=tuple(_moved(item, clock) for item in seen.opens),
        stops=tuple(_stopped(item, clock) for item in seen.stops),
        close_count=seen.close_count,
        open_count=seen.open_count,
        stop_count=seen.stop_count,
        looked_at=present.counted(seen.looked_at, "order"),
        notes=tuple(_notes(before, after, seen.requests_in_vain)),
        outdated=outdated,
    )


def _notes(before: Policy, after: Policy, in_vain: int) -> Iterable[str]:
    if in_vain:
        ask = "asks a clinician" if in_vain == 1 else "ask clinicians"
        yield f"{present.counted(in_vain, 'open request')} {ask} whose answer would not count any more."
    if before.validity != after.validity:
        yield "Recommendations that were given keep the last day that they were given for."
    if after.allow_override and not before.allow_override:
        yield "Emergency access opens the gate without a recommendation. Every use is reviewed and reported."
    if before.red_flags_need_director and not after.red_flags_need_director:
        yield "Answers with red flags will open the gate although nobody of the clinic has read them."
    if before.conditions_need_director and not after.conditions_need_director:
        yield "Answers with conditions will open the gate although nobody of the clinic has read them."
    if Strength.RECORDED_BY_STAFF in after.counts_at_once - before.counts_at_once:
        yield "Answers that one member of staff takes down will open the gate without a second look."


def _order(item: OrderMoved | AnswerStopped) -> Link:
    return Link(present.named(item.patient), f"/orders/{item.order.id}")


def _moved(item: OrderMoved, clock: Clock) -> MovedRow:
    first = item.order.first_infusion_on
    return MovedRow(
        order=_order(item),
        indication=f"{present.order_number(item.order)} · {present.indications(item.order)}",
        infusion=clock.day(first) if first else None,
        reasons=item.reasons,
    )


def _stopped(item: AnswerStopped, clock: Clock) -> StoppedRow:
    return StoppedRow(
        clinician=present.titled(item.clinician),
        given=clock.day(clock.local(item.answered_at)),
        order=_order(item),
        why=item.why,
        badge=Badge("closed", "Closes the order", "lock") if item.order_closes else None,
    )
