"""The recommender hears back: what is owed is a row in the transaction that made it so, and then a message.

The message is one like every other (domain/outgoing): drawn, kept, looked at once more before it leaves. A
patient's no stops it at every one of these steps (services/still_wanted, services/keep_consent).
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from referral.domain import report_rules as rules
from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.calendar import BusinessCalendar, Hours
from referral.domain.consent import ConsentDecision, ConsentScope, has_agreed
from referral.domain.life import Standing
from referral.domain.outgoing import SWITCHED
from referral.domain.records import Clinician, Order, Referral
from referral.domain.report_rules import Occasion, ReportPolicy, Wishes, Withheld
from referral.fhir.questionnaire import answers_from_response
from referral.services.calendars import business_calendar, calendar_of, clinic_calendar
from referral.services.queue_message import queue_message
from referral.storage import (
    audit,
    clinics,
    consents,
    course_reports,
    directory,
    orders,
    outbox,
    referrals,
    resources,
    standings,
)
from referral.storage.course_reports import CourseReport
from referral.storage.db import Session
from referral.storage.outbox import Message

_AT_A_TIME: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What has happened. `about` is the id of what can happen twice; `treats` is what was decided."""

    occasion: Occasion
    happened_at: datetime
    about: str = ""
    treats: bool | None = None


def report_back(
    session: Session, actor: Actor, order: Order, news: News, now: datetime, *, but: Collection[str] = ()
) -> tuple[CourseReport, ...]:
    """Owe a report to everybody who has recommended this order; returns the new ones.

    `but` are ids of requests that are left out.

    Called in the transaction that recorded the news, and harmless when repeated. What is not to be sent is
    kept as well, with why. The caller holds the order.
    """
    made = []
    for answer in rules.recommenders(standings.of_orders(session, [order.id])):
        if answer.referral_id in but:
            continue
        report = _owed(session, actor, answer, news, news.happened_at, now)
        if course_reports.add(session, report):
            made.append(report)
            _note(session, actor, report, now)
    for report in made:
        _queue_if_due(session, report, now)
    return tuple(made)


def report_again(
    session: Session,
    actor: Actor,
    referral_id: str,
    news: News,
    now: datetime,
    *,
    version: int,
    corrects: str | None,
) -> None:
    """Owe another version of a report to one of them, in so many business days from now.

    `corrects` is the id of the one that it replaces in their chart. Harmless when repeated. Nothing is owed
    to whose recommendation has turned out to be nobody's. The caller holds order and request.
    """
    for answer in rules.recommenders(standings.of_referral(session, referral_id))[-1:]:
        owed = _owed(session, actor, answer, news, now, now)
        report = replace(owed, version=version, corrects=corrects)
        if course_reports.add(session, report):
            _note(session, actor, report, now)
            _queue_if_due(session, report, now)


def _owed(
    session: Session, actor: Actor, answer: Standing, news: News, at: datetime, now: datetime
) -> CourseReport:
    """`at` is when its business days begin to count."""
    policy = report_policy(session)
    referral = referrals.get(session, answer.referral_id)
    clinician = directory.get_clinician(session, referral.clinician_id)
    planned = rules.plan(news.occasion, at, policy, _calendars(session, clinician, news))
    withheld = _withheld(session, answer, news.occasion, policy)
    return CourseReport(
        id=str(uuid.uuid4()),
        patient_id=referral.patient_id,
        order_id=referral.order_id,
        referral_id=referral.id,
        occasion=news.occasion,
        about=news.about,
        treats=news.treats,
        happened_at=news.happened_at,
        queue_at=max(planned.queue_at, now),
        due_at=planned.due_at,
        state="planned" if withheld is None else "withheld",
        withheld_for=withheld,
        message_id=None,
        bundle_id=None,
        created_by=actor.id,
        created_at=now,
    )


def _queue_if_due(session: Session, report: CourseReport, now: datetime) -> None:
    if report.state == "planned" and report.queue_at <= now:
        _queue(session, report, now)


def report_policy(session: Session) -> ReportPolicy:
    """What the clinic has set about reports."""
    return rules.policy_from(clinics.current(session).settings.get("reports", {}))


def send_due_reports(session: Session, now: datetime) -> int:
    """Queue what was put off until scores were in; returns how many were looked at. Safe to run twice."""
    due = course_reports.planned(session, now, _AT_A_TIME)
    # Orders are held one after the other, by everybody in the same order.
    for report in sorted(due, key=lambda one: (one.order_id, one.referral_id)):
        _queue(session, report, now)
    return len(due)


def is_full(count: int) -> bool:
    """Whether there may be more than one round has taken."""
    return count == _AT_A_TIME


def go_another_way(session: Session, message: Message, now: datetime) -> None:
    """Its contact has refused it: by another one at once. Where there is none, it is late on the Today board.

    What another version has replaced goes no other way. The caller holds the request.
    """
    report = course_reports.of_message(session, message.id)
    if report is None or course_reports.followed(session, report.id).is_replaced:
        return
    referral = referrals.get(session, message.referral_id)
    clinician = directory.get_clinician(session, referral.clinician_id)
    sent = [one for one in outbox.find(session, referral_id=referral.id) if one.kind is message.kind]
    refused = {one.contact_id for one in sent if one.finished_at is not None and one.state == message.state}
    left = tuple(one for one in clinician.contacts if one.id not in refused | {message.contact_id})
    contact = rules.contact_for(left, Wishes(), None, message.kind)
    if contact is None:
        return
    ordinal = message.ordinal + SWITCHED
    if queue_message(session, referral, message.kind, contact, now, ordinal=ordinal):
        _carried(session, report, referral, ordinal)


def _queue(session: Session, report: CourseReport, now: datetime) -> None:
    """A patient may have said no, and contacts may have changed, since it was owed."""
    orders.get(session, report.order_id, lock=True)
    referral = referrals.get(session, report.referral_id, lock=True)
    current = course_reports.get(session, report.id, lock=True)
    if current is None or current.state != "planned":
        return
    why, wishes = _why_not(session, report)
    clinician = directory.get_clinician(session, referral.clinician_id)
    kind, last = rules.kind_of(report.occasion), outbox.last_letter(session, referral.id)
    contact = rules.contact_for(clinician.contacts, wishes, last.contact_id if last else None, kind)
    if why is not None or contact is None:
        why = why or Withheld.NO_CONTACT
        course_reports.change(session, report.id, state="withheld", withheld_for=why)
        detail = {"occasion": report.occasion, "why": why}
        referrals.note(session, referral.id, "report-withheld", "system", now, **detail)
        return
    ordinal = outbox.next_ordinal(session, referral.id, kind)
    if queue_message(session, referral, kind, contact, now, ordinal=ordinal):
        _carried(session, report, referral, ordinal)


def _why_not(session: Session, report: CourseReport) -> tuple[Withheld | None, Wishes]:
    """As it stands now: the recommendation may have turned out to be nobody's."""
    answers = standings.of_referral(session, report.referral_id)
    newest = rules.recommenders(answers)
    if newest:
        policy = report_policy(session)
        return _withheld(session, newest[-1], report.occasion, policy), _wishes(session, newest[-1])
    no = consents.has_withdrawn(session, report.patient_id, ConsentScope.RECOMMENDER)
    return (Withheld.CONSENT if no else Withheld.NOT_WANTED), Wishes()


def _carried(session: Session, report: CourseReport, referral: Referral, ordinal: int) -> None:
    kind = rules.kind_of(report.occasion)
    message = next(
        one
        for one in outbox.find(session, referral_id=referral.id)
        if one.kind is kind and one.ordinal == ordinal
    )
    course_reports.change(session, report.id, state="queued", message_id=message.id)


def _withheld(
    session: Session, answer: Standing, occasion: Occasion, policy: ReportPolicy
) -> Withheld | None:
    said = consents.of_patients(session, [answer.patient_id])[answer.patient_id]
    word = said.get(ConsentScope.RECOMMENDER)
    if word is not None and word.decision is ConsentDecision.WITHDRAWN:
        return Withheld.CONSENT
    if policy.needs_consent and not has_agreed(word):
        return Withheld.CONSENT
    return None if rules.is_wanted(occasion, _wishes(session, answer), policy) else Withheld.NOT_WANTED


def _wishes(session: Session, answer: Standing) -> Wishes:
    """Item 7 of the form, as it was answered."""
    kept = resources.find(session, "QuestionnaireResponse", answer.response_id)
    return rules.wishes_of(answers_from_response(kept.document)) if kept is not None else Wishes()


def _calendars(session: Session, clinician: Clinician, news: News) -> list[BusinessCalendar]:
    """The clinic's and the recipient's; closed days of an office put off no report of a serious event."""
    if news.occasion is Occasion.ADVERSE_EVENT:
        zones = {clinics.current(session).time_zone, clinician.time_zone}
        return [business_calendar(zone, Hours()) for zone in sorted(zones)]
    return [clinic_calendar(session), calendar_of(session, clinician)]


def _note(session: Session, actor: Actor, report: CourseReport, now: datetime) -> None:
    why = {"why": report.withheld_for} if report.withheld_for else {}
    event = "report-withheld" if report.withheld_for else "report-owed"
    corrects = {"corrects": report.corrects} if report.corrects else {}
    said = {"occasion": report.occasion, **why, **corrects}
    referrals.note(session, report.referral_id, event, actor.id, now, **said)
    entry = AuditEntry(
        action=Action.CREATE,
        subtype=event,
        entity=f"ServiceRequest/{report.referral_id}",
        patient_id=report.patient_id,
        detail={**said, "due": report.due_at.isoformat()},
    )
    audit.record(session, actor, entry)
