"""Reports of a course to those who recommended it, on the page of the course and on the Today board."""

from __future__ import annotations

from datetime import datetime

from referral.domain.outgoing import MessageState
from referral.domain.records import Clinician
from referral.domain.report_rules import Occasion, Withheld
from referral.services.tell_report import tell_report
from referral.storage import course_reports, directory, referrals
from referral.storage.course_reports import Followed
from referral.web.dependencies import Visitor
from referral.web.policy import Permission
from referral.web.staff import present
from referral.web.staff.clock import Clock
from referral.web.staff.course_models import ReportLine
from referral.web.staff.models import Badge, Link
from referral.web.staff.steps import Typed

_STATE = {
    MessageState.ACCEPTED: Badge("open", "Sent"),
    MessageState.DELIVERED: Badge("open", "Arrived"),
    MessageState.FAILED: Badge("closed", "Not delivered", "warning"),
    MessageState.UNKNOWN: Badge("closed", "Nobody knows", "warning"),
    MessageState.DEAD: Badge("closed", "Set aside", "warning"),
    MessageState.CANCELLED: Badge("neutral", "Stopped"),
    MessageState.BY_HAND: Badge("waiting", "To print and mail", "print"),
}


def report_lines(visitor: Visitor, order_id: str, clock: Clock) -> tuple[ReportLine, ...]:
    """Newest first. What waits for somebody's call has the button that says that it was made."""
    found = list(reversed(course_reports.of_orders(visitor.session, [order_id])))
    if not found:
        return ()
    people = _recipients(visitor, found)
    may = visitor.may(Permission.START_TREATMENT)
    lines = []
    for one in found:
        clinician = people[one.report.referral_id]
        phone = next((c.address for c in clinician.contacts if c.channel == "phone"), "")
        lines.append(
            ReportLine(
                id=one.report.id if may and waits_for_voice(one, clock.now) else "",
                title=_title(one),
                to=present.titled(clinician),
                when=clock.moment(one.report.happened_at),
                badge=_badge(one, clock.now),
                sentence=_sentence(one, clock),
                message=Link("See the message", f"/outbox/{one.report.message_id}")
                if one.report.message_id
                else None,
                phone=present.phone(phone) if phone else "",
                directory=f"/directory/{clinician.id}",
            )
        )
    return tuple(lines)


def who_was_told(visitor: Visitor, order_id: str, occasion: Occasion, about: str = "") -> tuple[str, ...]:
    """Those who have a report of it, or have heard of it by voice."""
    found = [
        one
        for one in course_reports.of_orders(visitor.session, [order_id])
        if (one.report.occasion, one.report.about) == (occasion, about)
        and (one.has_arrived or one.report.told_at is not None)
    ]
    people = {one.id: one for one in _recipients(visitor, found).values()} if found else {}
    return tuple(sorted(present.titled(one) for one in people.values()))


def _recipients(visitor: Visitor, found: list[Followed]) -> dict[str, Clinician]:
    """By request."""
    about = referrals.find_many(visitor.session, {one.report.referral_id for one in found})
    people = directory.get_clinicians(visitor.session, {one.clinician_id for one in about.values()})
    return {id: people[one.clinician_id] for id, one in about.items()}


def _title(one: Followed) -> str:
    title = present.OCCASION[one.report.occasion].capitalize()
    return f"{title}, corrected" if one.report.corrects else title


def waits_for_voice(one: Followed, now: datetime) -> bool:
    """Late, or without a contact that may carry it; the same as course_reports.late() finds."""
    report = one.report
    if not report.may_be_told or report.told_at is not None or one.has_arrived or one.is_replaced:
        return False
    is_late = report.due_at < now or report.withheld_for is Withheld.NO_CONTACT
    return is_late and one.state is not MessageState.CANCELLED


def _badge(one: Followed, now: datetime) -> Badge:
    if one.report.told_at is not None:
        return Badge("open", "Told by voice", "phone")
    if one.is_replaced:
        return Badge("neutral", "Replaced")
    if waits_for_voice(one, now):
        return Badge("closed", "Overdue" if one.report.due_at < now else "To be told", "warning")
    if one.report.withheld_for is not None:
        return Badge("neutral", "Not sent")
    return _STATE.get(one.state, Badge("waiting", "On its way")) if one.state else Badge("waiting", "Planned")


def _sentence(one: Followed, clock: Clock) -> str:
    report = one.report
    if report.told_at is not None:
        return f"Told {clock.moment(report.told_at).text}."
    if report.withheld_for is not None:
        why = present.WITHHELD[report.withheld_for]
        return f"{why[:1].upper()}{why[1:]}."
    if one.has_arrived and one.finished_at is not None:
        by = present.CHANNEL[one.channel] if one.channel else "another way"
        return f"By {by}, {clock.moment(one.finished_at).text}."
    return f"Due {clock.moment(report.due_at).text}."


def take_told(visitor: Visitor, order_id: str, typed: Typed) -> str:
    """A step of the page of the course."""
    tell_report(visitor.session, visitor.actor, order_id, typed.get("report", ""), visitor.now)
    return "report-told"
