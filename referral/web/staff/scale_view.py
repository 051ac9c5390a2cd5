"""Scales and signs of self-harm in the words of the staff pages."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from referral.domain import course_words
from referral.domain.language import Language
from referral.domain.on_call import OnCallContact
from referral.domain.outgoing import MessageState
from referral.domain.scales import (
    FORMS,
    KeptScale,
    SafetyTask,
    Scale,
    ScaleScore,
    Source,
    band_of,
)
from referral.domain.scales import Form as ScaleForm
from referral.domain.side_effects import worded
from referral.services.find_scales import SafetyView, ScalesView, Sign
from referral.storage import scales
from referral.storage.on_call import SafetyCall
from referral.web.dependencies import Visitor
from referral.web.form import Form
from referral.web.policy import Permission
from referral.web.questions import questions_of
from referral.web.staff import present
from referral.web.staff.clock import Clock, born
from referral.web.staff.models import AttentionRow, Badge, Choice, Fact, Link
from referral.web.staff.pictures import Bar, bars
from referral.web.staff.scale_models import (
    CallLine,
    Filled,
    FillPage,
    SafetyPage,
    ScaleCard,
    ScaleSection,
    ScalesPage,
)

_SOURCE: Final = {
    Source.PATIENT: "the patient",
    Source.STAFF: "the clinic",
    Source.SYSTEM: "another system",
}
_ANSWER: Final = {1: "several days", 2: "more than half the days", 3: "nearly every day"}
_SIGN: Final = Badge("closed", "Sign of self-harm", "warning")
_EVENT: Final = Badge("closed", "Serious event", "warning")
_CALL: Final = {
    MessageState.QUEUED: Badge("waiting", "About to leave"),
    MessageState.SENDING: Badge("waiting", "Just leaving"),
    MessageState.ACCEPTED: Badge("open", "Sent"),
    MessageState.DELIVERED: Badge("open", "Delivered"),
    MessageState.FAILED: Badge("closed", "Not delivered", "warning"),
    MessageState.UNKNOWN: Badge("closed", "Nobody knows", "warning"),
    MessageState.DEAD: Badge("closed", "Given up", "warning"),
    MessageState.CANCELLED: Badge("neutral", "Stopped"),
}


def section(visitor: Visitor, order_id: str, clock: Clock) -> ScaleSection | None:
    """On the page of an order, for who may see answers."""
    if not visitor.may(Permission.SEE_ANSWER):
        return None
    newest = {score.scale: score for score in scales.of_order(visitor.session, order_id)}
    latest = tuple(
        Fact(form.title, f"{_total(newest[form.scale])}, {clock.date_of(newest[form.scale].taken_at)}")
        for form in FORMS.values()
        if form.scale in newest
    )
    return ScaleSection(f"/orders/{order_id}/scales", latest)


def _total(score: ScaleScore) -> str:
    return f"{score.total} ({band_of(score.scale, score.total)})"


def scales_page(view: ScalesView, clock: Clock, form: Form) -> ScalesPage:
    """Every scale with its fillings, and what the patient can be asked for."""
    href = f"/orders/{view.order.id}/scales"
    return ScalesPage(
        patient=Link(present.named(view.patient), f"/orders/{view.order.id}"),
        number=present.order_number(view.order),
        href=href,
        cards=tuple(_card(view, one, clock, href) for one in FORMS.values()),
        ask=tuple(
            Choice(one.scale, one.title, "Asked for already" if one.scale in view.asked else "")
            for one in FORMS.values()
        ),
        form=form,
    )


def _safety(task: SafetyTask) -> str:
    return f"/safety/{task.id}"


def _card(view: ScalesView, form: ScaleForm, clock: Clock, href: str) -> ScaleCard:
    totals = [score for score in view.scores if score.scale is form.scale]
    rows = tuple(_filled(kept, clock) for kept in view.filled if kept.scale is form.scale)
    return ScaleCard(
        title=form.title,
        anchor=form.scale.value,
        sentence=_sentence(form, totals),
        picture=_picture(form, totals, clock) if len(totals) > 1 else None,
        rows=rows,
        fill=f"{href}/{form.scale}",
        asked=form.scale in view.asked,
    )


def _sentence(form: ScaleForm, totals: list[ScaleScore]) -> str:
    if not totals:
        return "Not filled in yet."
    first, last = totals[0], totals[-1]
    if len(totals) == 1:
        return f"{_of(form, last)}."
    change = last.total - first.total
    moved = f"{'up' if change > 0 else 'down'} {abs(change)}" if change else "unchanged"
    count = "1 session" if last.sessions == 1 else f"{last.sessions} sessions"
    return f"{_of(form, last)} after {count}: {moved} from {first.total} at first."


def _of(form: ScaleForm, score: ScaleScore) -> str:
    return f"{score.total} of {form.highest} ({band_of(score.scale, score.total)})"


def _picture(form: ScaleForm, totals: list[ScaleScore], clock: Clock) -> Markup:
    shown = [
        Bar(
            f"{clock.date_of(score.taken_at)} · {score.sessions} sessions",
            score.total,
            str(score.total),
        )
        for score in totals
    ]
    return bars(form.scale, f"{form.title} over time", _sentence(form, totals), shown, form.highest)


def _filled(kept: KeptScale, clock: Clock) -> Filled:
    total = "no total" if kept.total is None else f"{kept.total} ({band_of(kept.scale, kept.total)})"
    detail = ""
    if kept.missing:
        missing = "1 answer is missing" if kept.missing == 1 else f"{kept.missing} answers are missing"
        detail = missing if kept.total is None else f"{missing}; estimated"
    if kept.scale is Scale.PHQ_9 and kept.self_harm is None and kept.source is not Source.SYSTEM:
        detail = f"{detail}; question 9 was left out: please ask" if detail else ""
    badge = _SIGN if kept.self_harm else None
    if kept.voided_at is not None:
        badge = Badge("neutral", "Entered in error")
    return Filled(
        when=clock.moment(kept.taken_at),
        total=total,
        detail=detail,
        source=_SOURCE[kept.source],
        badge=badge,
        id=kept.id if kept.voided_at is None else "",
    )


def fill_page(view: ScalesView, asked: ScaleForm, form: Form) -> FillPage:
    """For a tablet in the clinic, in the patient's language where it is spoken here."""
    language = Language.of([view.patient.language or ""]) or Language.ENGLISH
    return FillPage(
        patient=Link(present.named(view.patient), f"/orders/{view.order.id}"),
        back=f"/orders/{view.order.id}/scales",
        href=f"/orders/{view.order.id}/scales/{asked.scale}",
        title=asked.title,
        intro=asked.intro.said(language),
        lang=language.value,
        questions=questions_of(asked, form, language),
        numbers=asked.scale is Scale.PAIN,
        form=form,
    )


# ---- Signs of self-harm


def sign_row(visitor: Visitor, sign: Sign, clock: Clock) -> AttentionRow:
    """At the top of the board. Who may not see answers is told to fetch somebody, and not why."""
    named = present.named(sign.patient)
    if not visitor.may(Permission.SEE_ANSWER):
        return AttentionRow(
            badge=Badge("closed", "Urgent", "warning"),
            patient=named,
            href=f"/patients/{sign.patient.id}",
            sentence="Fetch the medical director or a clinician now; they see why on this page.",
            since=clock.moment(sign.task.raised_at),
            action=Link("", ""),
        )
    return AttentionRow(
        badge=_EVENT if sign.task.is_event else _SIGN,
        patient=named,
        href=_safety(sign.task),
        sentence=f"{_said(sign.task)} {_NOW[sign.task.is_event]}",
        since=clock.moment(sign.task.raised_at),
        action=Link("See to it" if sign.task.is_event else "Call now", _safety(sign.task)),
    )


_NOW: Final = {False: "Speak with the patient now.", True: "A physician sees to the patient now."}


def _said(task: SafetyTask) -> str:
    if task.is_event:
        return "A serious adverse event was recorded."
    words = _ANSWER.get(task.answer or 0, "an answer that cannot be read")
    return f"Thoughts of being better off dead or of self-harm: {words}."


def safety_page(view: SafetyView, clock: Clock, form: Form) -> SafetyPage:
    """One sign: whom to call, what was said, what was done."""
    task, patient = view.task, view.patient
    source = _SOURCE[view.kept.source] if view.kept else "another system"
    done: tuple[Fact, ...] = ()
    if task.settled_at is not None and task.action is not None:
        done = (
            Fact("What was done", task.actions[task.action]),
            Fact("By", view.settled_by or "somebody"),
            Fact("When", clock.moment(task.settled_at).text),
        )
    order = (Fact("Order", "See the order", f"/orders/{task.order_id}"),) if task.order_id else ()
    return SafetyPage(
        patient=Link(present.named(patient), f"/patients/{patient.id}"),
        href=_safety(task),
        telephone=(patient.telephone or "").partition(";")[0],
        sentence=_happened(view, clock) or _said(task),
        facts=(
            Fact("Born", born(patient.birth_date)),
            Fact("Came", clock.moment(task.raised_at).text),
            *(() if task.is_event else (Fact("Filled in by", source),)),
            *order,
        ),
        actions=()
        if done
        else tuple(
            Choice(code.value, text, checked=form.value("action") == code)
            for code, text in task.actions.items()
        ),
        done=done,
        note=view.note,
        form=form,
        title="Serious adverse event" if task.is_event else "Sign of self-harm",
        calls=tuple(_call_line(call, contact, clock) for call, contact in view.calls),
        unwatched=not view.calls and not done,
    )


def _happened(view: SafetyView, clock: Clock) -> str:
    """Empty for a sign of self-harm."""
    event = view.event
    if event is None:
        return ""
    severity = course_words.SEVERITY[event.severity].lower()
    return f"{worded(event.code)}, {severity}, noticed {clock.moment(event.noticed_at).text}."


def _call_line(call: SafetyCall, contact: OnCallContact, clock: Clock) -> CallLine:
    by = present.CHANNEL[contact.channel]
    return CallLine(
        clock.moment(call.finished_at or call.created_at), f"{contact.name}, by {by}", call_badge(call)
    )


def call_badge(call: SafetyCall) -> Badge:
    """How far a message to whoever is on call is."""
    if call.state is MessageState.ACCEPTED and not call.sent_for_real:
        return Badge("neutral", "Kept here, not sent", "outbox")
    return _CALL[call.state]
