"""Emergency access in the words of the staff pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from referral.domain.codes import OverrideReason
from referral.domain.override import DECIDE_WITHIN, LEAST_WORDS, OverrideCase
from referral.domain.policy import Policy
from referral.services.find_orders import OrderState, OrderView
from referral.services.find_overrides import (
    REPORT_DAYS,
    Concern,
    Emergency,
    OverrideReport,
    OverrideView,
)
from referral.storage.overrides import Counts
from referral.web.dependencies import Visitor
from referral.web.form import Form
from referral.web.policy import Permission
from referral.web.staff import present, story
from referral.web.staff.clock import Clock
from referral.web.staff.list_models import ListPage
from referral.web.staff.models import AttentionRow, Badge, Choice, Fact, Link
from referral.web.staff.override_models import (
    AskOverridePage,
    OverridePage,
    OverridePanel,
    OverrideRow,
    OverridesPage,
)

REASON: Final = {
    OverrideReason.EMERGENCY: "Emergency: waiting would harm the patient",
    OverrideReason.PAPER_ON_FILE: "A signed recommendation is on file on paper",
    OverrideReason.PAIN_ONLY: "Pain is the only indication, and the order says otherwise",
}
_SOMEBODY: Final = "somebody"
_OUTCOMES: Final = (
    Choice("justified", "Justified", "The reason holds, and the recommendation could not be waited for."),
    Choice("not-justified", "Not justified", "It should have waited; say what will be done about it."),
)


def row(case: OverrideCase, title: str, users: Mapping[str, str], clock: Clock, href: str) -> OverrideRow:
    """One request in a list; `title` is whom it is about."""
    return OverrideRow(
        asked=clock.moment(case.requested_at),
        title=title,
        href=href,
        reason=REASON[case.reason_code],
        badge=badge(case, clock.now),
        sentence=_sentence(case, users, clock),
        review=review_badge(case, clock),
    )


def badge(case: OverrideCase, now: datetime) -> Badge:
    """Where a request stands."""
    if case.approved is None:
        return Badge("waiting", "To be decided") if case.waits(now) else Badge("neutral", "Lapsed undecided")
    if not case.approved:
        return Badge("closed", "Declined")
    if case.start_id is not None:
        return Badge("info", "Used", "open")
    return Badge("waiting", "In force", "unlock") if case.in_force(now) else Badge("neutral", "Ended unused")


def review_badge(case: OverrideCase, clock: Clock) -> Badge | None:
    """Where its review stands; None for what was not given."""
    if case.justified is not None:
        return Badge("open", "Justified") if case.justified else Badge("closed", "Not justified")
    if case.review_due_at is None:
        return None
    due = clock.soon(case.review_due_at)
    if case.overdue(clock.now):
        return Badge("closed", f"Review overdue since {clock.date_of(case.review_due_at)}", "warning")
    return Badge("waiting", f"Review due {due}")


def _sentence(case: OverrideCase, users: Mapping[str, str], clock: Clock) -> str:
    def name(id: str | None) -> str:
        return users.get(id or "", _SOMEBODY)

    words = f"Asked for by {name(case.requested_by)}"
    if case.approved is None:
        return f"{words}."
    words += f", {'approved' if case.approved else 'declined'} by {name(case.decided_by)}"
    if case.started_at is not None:
        words += f", used {clock.moment(case.started_at).text}"
    elif case.expires_at is not None and case.in_force(clock.now):
        words += f", good for one start; ends {clock.soon(case.expires_at)}"
    return f"{words}."


def panel(visitor: Visitor, view: OrderView, clock: Clock) -> OverridePanel | None:
    """On the page of an order: what was asked for, and the way to ask. None where there is nothing of it."""
    decides = visitor.may(Permission.DECIDE_OVERRIDE)
    rows = tuple(
        row(
            case,
            REASON[case.reason_code],
            view.users,
            clock,
            f"/overrides/{case.id}" if decides else "",
        )
        for case in view.overrides
    )
    may_ask = visitor.may(Permission.ASK_OVERRIDE) and not why_not_ask(
        view.policy, view.state, view.overrides, clock.now
    )
    ask = f"/orders/{view.state.order.id}/override" if may_ask else ""
    return OverridePanel(rows, ask) if rows or ask else None


def why_not_ask(policy: Policy, state: OrderState, cases: Iterable[OverrideCase], now: datetime) -> str:
    """Why emergency access cannot be asked for now, in a sentence; empty when it can."""
    if not policy.allow_override:
        return "Clinic policy does not allow emergency access. The medical director can change the policy."
    if state.decision.open:
        return "The gate is open: emergency access is not needed."
    if any(case.waits(now) for case in cases):
        return "Somebody has asked already; a medical director decides first."
    consulted = state.decision.requirements[0].satisfied
    usable = state.order.status in ("on-hold", "active")
    if not consulted or not usable or policy.unclassified(state.order.indications):
        return (
            "Emergency access can stand in for the recommendation only, and more than that is missing. "
            f"{' '.join(state.decision.reasons)}"
        )
    return ""


_CONCERN: Final = {
    Concern.DECIDE: (Badge("closed", "Emergency access", "warning"), "Decide"),
    Concern.REVIEW: (Badge("waiting", "To review", "eye"), "Review"),
    Concern.WAITS: (Badge("waiting", "Emergency access"), "See order"),
    Concern.IN_FORCE: (Badge("waiting", "Emergency access", "unlock"), "Start"),
    Concern.DECLINED: (Badge("closed", "Emergency access"), "See order"),
}


def attention_row(item: Emergency, clock: Clock) -> AttentionRow:
    """One row of 'needs me'."""
    shown, label = _CONCERN[item.concern]
    case, order = item.case, f"/orders/{item.case.order_id}"
    href = {
        Concern.DECIDE: f"/overrides/{case.id}#decide",
        Concern.REVIEW: f"/overrides/{case.id}#review",
        Concern.IN_FORCE: f"{order}#start",
    }.get(item.concern, order)
    if case.overdue(clock.now):
        shown = Badge("closed", "Review overdue", "warning")
    return AttentionRow(
        badge=shown,
        patient=present.named(item.state.patient),
        href=href,
        sentence=_concern(item, clock),
        since=clock.moment(item.since),
        action=Link(label, href),
    )


def _concern(item: Emergency, clock: Clock) -> str:
    case = item.case
    if item.concern is Concern.DECIDE:
        until = clock.soon(case.requested_at + DECIDE_WITHIN)
        return (
            f"{REASON[case.reason_code]}. Somebody asks to treat without the recommendation; lapses {until}."
        )
    if item.concern is Concern.WAITS:
        return "You have asked for emergency access; a medical director has to decide."
    if item.concern is Concern.DECLINED:
        return "Emergency access was declined; the gate stays closed."
    if item.concern is Concern.IN_FORCE and case.expires_at is not None:
        return f"One infusion may start without the recommendation; this ends {clock.soon(case.expires_at)}."
    used = "was used" if case.start_id is not None else "was given"
    due = clock.soon(case.review_due_at) if case.review_due_at else "now"
    if case.overdue(clock.now) and case.review_due_at:
        due = f"since {clock.date_of(case.review_due_at)}"
    return f"Emergency access {used}. Your review is due {due}."


def ask_page(view: OrderView, clock: Clock, form: Form) -> AskOverridePage:
    """The form; or the sentence that says why there is none."""
    state, chosen = view.state, form.value("reason_code")
    return AskOverridePage(
        patient=Link(present.named(state.patient), f"/patients/{state.order.patient_id}"),
        number=present.order_number(state.order),
        href=f"/orders/{state.order.id}",
        gate=story.gate(state, clock),
        refusal=why_not_ask(view.policy, state, view.overrides, clock.now),
        reasons=tuple(Choice(code, label, checked=code == chosen) for code, label in REASON.items()),
        least=LEAST_WORDS,
        form=form,
    )


def override_page(visitor: Visitor, view: OverrideView, clock: Clock, form: Form) -> OverridePage:
    """One request, with what this medical director may do about it."""
    case, state = view.case, view.state
    own = case.requested_by == visitor.account.user_id
    chosen = form.value("outcome")
    return OverridePage(
        number=present.order_number(state.order),
        href=f"/overrides/{case.id}",
        patient=Link(present.named(state.patient), f"/patients/{case.patient_id}"),
        order=Link(present.order_number(state.order), f"/orders/{case.order_id}"),
        row=row(case, present.named(state.patient), view.users, clock, ""),
        facts=_facts(view, clock),
        words=view.reason,
        note=view.note,
        gate=story.gate(state, clock),
        form=form,
        decide=case.waits(clock.now) and not own,
        review=case.to_review and not own,
        why_not=_why_not(case, own=own, now=clock.now),
        outcomes=tuple(Choice(c.value, c.label, c.detail, checked=c.value == chosen) for c in _OUTCOMES),
    )


def _why_not(case: OverrideCase, *, own: bool, now: datetime) -> str:
    if own and case.waits(now):
        return "You have asked for it yourself: another medical director has to decide."
    if own and case.to_review:
        return "You have asked for it yourself: another medical director has to review it."
    return ""


def _facts(view: OverrideView, clock: Clock) -> tuple[Fact, ...]:
    case = view.case

    def by(id: str | None, at: datetime | None) -> str:
        return f"{view.users.get(id or '', _SOMEBODY)}, {clock.moment(at).text}" if at else "not yet"

    facts = [
        Fact("Indication", present.indications(view.state.order)),
        Fact("Reason", REASON[case.reason_code]),
        Fact("Asked for by", by(case.requested_by, case.requested_at)),
    ]
    if case.approved is not None:
        facts.append(
            Fact("Approved by" if case.approved else "Declined by", by(case.decided_by, case.decided_at))
        )
    if case.expires_at is not None:
        facts.append(Fact("Good until", clock.moment(case.expires_at).text))
        facts.append(Fact("Used", clock.moment(case.started_at).text if case.started_at else "not used"))
        facts.append(Fact("Reviewed by", by(case.reviewed_by, case.reviewed_at)))
    return tuple(facts)


def overrides_page(report: OverrideReport, policy: Policy, listed: ListPage) -> OverridesPage:
    """The report."""
    return OverridesPage(policy.allow_override, _counts(report.counts), listed)


def patient_of(case: OverrideCase, report: OverrideReport) -> str:
    """The name, as far as there is one."""
    found = report.patients.get(case.patient_id)
    return present.named(found) if found is not None else "A patient"


def _counts(counts: Counts) -> tuple[Fact, ...]:
    return (
        Fact(f"Asked for in {REPORT_DAYS} days", str(counts.asked)),
        Fact("Approved", str(counts.approved)),
        Fact("Declined", str(counts.declined)),
        Fact("Used for a start", str(counts.used)),
        Fact("Found justified", str(counts.justified)),
        Fact("Found not justified", str(counts.unjustified)),
        Fact("To be reviewed now", str(counts.to_review)),
        Fact("Overdue", str(counts.overdue)),
    )
