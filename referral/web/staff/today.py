"""The Today board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.outgoing import MessageKind
from referral.domain.policy import Indication
from referral.services.attention import Attention, Reason
from referral.services.classify_indication import (
    CodeEffect,
    closed_by_undoing,
    look_at_codes,
    newest_classification,
)
from referral.services.find_bookings import Seat
from referral.services.find_indications import warm_up
from referral.services.find_overrides import REPORT_DAYS, count_overrides
from referral.services.find_provider_troubles import Trouble, find_provider_troubles
from referral.services.find_today import COUNTED, Coming, Today, find_today
from referral.storage import clinics, on_call
from referral.storage.course_reports import Followed
from referral.storage.policies import CodeInUse
from referral.web.dependencies import Visitor
from referral.web.policy import Permission
from referral.web.staff import escalation_view, override_view, present, provider_view, scale_view, story
from referral.web.staff.booking_view import booking_row
from referral.web.staff.call_view import call_row
from referral.web.staff.classify_models import Classified, CodeChoices
from referral.web.staff.classify_view import classified_notice, code_choices
from referral.web.staff.clock import Clock
from referral.web.staff.frame import EVERYTHING, SignedIn, clock_of, letters_for, query_of, show
from referral.web.staff.models import (
    AttentionRow,
    Badge,
    Count,
    InfusionRow,
    Link,
    NoWorkPage,
    TodayPage,
)
from referral.web.staff.order_list import order_step
from referral.web.turn import Router

router: Final = Router()

_BADGE: Final = {
    Reason.NOT_DELIVERED: Badge("closed", "Not delivered", "warning"),
    Reason.LINK_FROZEN: Badge("closed", "Link locked", "shield"),
    Reason.NOT_REACHED: Badge("closed", "Not reached", "phone"),
    Reason.NO_BIRTH_DATE: Badge("closed", "No date of birth", "warning"),
    Reason.QUESTION: Badge("waiting", "Clinician asks", "mail"),
    Reason.COLLEAGUE: Badge("waiting", "A colleague", "user"),
    Reason.LEFT: Badge("closed", "Has left", "user"),
    Reason.WRONG_ADDRESS: Badge("closed", "Wrong address", "warning"),
    Reason.CONFIRM: Badge("waiting", "Call to confirm", "phone"),
    Reason.REVIEW: Badge("waiting", "Answer to review", "eye"),
    Reason.ESCALATED: Badge("waiting", "No answer yet", "warning"),
    Reason.SUGGEST_ANOTHER: Badge("waiting", "Try a second clinician", "user"),
    Reason.DECLINED: Badge("closed", "Not recommended"),
    Reason.GIVEN_BACK: Badge("closed", "Not their patient"),
    Reason.EXPIRED_REQUEST: Badge("closed", "No answer"),
    Reason.EXPIRED_ANSWER: Badge("closed", "Recommendation expired"),
    Reason.EXPIRING: Badge("waiting", "Expires soon"),
    Reason.VOIDED: Badge("closed", "No longer counts"),
    Reason.CONFLICT: Badge("closed", "Two opinions", "user"),
    Reason.UNCLASSIFIED: Badge("closed", "Not classified", "warning"),
    Reason.RELEASED: Badge("closed", "Chair released", "warning"),
    Reason.FAX: Badge("waiting", "Answered by fax", "fax"),
    Reason.FAX_LATE: Badge("waiting", "Late fax", "fax"),
    Reason.FAX_DIFFERS: Badge("closed", "Fax differs", "fax"),
    Reason.LATE_ANSWER: Badge("closed", "Answers differ", "warning"),
    Reason.FOLLOW_UP: Badge("closed", "Follow-up overdue", "warning"),
    Reason.LATE_REPORT: Badge("closed", "Report overdue", "warning"),
}

_NOT_ACCEPTED: Final = Badge("closed", "Answer not accepted")


@router.get("/")
def show_today(request: Request, visitor: SignedIn) -> Response:
    """People without a view of patient work get a page that says what is theirs."""
    if not visitor.may(Permission.SEE_WORK):
        runs_it = visitor.may(Permission.MANAGE_ACCOUNTS)
        page = NoWorkPage(
            present.ROLE[visitor.account.role],
            runs_it,
            tuple(provider_view.alert(one, clock_of(visitor)) for one in _troubles(visitor) if runs_it),
        )
        return show(request, visitor, "staff/no_work.html.j2", "today", page)
    return show_board(request, visitor)


def show_board(request: Request, visitor: Visitor, refused: str = "", status: int = 200) -> Response:
    """The board as it is now; `refused` says why a click on it did nothing."""
    warm_up()
    clock = clock_of(visitor)
    today = find_today(visitor.session, visitor.actor, clock.today, visitor.now)
    page = replace(
        _page(visitor, today, clock),
        token=visitor.account.csrf_token,
        refused=refused,
        classified=_classified(request, visitor),
    )
    return show(
        request,
        visitor,
        "staff/today.html.j2",
        "today",
        page,
        status,
        counted=today.waiting,
        follows=EVERYTHING,
    )


def _classified(request: Request, visitor: Visitor) -> Classified | None:
    """After the click on a class, while nothing newer is in force: what it did, and a way to undo it."""
    asked = query_of(request, "classified")
    if not asked or not visitor.may(Permission.CHANGE_POLICY):
        return None
    made = newest_classification(visitor.session)
    if made is None or str(made.policy.version) != asked:
        return None
    return classified_notice(made, closed_by_undoing(visitor.session, made, visitor.now))


def _page(visitor: Visitor, today: Today, clock: Clock) -> TodayPage:
    effects = _effects(visitor, today)
    return TodayPage(
        date=clock.day(clock.today),
        counts=(
            Count(_requests(today.requests_open), today.requests_open, "/orders?state=requested"),
            Count("orders blocked", today.blocked, "/orders?state=blocked"),
            Count("orders ready to treat", today.ready, "/orders?state=open"),
            Count("messages on their way", today.messages_waiting, "/outbox?state=waiting"),
            *_paper_count(visitor, today),
            *_emergency_count(visitor),
        ),
        infusions=tuple(_infusion(visitor, coming, clock) for coming in today.infusions),
        attention=(
            *(provider_view.attention_row(one, clock) for one in _troubles(visitor)),
            *(override_view.attention_row(item, clock) for item in today.emergencies),
            *(_attention(visitor, item, clock, effects) for item in today.attention),
        ),
        calls=tuple(call_row(call, clock) for call in today.calls),
        unwatched=not on_call.is_there_any(visitor.session),
        safety=tuple(scale_view.sign_row(visitor, sign, clock) for sign in today.signs),
        reviews="/reviews" if visitor.may(Permission.REVIEW) else "",
        zone=clock.zone_name(visitor.now),
    )


def _troubles(visitor: Visitor) -> list[Trouble]:
    return find_provider_troubles(visitor.session, visitor.runtime.channels.names, visitor.now)


def _requests(count: int) -> str:
    more = "or more " if count >= COUNTED else ""
    return f"{more}requests wait for an answer"


def _effects(visitor: Visitor, today: Today) -> dict[Indication, CodeEffect]:
    """What the classes of the unknown codes would do, for whoever may choose one."""
    codes = [item.code for item in today.attention if item.code is not None]
    if not codes or not visitor.may(Permission.CHANGE_POLICY):
        return {}
    policy, _ = clinics.policy_in_force(visitor.session)
    return look_at_codes(visitor.session, policy, codes, visitor.now)


def _paper_count(visitor: Visitor, today: Today) -> tuple[Count, ...]:
    """Nothing by post leaves by itself."""
    count = letters_for(visitor, today.waiting)
    return (Count(f"letter{'' if count == 1 else 's'} to print and mail", count, "/print"),) if count else ()


def _emergency_count(visitor: Visitor) -> tuple[Count, ...]:
    """For who answers for it, once clinic policy allows it or it has been used."""
    if not visitor.may(Permission.DECIDE_OVERRIDE):
        return ()
    policy, _ = clinics.policy_in_force(visitor.session)
    counts = count_overrides(visitor.session, visitor.now)
    if not policy.allow_override and not counts.asked and not counts.to_review:
        return ()
    overdue = f" ({counts.overdue} overdue)" if counts.overdue else ""
    label = f"emergency accesses in {REPORT_DAYS} days, {counts.to_review} to review{overdue}"
    return (Count(label, counts.approved, "/overrides"),)


def _infusion(visitor: Visitor, coming: Coming, clock: Clock) -> InfusionRow:
    """A booking says which chair and until when it is held; without one, the planned day is all there is."""
    state, seat = coming.state, coming.seat
    day = state.order.first_infusion_on
    row = booking_row(seat, clock) if seat else None
    return InfusionRow(
        when=clock.moment(seat.booking.starts_at) if seat else clock.day(day) if day else None,
        chair=Link(row.chair, row.href) if row else None,
        hold=row.hold if row else "",
        patient=present.named(state.patient),
        href=f"/orders/{state.order.id}",
        indication=present.indications(state.order),
        badge=present.gate_badge(state),
        reason=story.reason(state, clock),
        action=order_step(
            visitor, state, later=seat is not None and clock.local(seat.booking.starts_at) > clock.today
        ),
    )


def _attention(
    visitor: Visitor, item: Attention, clock: Clock, effects: Mapping[Indication, CodeEffect]
) -> AttentionRow:
    if item.seat is not None:
        return _released(item, item.seat, clock)
    about = item.followed
    href = f"/requests/{about.referral.id}" if about else f"/orders/{item.state.order.id}"
    effect = effects.get(item.code.indication) if item.code else None
    declined = item.reason is Reason.DECLINED and not present.is_refused(item.state)
    return AttentionRow(
        badge=_NOT_ACCEPTED if declined else _BADGE[item.reason],
        patient=present.named(item.state.patient),
        href=href,
        sentence=_sentence(visitor, item),
        since=clock.moment(item.since),
        action=_action(visitor, item, href),
        code=_choices(item.code, effect) if item.code and effect else None,
    )


def _choices(code: CodeInUse, effect: CodeEffect) -> CodeChoices | None:
    """None for a code that no rule can name: the page of the order says what to do."""
    return code_choices(code.indication, code.order_id, effect) if effect.classes else None


def _released(item: Attention, seat: Seat, clock: Clock) -> AttentionRow:
    row = booking_row(seat, clock)
    return AttentionRow(
        badge=_BADGE[item.reason],
        patient=present.named(item.state.patient),
        href=row.href,
        sentence=f"{row.chair}, {row.when.text}: the gate did not open in time. Call the patient.",
        since=clock.moment(item.since),
        action=Link("Look and note", f"{row.href}#noted"),
    )


def _unclassified(visitor: Visitor, code: CodeInUse) -> str:
    waiting = f", and {code.orders} orders wait for it" if code.orders > 1 else ""
    advice = "." if visitor.may(Permission.CHANGE_POLICY) else "; the medical director can classify it."
    return f"{code.indication.label} is not in clinic policy{waiting}{advice}"


def _late_report(visitor: Visitor, late: Followed, who: str) -> str:
    """Who may not see answers is not told what the report is about."""
    if not visitor.may(Permission.SEE_ANSWER):
        return f"A report to {who} has not arrived. A clinician of the clinic has to call them."
    what = present.OCCASION[late.report.occasion]
    if late.report.withheld_for is not None:
        return f"No contact of {who} may carry the report ({what}). Call them, and say that you did."
    return f"The report to {who} ({what}) has not arrived in time. Call them, and say that you did."


def _sentence(visitor: Visitor, item: Attention) -> str:
    who = present.titled(item.followed.clinician) if item.followed else ""
    if item.reason is Reason.NOT_DELIVERED and item.message is not None:
        kind = "The reminder" if item.message.kind is MessageKind.REMINDER else "The letter"
        return f"{kind} to {who} by {present.CHANNEL[item.message.channel]} did not arrive."
    if item.escalation is not None and item.followed is not None:
        return escalation_view.sentence(item.escalation, item.followed)
    if item.code is not None:
        return _unclassified(visitor, item.code)
    if item.report is not None:
        return _late_report(visitor, item.report, who)
    return {
        Reason.LINK_FROZEN: f"Ten wrong tries have locked the link to {who}. Call, then send it again.",
        Reason.NOT_REACHED: f"Three calls have not reached {who}. Ask another clinician.",
        Reason.NO_BIRTH_DATE: f"{who} wants to answer, but the date of birth of the patient is not on file.",
        Reason.QUESTION: f"{who} has asked the clinic something; reminders wait for your reply.",
        Reason.COLLEAGUE: f"{who} says that a colleague should answer. Call them, then ask them.",
        Reason.LEFT: f"{who} has left the practice. Find out who treats the patient now.",
        Reason.WRONG_ADDRESS: f"The request to {who} did not reach the right person. Reminders stand still.",
        Reason.CONFIRM: f"The answer by {who} counts once the practice has confirmed it on the telephone.",
        Reason.REVIEW: f"{who} has answered; the medical director has to look before it counts.",
        Reason.DECLINED: f"{who} does not recommend it."
        if present.is_refused(item.state)
        else f"{who} has answered, and the medical director has not accepted it.",
        Reason.GIVEN_BACK: f"{who} says: not my patient. Nobody else is being asked.",
        Reason.EXPIRED_REQUEST: f"{who} has not answered in time. Nobody else is being asked.",
        Reason.EXPIRED_ANSWER: f"The recommendation by {who} is too old to count.",
        Reason.EXPIRING: f"The recommendation by {who} ends within 30 days.",
        Reason.VOIDED: f"The recommendation{' by ' + who if who else ''} does not count any more.",
        Reason.FAX: f"{who} has answered by fax; please write down what it says. Reminders stand still.",
        Reason.FAX_LATE: f"A fax about the request to {who} came after it was closed.",
        Reason.FAX_DIFFERS: f"A fax by {who} says something else than the answer on record.",
        Reason.LATE_ANSWER: f"A later answer by {who} says something else than the first, which stands.",
        Reason.FOLLOW_UP: f"{who} promised to see the patient and has not said whether they did. Call them.",
        Reason.CONFLICT: f"{who} recommends it, another clinician does not; the medical director decides.",
    }[item.reason]


# What the request's own page does about it, and where on that page.
_AT_REQUEST: Final = {
    Reason.NOT_DELIVERED: ("Send again", "#resend"),
    Reason.LINK_FROZEN: ("Send again", "#resend"),
    Reason.NO_BIRTH_DATE: ("See request", ""),
    Reason.QUESTION: ("Read and reply", "#conversation"),
    Reason.COLLEAGUE: ("See who", "#conversation"),
    Reason.LEFT: ("See to it", "#conversation"),
    Reason.WRONG_ADDRESS: ("Correct the contact", "#contact"),
    Reason.CONFIRM: ("Call and confirm", "#confirm"),
    Reason.REVIEW: ("Review", "#review"),
    Reason.ESCALATED: ("Look", "#brought-up"),
    Reason.SUGGEST_ANOTHER: ("See to it", "#brought-up"),
    Reason.EXPIRING: ("Still true?", "#renewal"),
    Reason.LATE_ANSWER: ("Compare", "#late"),
}


def _of_course(visitor: Visitor, item: Attention, href: str) -> Link:
    order_id = item.state.order.id
    if item.report is None:
        return Link("Record it", f"/orders/{order_id}#follow-up")
    if not visitor.may(Permission.SEE_ANSWER):
        return Link("See request", href)
    return Link("See to it", f"/orders/{order_id}/course#reports")


def _action(visitor: Visitor, item: Attention, href: str) -> Link:
    order, may = item.state.order, visitor.may(Permission.REVIEW)
    if item.fax is not None:
        label = {Reason.FAX: "Write down", Reason.FAX_LATE: "Look"}.get(item.reason, "Compare")
        return Link(label, f"/fax-inbox/{item.fax.id}")
    if item.reason in (Reason.LATE_REPORT, Reason.FOLLOW_UP):
        return _of_course(visitor, item, href)
    if item.reason in _AT_REQUEST:
        reviewed_by_others = item.reason is Reason.REVIEW and not may
        label, place = ("See request", "") if reviewed_by_others else _AT_REQUEST[item.reason]
        return Link(label, f"{href}{place}")
    if item.reason is Reason.CONFLICT:
        return Link("Decide" if may else "See order", f"/orders/{order.id}#conflict")
    if item.reason is Reason.UNCLASSIFIED:
        return Link("Classify" if may else "See order", f"/orders/{order.id}{'#classify' if may else ''}")
    return Link("Ask another", present.ask_href(order))
