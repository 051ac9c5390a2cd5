"""A report that turned out to be wrong: replaced where it has arrived, stopped where it has not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from referral.channels.base import Outcome
from referral.domain.consent import ConsentDecision, ConsentScope
from referral.domain.course import ChangeReason, Ended, Ending, Severity, SideEffect, StopReason
from referral.domain.language import Language
from referral.domain.outgoing import MessageState
from referral.domain.records import Referral
from referral.domain.report_rules import Occasion, Withheld
from referral.fhir.validation import issues_in
from referral.letters.render import Renderer
from referral.services import report_back
from referral.services.correct_course import correct
from referral.services.deliver_messages import deliver_due
from referral.services.keep_consent import say_consent
from referral.services.record_session import notice
from referral.services.tell_report import tell_report
from referral.storage import course_reports, documents, measures, outbox
from referral.storage.course_reports import Followed
from referral.storage.reports import Period
from referral.translation import long_date
from tests.database import NOW, ClinicFixture
from tests.letters import pdf
from tests.services.sending import Provider, delivery
from tests.services.test_course import now
from tests.services.test_report_back import DENVER, SEIZURE, paragraphs, recommended, stopped

FAINTED = replace(SEIZURE, noticed_at=NOW, serious=True)
WHY = ChangeReason.LATER_KNOWN


def versions(clinic: ClinicFixture, referral: Referral, occasion: Occasion) -> list[Followed]:
    with clinic.transaction() as session:
        every = course_reports.of_referral(session, referral.id)
    return [one for one in every if one.report.occasion is occasion]


def send(clinic: ClinicFixture, renderer: Renderer, at: datetime, mail: Provider | None = None) -> Provider:
    """Whatever is due at `at`; nothing but e-mail gets through."""
    mail, other = mail or Provider(), Provider(Outcome.REFUSED)
    with clinic.transaction() as session:
        report_back.send_due_reports(session, at)
    deliver_due(delivery(clinic, renderer, at, email=mail, fax=other, post=other, sms=other), clinic.id)
    return mail


def fix_end(clinic: ClinicFixture, order_id: str, at: datetime, **changes: Any) -> Ended:
    with clinic.transaction() as session:
        return correct(session, clinic.actor, Ended, order_id, WHY, at, **changes)


def fix_event(clinic: ClinicFixture, id: str, at: datetime, **changes: Any) -> SideEffect:
    with clinic.transaction() as session:
        return correct(session, clinic.actor, SideEffect, id, WHY, at, **changes)


def happened(clinic: ClinicFixture, referral: Referral, **changes: Any) -> str:
    with clinic.transaction() as session:
        return notice(session, clinic.actor, referral.order_id, replace(FAINTED, **changes), NOW).id


def read(clinic: ClinicFixture, found: Followed) -> tuple[str, dict[str, Any]]:
    """Its letter's text, and the Composition of its document."""
    assert found.letter_id is not None
    with clinic.transaction() as session:
        kept = documents.get(session, found.letter_id).content
        bundle = msgspec.json.decode(documents.get(session, f"{found.letter_id}-fhir").content)
    assert issues_in(bundle) == []
    return pdf.text(kept), bundle["entry"][0]["resource"]


def test_an_end_that_is_corrected_after_its_report_is_told_once_more_as_a_correction(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = recommended(clinic, reports="end-of-course")
    first = stopped(clinic, referral)
    mail = send(clinic, renderer, first.queue_at)
    later = first.queue_at + timedelta(minutes=5)
    fix_end(clinic, referral.order_id, later, ending=Ending.COMPLETED, reason=None)
    # It waits until the next business day: somebody who corrects one thing often corrects another.
    fix_end(clinic, referral.order_id, later, words="As planned.")
    old, new = versions(clinic, referral, Occasion.END_OF_COURSE)
    assert (old.has_arrived, old.is_replaced) == (True, True)
    assert (new.report.state, new.report.version, new.report.corrects) == ("planned", 2, first.id)
    assert new.report.queue_at > later
    send(clinic, renderer, new.report.queue_at, mail)
    _, new = versions(clinic, referral, Occasion.END_OF_COURSE)
    assert new.has_arrived
    assert len(mail.sent) == 2
    said, composition = read(clinic, new)
    day = long_date(Language.ENGLISH, first.queue_at.astimezone(DENVER).date())
    assert f"Corrected report This replaces our report of {day}" in said
    assert "Course Completed" in said
    assert "As planned." in said
    assert "no response" not in said
    assert "Completed" in paragraphs(composition, "Infusions given")
    assert composition["status"] == "amended"
    (link,) = composition["relatesTo"]
    assert (link["code"], link["targetIdentifier"]["value"]) == ("replaces", first.id)
    with clinic.transaction() as session:
        period = Period(first.happened_at - timedelta(days=1), first.happened_at + timedelta(days=1))
        counted = measures.reported(session, period)
        late = course_reports.late(session, NOW, new.report.due_at + timedelta(days=9), 10)
    assert (counted.denominator, counted.numerator) == (1, 1)
    assert late == []


def test_an_end_that_is_corrected_before_its_report_is_drawn_is_told_as_it_is(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = recommended(clinic, reports="end-of-course")
    first = stopped(clinic, referral)
    fix_end(clinic, referral.order_id, now(), reason=StopReason.PATIENT_WISH)
    mail = send(clinic, renderer, first.queue_at)
    (only,) = versions(clinic, referral, Occasion.END_OF_COURSE)
    said, composition = read(clinic, only)
    assert "patient’s wish" in said
    assert "Corrected" not in said
    assert composition["status"] == "final"
    assert len(mail.sent) == 1


def test_what_is_drawn_and_has_not_left_is_stopped_and_another_one_says_what_is_right(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    """At night: the wrong one is ready and waits for the office to open."""
    referral, evening = recommended(clinic), NOW.replace(hour=3) + timedelta(days=1)
    with clinic.transaction() as session:
        id = notice(session, clinic.actor, referral.order_id, FAINTED, evening).id
    send(clinic, renderer, evening)
    (old,) = versions(clinic, referral, Occasion.ADVERSE_EVENT)
    assert old.state is MessageState.READY
    fix_event(clinic, id, evening, severity=Severity.MODERATE)
    mail = send(clinic, renderer, NOW + timedelta(days=1))
    old, new = versions(clinic, referral, Occasion.ADVERSE_EVENT)
    assert (old.state, new.has_arrived, new.report.corrects) == (MessageState.CANCELLED, True, None)
    assert len(mail.sent) == 1
    said, _ = read(clinic, new)
    assert "Seizure. Moderate." in said
    assert "Corrected" not in said


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"in_error": True}, "recorded in error: there was no such event"),
        ({"serious": False}, "We told you of this as a serious event; it was not serious."),
        ({"severity": Severity.MODERATE}, "Seizure. Moderate."),
    ],
)
def test_who_was_told_of_a_serious_event_hears_at_once_what_is_right(
    clinic: ClinicFixture, renderer: Renderer, changes: dict[str, Any], words: str
) -> None:
    referral = recommended(clinic)
    id = happened(clinic, referral)
    mail = send(clinic, renderer, NOW)
    fix_event(clinic, id, NOW + timedelta(minutes=2), **changes)
    send(clinic, renderer, NOW + timedelta(minutes=2), mail)
    old, new = versions(clinic, referral, Occasion.ADVERSE_EVENT)
    assert new.report.corrects == old.report.id
    assert len(mail.sent) == 2
    said, composition = read(clinic, new)
    assert words in said
    assert "Corrected report" in said
    assert words in paragraphs(composition, "What happened")


def test_who_wants_no_report_of_the_end_hears_the_correction_as_a_closing_report(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = recommended(clinic, reports="mid-course", continues_care="no")
    stopped(clinic, referral)
    (first,) = versions(clinic, referral, Occasion.CLOSURE)
    # Whatever the time is now: two hours before the office closes.
    mail = send(clinic, renderer, first.report.due_at - timedelta(hours=2))
    fix_end(clinic, referral.order_id, first.report.due_at, reason=StopReason.PATIENT_WISH)
    _, new = versions(clinic, referral, Occasion.CLOSURE)
    send(clinic, renderer, new.report.due_at - timedelta(hours=2), mail)
    assert len(mail.sent) == 2
    _, new = versions(clinic, referral, Occasion.CLOSURE)
    said, _ = read(clinic, new)
    assert "Closing report" in said
    assert "Corrected report" in said
    assert "patient’s wish" in said
    (unwanted,) = versions(clinic, referral, Occasion.END_OF_COURSE)
    assert unwanted.report.withheld_for is Withheld.NOT_WANTED


def test_an_event_that_never_was_is_told_to_nobody_who_has_not_heard_of_it(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = recommended(clinic)
    id = happened(clinic, referral)
    fix_event(clinic, id, NOW, in_error=True)
    mail = send(clinic, renderer, NOW)
    (only,) = versions(clinic, referral, Occasion.ADVERSE_EVENT)
    assert mail.sent == []
    assert only.report.withheld_for is Withheld.IN_ERROR
    with clinic.transaction() as session:
        assert course_reports.late(session, NOW, only.report.due_at + timedelta(days=9), 10) == []


def test_an_event_that_is_serious_once_more_is_told_once_more(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = recommended(clinic)
    id = happened(clinic, referral)
    fix_event(clinic, id, NOW, serious=False)
    fix_event(clinic, id, NOW, serious=True)
    mail = send(clinic, renderer, NOW)
    assert len(mail.sent) == 1
    _, new = versions(clinic, referral, Occasion.ADVERSE_EVENT)
    assert (new.report.version, new.report.corrects, new.has_arrived) == (3, None, True)


def test_a_correction_that_has_not_left_is_replaced_by_one_that_still_names_what_the_clinician_has(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = recommended(clinic)
    id = happened(clinic, referral)
    mail = send(clinic, renderer, NOW)
    for severity in (Severity.MODERATE, Severity.MILD):
        fix_event(clinic, id, NOW, severity=severity)
    send(clinic, renderer, NOW, mail)
    first, second, third = versions(clinic, referral, Occasion.ADVERSE_EVENT)
    assert second.state is MessageState.CANCELLED
    assert third.report.corrects == first.report.id
    assert len(mail.sent) == 2
    assert "Seizure. Mild." in read(clinic, third)[0]


def test_what_was_told_by_voice_is_corrected_as_well(clinic: ClinicFixture, renderer: Renderer) -> None:
    referral = recommended(clinic)
    id = happened(clinic, referral)
    send(clinic, renderer, NOW, Provider(Outcome.REFUSED))
    (first,) = versions(clinic, referral, Occasion.ADVERSE_EVENT)
    with clinic.transaction() as session:
        tell_report(session, clinic.actor, referral.order_id, first.report.id, NOW)
    fix_event(clinic, id, NOW, in_error=True)
    *_, last = versions(clinic, referral, Occasion.ADVERSE_EVENT)
    assert last.report.corrects == first.report.id


def test_a_failure_that_is_heard_of_late_sends_the_wrong_report_no_other_way(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = recommended(clinic)
    id = happened(clinic, referral)
    send(clinic, renderer, NOW)
    fix_event(clinic, id, NOW, severity=Severity.MODERATE)
    (old, _) = versions(clinic, referral, Occasion.ADVERSE_EVENT)
    with clinic.transaction() as session:
        message = outbox.get(session, str(old.report.message_id))
        assert message is not None
        before = len(outbox.find(session, referral_id=referral.id))
        report_back.go_another_way(session, message, NOW)
        assert len(outbox.find(session, referral_id=referral.id)) == before


def test_a_patients_no_holds_the_correction_back(clinic: ClinicFixture, renderer: Renderer) -> None:
    referral = recommended(clinic)
    id = happened(clinic, referral)
    mail = send(clinic, renderer, NOW)
    with clinic.transaction() as session:
        scope, no = ConsentScope.RECOMMENDER, ConsentDecision.WITHDRAWN
        say_consent(session, clinic.actor, referral.patient_id, scope, no, "at the desk", NOW)
    fix_event(clinic, id, NOW, severity=Severity.MODERATE)
    send(clinic, renderer, NOW, mail)
    assert len(mail.sent) == 1
    assert len(versions(clinic, referral, Occasion.ADVERSE_EVENT)) == 1
