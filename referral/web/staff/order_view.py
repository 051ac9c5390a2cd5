"""The page of one infusion order: what is needed, what is there, and whether treatment may start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from referral.domain.codes import Requirement as Needed
from referral.domain.codes import Verdict
from referral.domain.gate import needs_sentence, who_may_recommend
from referral.domain.policy import ICD_10_CM, Indication
from referral.services.find_orders import OrderView, basis_of
from referral.storage.orders import TreatmentStart
from referral.web.dependencies import Visitor
from referral.web.form import Form
from referral.web.policy import Permission
from referral.web.staff import override_view, present, scale_view, story
from referral.web.staff.card_view import card_answers
from referral.web.staff.classify_view import code_choices
from referral.web.staff.clock import Clock, born
from referral.web.staff.follow_up_view import visits
from referral.web.staff.life_view import life_section
from referral.web.staff.models import Badge, Fact, Link
from referral.web.staff.request_models import OrderPage, Requirement, Start
from referral.web.staff.rows import request_row
from referral.web.staff.second_start import started_today

_STATUS: Final = {
    "on-hold": "On hold until the gate opens",
    "active": "Active",
    "completed": "Completed",
    "revoked": "Revoked",
    "entered-in-error": "Entered in error",
}


def order_page(visitor: Visitor, view: OrderView, clock: Clock, form: Form, failed: str = "") -> OrderPage:
    """As this visitor may see it; `failed` is the step that came back with errors."""
    state, order = view.state, view.state.order
    actions = tuple(_actions(visitor, view))
    return OrderPage(
        number=present.order_number(order),
        href=f"/orders/{order.id}",
        patient=Link(present.named(state.patient), f"/patients/{order.patient_id}"),
        born=born(state.patient.birth_date),
        indications=tuple(_worded(indication) for indication in order.indications),
        gate=story.gate(state, clock),
        facts=_facts(view, clock),
        requirements=(_consultation(view, clock, actions), _recommendation(visitor, view, clock)),
        requests=tuple(request_row(f, present.titled(f.clinician), clock) for f in state.requests),
        starts=_starts(view, clock),
        started_today=started_today(view.starts, clock),
        form=form,
        actions=actions,
        unclassified=tuple(
            code_choices(i, order.id, view.same_code[i]) for i in view.policy.unclassified(order.indications)
        ),
        ask=present.ask_href(order) if "ask" in actions else "",
        failed=failed,
        course=f"/orders/{order.id}/course" if visitor.may(Permission.SEE_ANSWER) else "",
        life=life_section(visitor, view, clock, failed),
        override=override_view.panel(visitor, view, clock),
        card_answers=card_answers(visitor, view.card_answers, clock),
        scales=scale_view.section(visitor, order.id, clock),
        visits=visits(visitor, order.id, clock),
    )


def _worded(indication: Indication) -> str:
    """ICD-10-CM goes without saying."""
    return indication.label if indication.system == ICD_10_CM else f"{indication.label}, {indication.system}"


def _usable(view: OrderView) -> bool:
    return view.state.order.status in ("on-hold", "active")


def _actions(visitor: Visitor, view: OrderView) -> Iterator[str]:
    if not _usable(view):
        return
    verdict = view.state.decision.verdict
    if view.consulted_at is None and visitor.may(Permission.RECORD_CONSULTATION):
        yield "consultation"
    if visitor.may(Permission.START_TREATMENT):
        yield "start"
    if verdict is Verdict.UNCLASSIFIED and visitor.may(Permission.CHANGE_POLICY):
        yield "classify"
    if visitor.may(Permission.ASK) and verdict in present.ASKABLE:
        yield "ask"


def _facts(view: OrderView, clock: Clock) -> tuple[Fact, ...]:
    order = view.state.order
    first = order.first_infusion_on
    return (
        Fact("Patient", present.named(view.state.patient), f"/patients/{order.patient_id}"),
        Fact("Status", _STATUS[order.status]),
        Fact("Planned infusions", str(order.planned_sessions or "not given")),
        Fact("First infusion", clock.day(first).text if first else "no date yet"),
        Fact("Ordered", clock.moment(order.created_at).text),
    )


def _consultation(view: OrderView, clock: Clock, actions: tuple[str, ...]) -> Requirement:
    if view.consulted_at is not None:
        day = clock.date_of(view.consulted_at)
        return Requirement(Badge("open", "Done"), "Initial consultation", f"Held on {day}.")
    link = Link("Record it", "#consultation") if "consultation" in actions else None
    sentence = "Everybody needs it before the first infusion. It has not been recorded."
    return Requirement(Badge("closed", "Missing"), "Initial consultation", sentence, link)


def _recommendation(visitor: Visitor, view: OrderView, clock: Clock) -> Requirement:
    state, policy = view.state, view.policy
    verdict, title = state.decision.verdict, "Recommendation"
    if verdict is Verdict.NOT_REQUIRED:
        sentence = (
            f"Not needed for {present.indications(state.order)}: chronic pain needs the consultation only."
        )
        return Requirement(Badge("neutral", "Not needed"), title, sentence)
    if verdict is Verdict.UNCLASSIFIED:
        link = (
            Link("Classify", "#classify") if visitor.may(Permission.CHANGE_POLICY) and _usable(view) else None
        )
        sentence = "Clinic policy does not know the indication; the medical director can classify it."
        return Requirement(Badge("closed", "Not classified", "warning"), title, sentence, link)
    met = any(s.satisfied for s in state.decision.requirements if s.requirement is Needed.RECOMMENDATION)
    needing = policy.needing_recommendation(state.order.indications)
    if met:
        return Requirement(Badge("open", present.verdict_words(state)), title, _given(view, clock))
    waits = verdict in (Verdict.REQUESTED, Verdict.ANSWERED_NEEDS_REVIEW, Verdict.OVERRIDDEN)
    sentence = f"{needs_sentence(needing, policy)}. {story.of_order(state, clock)}".strip()
    badge = Badge("waiting" if waits else "closed", present.verdict_words(state))
    return Requirement(badge, title, sentence, _recommendation_step(visitor, view))


def _recommendation_step(visitor: Visitor, view: OrderView) -> Link | None:
    """To the answer that waits for a person, or to asking somebody."""
    verdict = view.state.decision.verdict
    if verdict is Verdict.ANSWERED_NEEDS_REVIEW:
        answered = next((f for f in view.state.requests if not f.referral.is_open), None)
        return Link("See the answer", f"/requests/{answered.referral.id}") if answered else None
    waits = verdict is Verdict.REQUESTED or any(f.referral.is_open for f in view.state.requests)
    if not waits and visitor.may(Permission.ASK) and _usable(view):
        return Link("Ask a clinician", present.ask_href(view.state.order))
    return None


def _given(view: OrderView, clock: Clock) -> str:
    answer = basis_of(view.state)
    if answer is None:
        return f"By a {who_may_recommend(view.policy)}."
    by = view.signers.get(answer.id)
    name = present.titled(by) if by else "an outside clinician"
    given, until = clock.date_of(answer.answered_at), clock.date_of(answer.valid_until)
    return f"By {name}, {given}; valid until {until}."


def _starts(view: OrderView, clock: Clock) -> tuple[Start, ...]:
    given = {case.id: case for case in view.overrides}

    def basis(start: TreatmentStart) -> str:
        by = view.signers.get(start.recommendation_id or "")
        if by is not None:
            return f"Recommendation by {present.titled(by)}"
        if start.override_id is not None:
            approver = given[start.override_id].decided_by or ""
            return f"Emergency access, approved by {view.users.get(approver, 'somebody')}"
        return "No recommendation needed" if start.recommendation_id is None else "A recommendation on file"

    return tuple(
        Start(
            clock.moment(start.started_at),
            view.users.get(start.started_by, "a connected system"),
            basis(start),
        )
        for start in view.starts
    )
