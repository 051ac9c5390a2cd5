"""Reports to the recommender: owed with the news, drawn with a FHIR document, sent in time, or withheld."""

from __future__ import annotations

import io
import re
import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pikepdf
import pytest

from referral.channels.base import Outcome
from referral.domain.consent import ConsentDecision, Consented, ConsentScope
from referral.domain.course import ChangeReason, Ending, MedicationChange, Severity, StopReason
from referral.domain.errors import InvalidInput
from referral.domain.language import Language
from referral.domain.outgoing import MessageKind, MessageState
from referral.domain.records import Referral
from referral.domain.report_rules import Occasion, Withheld
from referral.domain.scales import KeptScale, Scale, Source
from referral.fhir.validation import issues_in
from referral.letters.render import REPORT_ATTACHMENT, Renderer
from referral.letters.seal import Sealer, verify
from referral.services import report_back
from referral.services.account_disclosures import account_disclosures
from referral.services.correct_course import correct
from referral.services.course import course_of
from referral.services.deliver_messages import deliver_due
from referral.services.follow_up import record_outcome
from referral.services.keep_calendar import close_days
from referral.services.keep_consent import say_consent
from referral.services.record_course import decide_candidacy, end_course, note_medication, plan_course
from referral.services.record_session import NewEffect, notice
from referral.services.report_back import News
from referral.services.treat import record_consultation
from referral.storage import (
    audit,
    clinics,
    consents,
    course_reports,
    documents,
    follow_ups,
    orders,
    outbox,
    resources,
    scales,
)
from referral.storage.course_reports import CourseReport, Followed
from referral.storage.db import Session
from referral.translation import long_date
from tests.database import NOW, ClinicFixture
from tests.letters import pdf
from tests.letters.test_report import alternatives
from tests.services import people
from tests.services.sending import Provider, asked, delivery, reached
from tests.services.test_course import YES, now, whole_session

DENVER = ZoneInfo("America/Denver")
# Thanksgiving is the day after.
BEFORE_HOLIDAY = datetime(2026, 11, 25, 16, 55, tzinfo=DENVER)
ENDED = News(occasion=Occasion.END_OF_COURSE, happened_at=NOW)
DECIDED = News(occasion=Occasion.DECISION, happened_at=NOW, treats=True)


def recommended(clinic: ClinicFixture, **changes: str) -> Referral:
    referral = reached(clinic, asked(clinic))
    with clinic.transaction() as session:
        people.respond_with(session, clinic, referral, people.answers(**changes))
        outbox.cancel_waiting(session, referral.id, NOW, [MessageKind.THANK_YOU])
    return referral


def tell(clinic: ClinicFixture, referral: Referral, news: News, now: datetime = NOW) -> Followed:
    with clinic.transaction() as session:
        order = orders.get(session, referral.order_id, lock=True)
        report_back.report_back(session, clinic.actor, order, news, now)
    return followed(clinic, referral)


def followed(clinic: ClinicFixture, referral: Referral) -> Followed:
    with clinic.transaction() as session:
        (found,) = course_reports.of_referral(session, referral.id)
    return found


SEIZURE = NewEffect(code="91175000", severity=Severity.SEVERE, serious=False, noticed_at=BEFORE_HOLIDAY)


def test_a_report_is_sealed_with_its_fhir_document_and_a_mail_carries_only_a_link(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral, mail = recommended(clinic), Provider()
    tell(clinic, referral, DECIDED)
    deliver_due(delivery(clinic, renderer, email=mail), clinic.id)
    report = followed(clinic, referral)
    assert report.has_arrived
    assert report.letter_id is not None
    (sent,) = mail.sent
    assert b"report" in sent.content
    assert b"/r/" in sent.content
    for secret in (b"Nguy", b"F33", b"ketamine", b"PDF-1"):
        assert secret not in sent.content
    with clinic.transaction() as session:
        kept = documents.get(session, report.letter_id)
        found = clinics.get(session, clinic.id)
        root = Sealer(session.vault.open(found.wrapped_key, found.seal_key, "seal-key")).root
        reference = resources.read(session, "DocumentReference", report.letter_id).document
        bundle = documents.get(session, f"{report.letter_id}-fhir").content
        resources.read(session, "DocumentReference", f"{report.letter_id}-fhir")
    assert verify(kept.content, root, NOW).good
    said = pdf.text(kept.content)
    assert "We have decided to treat." in said
    assert "Chidi Okafor, within 4 weeks, no day agreed yet" in said
    assert reference["author"][0]["display"] == reference["custodian"]["display"]
    opened = pikepdf.open(io.BytesIO(kept.content))
    assert bytes(opened.attachments[REPORT_ATTACHMENT].get_file().read_bytes()) == bundle
    assert opened.open_metadata().pdfa_status == "3A"
    document = msgspec.json.decode(bundle)
    assert issues_in(document) == []
    assert document["type"] == "document"
    first = document["entry"][0]["resource"]
    assert (first["resourceType"], first["status"], first["title"]) == (
        "Composition",
        "final",
        "Decision on ketamine infusions",
    )
    assert first["section"][0]["title"] == "Decision"
    inside = {entry["fullUrl"].removeprefix("https://portal.example/fhir/") for entry in document["entry"]}
    named = {first["subject"]["reference"], first["author"][0]["reference"]}
    assert named <= inside


def test_on_a_confirmed_fax_the_letter_itself_goes_behind_a_cover(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral, fax = recommended(clinic, reports_by="fax"), Provider()
    tell(clinic, referral, DECIDED)
    deliver_due(delivery(clinic, renderer, fax=fax), clinic.id)
    (sent,) = fax.sent
    said = pdf.text(sent.content)
    assert "We have decided to treat." in said
    assert said.index("Maria José") > said.index("pages")
    with clinic.transaction() as session:
        rows = account_disclosures(session, clinic.actor, referral.patient_id, NOW).rows
        dues = audit.find(session, patient_id=referral.patient_id, limit=100)
    assert rows[0].kind is MessageKind.REPORT
    assert rows[0].address == "+13035550120"
    assert "report-owed" in {row.subtype for row in dues}


def test_a_serious_event_at_1655_before_a_holiday_arrives_within_one_business_day(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    """The clinician is in Boston, where it is 18:55, and their office is closed until Tuesday."""
    referral = recommended(clinic)
    boston = {"address": ("1 Boylston Street", "Boston, MA 02116"), "npi": "9000000023"}
    with clinic.transaction() as session:
        east = people.clinician(
            session, clinic, given="Hannah", family="Lee", email="lee@lee.example", **boston
        )
        again = people.ask(session, clinic, orders.get(session, referral.order_id), east)[0]
        people.respond_with(session, clinic, again)
        outbox.cancel_waiting(session, again.id, NOW, [MessageKind.THANK_YOU])
        away = ("2026-11-27", "2026-11-30", "Away")
        close_days(session, clinic.actor, east.id, away, BEFORE_HOLIDAY)
    with clinic.transaction() as session:
        notice(session, clinic.actor, referral.order_id, SEIZURE, BEFORE_HOLIDAY)
    mail = Provider()
    deliver_due(delivery(clinic, renderer, BEFORE_HOLIDAY, email=mail), clinic.id)
    # The one in Denver has it at once, in the last five minutes of the day.
    assert [one.address for one in mail.sent] == ["okafor@beaconhill.example"]
    for moment in ("2026-11-26T10:00", "2026-11-27T05:59"):
        at = datetime.fromisoformat(moment).replace(tzinfo=DENVER)
        deliver_due(delivery(clinic, renderer, at, email=mail), clinic.id)
    assert len(mail.sent) == 1
    friday = datetime(2026, 11, 27, 6, 1, tzinfo=DENVER)
    deliver_due(delivery(clinic, renderer, friday, email=mail), clinic.id)
    assert [one.address for one in mail.sent[1:]] == ["lee@lee.example"]
    late = followed(clinic, again)
    assert late.has_arrived
    assert late.finished_at is not None
    assert late.finished_at <= late.report.due_at
    assert late.letter_id is not None
    with clinic.transaction() as session:
        said = pdf.text(documents.get(session, late.letter_id).content)
    assert "Seizure. Severe. November 25, 2026, 16:55 Between two infusions" in said
    assert late.report.due_at == datetime(2026, 11, 27, 17, tzinfo=ZoneInfo("America/New_York"))


@pytest.mark.parametrize("needed", [False, True])
@pytest.mark.parametrize("serious", [False, True])
def test_a_report_that_is_drawn_does_not_leave_after_the_patients_no(
    clinic: ClinicFixture, renderer: Renderer, serious: bool, needed: bool
) -> None:
    """Withdrawn; or, where the clinic needs a consent, one that turns out to have been an error."""
    referral, mail = recommended(clinic), Provider()
    evening = NOW.replace(hour=3) + timedelta(days=1)
    if needed:
        with clinic.transaction() as session:
            clinics.change_settings(session, reports={"needs_consent": True})
        agree(clinic, referral, ConsentDecision.GRANTED)
    if serious:
        with clinic.transaction() as session:
            notice(session, clinic.actor, referral.order_id, replace(SEIZURE, noticed_at=NOW), evening)
    else:
        tell(clinic, referral, DECIDED)
    deliver_due(delivery(clinic, renderer, evening, email=mail), clinic.id)
    assert followed(clinic, referral).state is MessageState.READY
    agree(clinic, referral, ConsentDecision.UNDONE if needed else ConsentDecision.WITHDRAWN)
    deliver_due(delivery(clinic, renderer, NOW + timedelta(days=1), email=mail), clinic.id)
    assert mail.sent == []
    assert followed(clinic, referral).state is MessageState.CANCELLED


def agree(clinic: ClinicFixture, referral: Referral, decision: ConsentDecision) -> None:
    """As if it had been written without stopping anything: the last look has to find it by itself."""
    said = Consented(
        consent_id="c",
        patient_id=referral.patient_id,
        scope=ConsentScope.RECOMMENDER,
        decision=decision,
        made_by="test",
        at=NOW,
    )
    with clinic.transaction() as session:
        consents.add(session, said)


def test_what_becomes_due_after_the_withdrawal_is_withheld_and_says_why(clinic: ClinicFixture) -> None:
    referral = recommended(clinic)
    tomorrow = NOW + timedelta(days=1)
    assert tell(clinic, referral, ENDED).report.state == "planned"
    with clinic.transaction() as session:
        scope, no = ConsentScope.RECOMMENDER, ConsentDecision.WITHDRAWN
        say_consent(session, clinic.actor, referral.patient_id, scope, no, "at the desk", NOW)
    with clinic.transaction() as session:
        assert report_back.send_due_reports(session, tomorrow) == 1
        assert report_back.send_due_reports(session, tomorrow) == 0
    found = followed(clinic, referral).report
    assert (found.state, found.withheld_for, found.message_id) == ("withheld", Withheld.CONSENT, None)


def test_the_end_waits_for_scores_and_then_goes_once(clinic: ClinicFixture, renderer: Renderer) -> None:
    referral, mail = recommended(clinic), Provider()
    first = tell(clinic, referral, ENDED)
    assert tell(clinic, referral, replace(ENDED, happened_at=NOW + timedelta(hours=1))) == first
    with clinic.transaction() as session:
        assert report_back.send_due_reports(session, first.report.queue_at - timedelta(minutes=1)) == 0
    for _ in range(2):
        with clinic.transaction() as session:
            report_back.send_due_reports(session, first.report.queue_at)
        deliver_due(delivery(clinic, renderer, first.report.queue_at, email=mail), clinic.id)
    assert len(mail.sent) == 1
    assert followed(clinic, referral).has_arrived


@pytest.mark.parametrize("occasion", [Occasion.MID_COURSE])
def test_what_the_form_has_not_asked_for_is_not_sent(clinic: ClinicFixture, occasion: Occasion) -> None:
    found = tell(clinic, recommended(clinic), News(occasion=occasion, happened_at=NOW)).report
    assert (found.state, found.withheld_for) == ("withheld", Withheld.NOT_WANTED)


def test_a_refused_report_goes_another_way_at_once_and_one_without_any_is_late(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = recommended(clinic)
    mail, fax, post = Provider(Outcome.REFUSED), Provider(), Provider()
    tell(clinic, referral, DECIDED)
    deliver_due(delivery(clinic, renderer, email=mail, fax=fax, post=post), clinic.id)
    assert (len(mail.sent), len(fax.sent)) == (1, 1)
    found = followed(clinic, referral)
    assert found.has_arrived
    with clinic.transaction() as session:
        assert course_reports.late(session, NOW, found.report.due_at + timedelta(days=9), 10) == []


def test_a_course_tells_of_itself_with_its_scores(clinic: ClinicFixture, renderer: Renderer) -> None:
    """Decided, three of six given, stopped: each by the service that records it, none twice."""
    referral = recommended(clinic, reports="mid-course")
    order_id, actor = referral.order_id, clinic.actor
    with clinic.transaction() as session:
        record_consultation(session, actor, order_id, NOW - timedelta(days=1), NOW)
        decide_candidacy(session, actor, order_id, YES, now())
        plan_course(session, actor, order_id, 6, 3, now())
        score(session, referral, "phq-9", 19, now())
        for _ in range(3):
            whole_session(session, clinic, orders.get(session, order_id))
        score(session, referral, "phq-9", 7, now())
    with clinic.transaction() as session:
        end_course(
            session, actor, order_id, Ending.STOPPED, StopReason.PATIENT_WISH, now(), words="Moves away."
        )
    with clinic.transaction() as session:
        found = {one.report.occasion: one.report for one in course_reports.of_referral(session, referral.id)}
    assert {occasion: one.state for occasion, one in found.items()} == {
        Occasion.DECISION: "withheld",
        Occasion.MID_COURSE: "planned",
        Occasion.END_OF_COURSE: "withheld",
    }
    middle = found[Occasion.MID_COURSE]
    with clinic.transaction() as session:
        report_back.send_due_reports(session, middle.queue_at)
    deliver_due(delivery(clinic, renderer, middle.queue_at, email=Provider()), clinic.id)
    with clinic.transaction() as session:
        (sent,) = [one for one in course_reports.of_referral(session, referral.id) if one.letter_id]
        kept = documents.get(session, str(sent.letter_id)).content
        bundle = msgspec.json.decode(documents.get(session, f"{sent.letter_id}-fhir").content)
    said = pdf.text(kept)
    assert "Report at mid-course" in said
    assert "3 of 6 planned" in said
    assert re.search(r"PHQ-9 \(0–27\) 19 .* 7 .* −12", said)
    assert "PHQ-9: from 19 at first to 7 after 3 infusions." in alternatives(kept)
    assert issues_in(bundle) == []
    totals = [
        (entry["resource"]["code"]["coding"][0]["code"], entry["resource"]["valueInteger"])
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == "Observation"
    ]
    assert totals == [("44261-6", 19), ("44261-6", 7)]


def stopped(clinic: ClinicFixture, referral: Referral) -> CourseReport:
    """One session was given, no response was seen; the report of the end is owed."""
    order_id, actor = referral.order_id, clinic.actor
    with clinic.transaction() as session:
        record_consultation(session, actor, order_id, NOW - timedelta(days=1), NOW)
        whole_session(session, clinic, orders.get(session, order_id))
    with clinic.transaction() as session:
        end_course(session, actor, order_id, Ending.STOPPED, StopReason.NO_RESPONSE, now())
    with clinic.transaction() as session:
        return next(
            one.report
            for one in course_reports.of_referral(session, referral.id)
            if one.report.occasion is Occasion.END_OF_COURSE
        )


def said_in(
    clinic: ClinicFixture, renderer: Renderer, report: CourseReport, at: datetime
) -> tuple[str, dict[str, Any]]:
    """The text of its letter and the Composition of its document, sent at `at`."""
    with clinic.transaction() as session:
        report_back.send_due_reports(session, at)
    deliver_due(delivery(clinic, renderer, at, email=Provider()), clinic.id)
    with clinic.transaction() as session:
        found = course_reports.of_referral(session, report.referral_id)
        (letter_id,) = [one.letter_id for one in found if one.report.id == report.id]
        kept = documents.get(session, str(letter_id)).content
        bundle = msgspec.json.decode(documents.get(session, f"{letter_id}-fhir").content)
    assert issues_in(bundle) == []
    return pdf.text(kept), bundle["entry"][0]["resource"]


def paragraphs(composition: dict[str, Any], title: str) -> str:
    return str(next(one["text"]["div"] for one in composition["section"] if one["title"] == title))


def test_how_the_course_ended_and_by_when_the_patient_is_seen_is_told_on_paper_and_by_fhir(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    report = stopped(clinic, recommended(clinic, reports="end-of-course"))
    ended = report.happened_at.astimezone(DENVER).date()
    said, composition = said_in(clinic, renderer, report, report.queue_at)
    day, last = (long_date(Language.ENGLISH, one) for one in (ended, ended + timedelta(days=28)))
    assert f"Course Stopped early, {day} (no response)" in said
    assert f"Next visit Chidi Okafor, within 4 weeks, by {last}" in said
    assert f"<p>Stopped early on {day}. Reason: No response.</p>" in paragraphs(
        composition, "Infusions given"
    )
    assert f"<p>Chidi Okafor, within 4 weeks, by {last}.</p>" in paragraphs(composition, "Next visit")
    codes = [one["coding"][0] for one in composition["event"][0]["code"]]
    assert [one["code"] for one in codes] == ["revoked", "no-response"]


def test_changes_of_medication_are_told_as_they_were_corrected(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = recommended(clinic, reports="end-of-course")
    order_id, actor, day = referral.order_id, clinic.actor, NOW.date()
    with clinic.transaction() as session:
        raised, wrong, later = (
            note_medication(session, actor, order_id, words, on, now())
            for words, on in (
                ("sertraline 100 mg to 150 mg", day),
                ("lorazepam stopped", day),
                ("lithium 300 mg started", now().astimezone(DENVER).date()),
            )
        )
        with pytest.raises(InvalidInput, match="has not come yet"):
            note_medication(session, actor, order_id, "x", now().date() + timedelta(days=2), now())
        why = ChangeReason.TYPING_ERROR
        correct(session, actor, MedicationChange, raised.id, why, now(), words="sertraline 50 mg to 100 mg")
        correct(session, actor, MedicationChange, wrong.id, ChangeReason.WRONG_PLACE, now(), in_error=True)
        assert [one.id for one in course_of(session, order_id).medication] == [raised.id, later.id]
    report = stopped(clinic, referral)
    said, composition = said_in(clinic, renderer, report, report.queue_at)
    assert f"{long_date(Language.ENGLISH, day)}: sertraline 50 mg to 100 mg" in said
    assert "lithium 300 mg started" in said
    for gone in ("150 mg", "lorazepam", "None that we know of"):
        assert gone not in said
    told = paragraphs(composition, "Medication changes")
    assert f"<p>{long_date(Language.ENGLISH, day)}: sertraline 50 mg to 100 mg</p>" in told


@pytest.mark.parametrize(
    ("outcome", "days", "letter", "document"),
    [
        ("seen", 0, "Follow-up visit Chidi Okafor, patient seen on {day}", "patient seen on {day}."),
        ("lost", None, "Follow-up visit Chidi Okafor, who has lost contact", "who has lost contact"),
    ],
)
def test_a_closing_report_tells_of_the_visit_that_was_and_names_no_next_one(
    clinic: ClinicFixture, renderer: Renderer, outcome: str, days: int | None, letter: str, document: str
) -> None:
    referral = recommended(clinic)
    report = stopped(clinic, referral)
    # In business hours of the office.
    at = report.queue_at.astimezone(DENVER).replace(hour=10)
    day = at.date() - timedelta(days=days) if days is not None else None
    with clinic.transaction() as session:
        visit = follow_ups.of_referral(session, referral.id)
        assert visit is not None
        record_outcome(session, clinic.actor, visit.id, outcome, day, at)
    with clinic.transaction() as session:
        closing = next(
            one.report
            for one in course_reports.of_referral(session, referral.id)
            if one.report.occasion is Occasion.CLOSURE
        )
    said, composition = said_in(clinic, renderer, closing, closing.queue_at)
    shown = long_date(Language.ENGLISH, day) if day else ""
    assert letter.format(day=shown) in said
    assert "Next visit" not in said
    assert document.format(day=shown) in paragraphs(composition, "Next visit")


def test_a_day_that_has_passed_is_no_next_visit(clinic: ClinicFixture, renderer: Renderer) -> None:
    """A serious event becomes known when the promised day is over, and nobody has said what became of it."""
    referral = recommended(clinic)
    report = stopped(clinic, referral)
    late = (report.queue_at + timedelta(days=60)).astimezone(DENVER).replace(hour=10)
    with clinic.transaction() as session:
        notice(session, clinic.actor, referral.order_id, replace(SEIZURE, noticed_at=late), late)
        (event,) = [
            one.report
            for one in course_reports.of_referral(session, referral.id)
            if one.report.occasion is Occasion.ADVERSE_EVENT
        ]
    said, composition = said_in(clinic, renderer, event, late)
    assert re.search(r"until \w+ \d+, \d+\. Please tell us whether the patient was seen\.", said)
    assert "not known whether the patient was seen" in paragraphs(composition, "Next visit")


def score(session: Session, referral: Referral, scale: str, total: int, at: datetime) -> None:
    kept = KeptScale(
        id=str(uuid.uuid4()),
        patient_id=referral.patient_id,
        order_id=referral.order_id,
        scale=Scale(scale),
        total=total,
        missing=0,
        self_harm=None,
        source=Source.STAFF,
        taken_at=at,
        recorded_by="test",
    )
    scales.put(session, kept)
