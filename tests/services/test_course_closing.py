"""The last word to whoever recommended a course, and reports that have not arrived until somebody calls."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from referral.channels.base import Outcome as Answer
from referral.domain.course import Ending, StopReason
from referral.domain.errors import TransitionRefused
from referral.domain.outgoing import MessageState
from referral.domain.records import Bar, Referral
from referral.domain.report_rules import Occasion, Withheld
from referral.letters.render import Renderer
from referral.services.attention import Reason
from referral.services.deliver_messages import deliver_due
from referral.services.find_today import find_today
from referral.services.follow_up import record_outcome
from referral.services.record_course import decide_candidacy, end_course
from referral.services.record_session import notice
from referral.services.report_back import News, report_back
from referral.services.tell_report import tell_report
from referral.services.treat import record_consultation
from referral.storage import contacts, course_reports, directory, documents, follow_ups, orders
from referral.storage.course_reports import Followed
from tests.database import NOW, ClinicFixture
from tests.letters import pdf
from tests.services.sending import Provider, delivery
from tests.services.test_course import YES, now, whole_session
from tests.services.test_report_back import DECIDED, SEIZURE, recommended, tell


def treated(clinic: ClinicFixture, **changes: str) -> Referral:
    """Recommended with a visit within four weeks; one session given."""
    referral = recommended(clinic, **changes)
    with clinic.transaction() as session:
        record_consultation(session, clinic.actor, referral.order_id, NOW - timedelta(days=1), NOW)
        decide_candidacy(session, clinic.actor, referral.order_id, YES, now())
        whole_session(session, clinic, orders.get(session, referral.order_id))
    return referral


def end(clinic: ClinicFixture, referral: Referral) -> None:
    with clinic.transaction() as session:
        why = StopReason.PATIENT_WISH
        end_course(session, clinic.actor, referral.order_id, Ending.STOPPED, why, now())


def visited(clinic: ClinicFixture, referral: Referral, outcome: str) -> None:
    with clinic.transaction() as session:
        promise = follow_ups.of_referral(session, referral.id)
        assert promise is not None
        seen = now().date() - timedelta(days=1) if outcome == "seen" else None
        record_outcome(session, clinic.actor, promise.id, outcome, seen, now())


def reports(clinic: ClinicFixture, referral: Referral) -> dict[Occasion, Followed]:
    with clinic.transaction() as session:
        every = course_reports.of_referral(session, referral.id)
    assert len({one.report.occasion for one in every}) == len(every)
    return {one.report.occasion: one for one in every}


def test_the_matter_is_closed_when_it_is_known_what_became_of_the_visit(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = treated(clinic)
    end(clinic, referral)
    assert Occasion.CLOSURE not in reports(clinic, referral)
    visited(clinic, referral, "seen")
    closing = reports(clinic, referral)[Occasion.CLOSURE].report
    assert closing.state == "queued"
    deliver_due(delivery(clinic, renderer, now(), email=Provider()), clinic.id)
    drawn = reports(clinic, referral)[Occasion.CLOSURE]
    with clinic.transaction() as session:
        said = pdf.text(documents.get(session, str(drawn.letter_id)).content)
    day = now().date() - timedelta(days=1)
    assert f"Chidi Okafor, patient seen on {day:%B} {day.day}, {day.year}" in said


@pytest.mark.parametrize(("asked", "told"), [("end-of-course", False), ("mid-course", True)])
def test_a_visit_before_the_end_leaves_one_last_word(clinic: ClinicFixture, asked: str, told: bool) -> None:
    """Who gets the report of the end hears no other beside it; else the close is told."""
    referral = treated(clinic, reports=asked)
    visited(clinic, referral, "seen")
    assert Occasion.CLOSURE not in reports(clinic, referral)
    end(clinic, referral)
    found = reports(clinic, referral)
    assert (Occasion.CLOSURE in found, found[Occasion.END_OF_COURSE].report.state == "withheld") == (
        told,
        told,
    )


def test_who_does_not_treat_the_patient_any_more_hears_nothing_further(clinic: ClinicFixture) -> None:
    referral = treated(clinic)
    end(clinic, referral)
    visited(clinic, referral, "not-ours")
    assert Occasion.CLOSURE not in reports(clinic, referral)


def overdue(clinic: ClinicFixture, at: date) -> list[Followed]:
    when = NOW + (at - NOW.date())
    with clinic.transaction() as session:
        board = find_today(session, clinic.actor, at, when)
    return [item.report for item in board.attention if item.reason is Reason.LATE_REPORT and item.report]


def test_a_report_that_has_not_arrived_waits_for_a_call_and_is_told_once(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral, mail = recommended(clinic), Provider(Answer.LATER)
    owed = tell(clinic, referral, DECIDED).report
    deliver_due(delivery(clinic, renderer, email=mail), clinic.id)
    due = owed.due_at.date() + timedelta(days=1)
    assert overdue(clinic, NOW.date()) == []
    assert [one.report.id for one in overdue(clinic, due)] == [owed.id]
    with clinic.transaction() as session:
        tell_report(session, clinic.actor, referral.order_id, owed.id, NOW + timedelta(days=9))
        tell_report(session, clinic.actor, referral.order_id, owed.id, NOW + timedelta(days=10))
    assert overdue(clinic, due) == []
    (followed,) = reports(clinic, referral).values()
    assert (followed.report.told_by, followed.state) == (clinic.actor.id, MessageState.CANCELLED)
    deliver_due(delivery(clinic, renderer, NOW + timedelta(days=10), email=mail), clinic.id)
    assert len(mail.sent) == 1


def test_a_serious_event_that_no_contact_may_carry_waits_for_a_call_at_once(clinic: ClinicFixture) -> None:
    referral = recommended(clinic)
    with clinic.transaction() as session:
        for contact in directory.get_clinician(session, referral.clinician_id).contacts:
            contacts.bar(session, contact.id, Bar.BAD_ADDRESS, NOW)
        notice(session, clinic.actor, referral.order_id, replace(SEIZURE, noticed_at=NOW), NOW)
    (late,) = overdue(clinic, NOW.date())
    assert late.report.withheld_for is Withheld.NO_CONTACT
    assert late.report.due_at > NOW


def test_what_has_arrived_or_is_not_wanted_is_not_told_by_voice(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    closing = News(occasion=Occasion.CLOSURE, happened_at=NOW)
    referral = recommended(clinic, reports="mid-course")
    with clinic.transaction() as session:
        order = orders.get(session, referral.order_id, lock=True)
        for news in (DECIDED, closing):
            report_back(session, clinic.actor, order, news, NOW)
    deliver_due(delivery(clinic, renderer, email=Provider()), clinic.id)
    found = reports(clinic, referral)
    assert found[Occasion.CLOSURE].has_arrived
    for one in found.values():
        with clinic.transaction() as session, pytest.raises(TransitionRefused):
            tell_report(session, clinic.actor, referral.order_id, one.report.id, NOW)
