"""Twelve weeks, from the consultation to the last check-back: on the pages, and by FHIR in step with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from typing import Final

import pytest
from playwright.sync_api import Browser, expect

from tests.fhir_api import people
from tests.journeys import portal
from tests.journeys.course_reports import Expected
from tests.journeys.course_steps import Drawn
from tests.journeys.desk import sign_in
from tests.journeys.looking import look, photograph
from tests.journeys.pretended import let_the_gate_follow
from tests.journeys.service import Service, run_service
from tests.journeys.twelve import ISOLDE, TUESDAYS, Twelve, denver, link_in
from tests.letters import pdf

BASTIEN = {"name": [{"family": "Corrigan", "given": ["Bastien"]}], "birthDate": "1979-11-05"}
OKAFOR, SALGADO = "okafor@beaconhill.example", "salgado@larkspur.example"
RUTH = people.practitioner(
    "9000000106",
    name=[{"family": "Salgado", "given": ["Ruth"], "suffix": ["MD"]}],
    telecom=[{"system": "email", "value": SALGADO}],
)
WISHES: Final = ("decision", "mid-course", "end-of-course", "adverse-event")
# Answers of nine questions: 19, 11 and 4 in all, and never one that is a sign of self-harm.
FIRST, MIDDLE, LAST = (3, 3, 3, 3, 2, 2, 2, 1, 0), (2, 2, 2, 1, 1, 1, 1, 1, 0), (1, 1, 1, 1, 0, 0, 0, 0, 0)


ASKED, CONSULTED = denver(1, 7, 10), denver(1, 11, 10)
# The Friday before Presidents' Day, five minutes before offices close.
SEIZURE_AT = denver(2, 12, 16, 55)
# Each a day on which something is sent. The answer is older than half a year on July 6: its office is heard
# all the same.
MID_COURSE, END_OF_COURSE = denver(2, 17, 9), denver(3, 31, 9)
REMINDED, ASKED_BACK, SEEN = denver(6, 24, 9), denver(7, 1, 9), denver(7, 8, 10)

_LATER: Final = timedelta(minutes=36)  # from the beginning of a session to its end
_SUMMARY, _CONSULT = "34133-9", "11488-4"
REPORTS: Final = (
    Expected(
        occasion="decision",
        happened_at=CONSULTED,
        drawn_at=CONSULTED,
        due_at=denver(1, 13, 17),
        subject="A report",
        type=_CONSULT,
        said=("Our decision on ketamine infusions", "We have decided to treat.", "0 of 12 planned"),
        totals=(),
    ),
    Expected(
        occasion="adverse-event",
        happened_at=SEIZURE_AT,
        drawn_at=SEIZURE_AT,
        due_at=denver(2, 16, 17),
        subject="Please read today: a report",
        type=_SUMMARY,
        said=(
            "Report of a serious adverse event",
            "Seizure. Severe. February 12, 2027, 16:55 Between two infusions",
            "5 of 12 planned, from January 12, 2027 to February 9, 2027",
            "Medication changes during the course",
        ),
        totals=(19,),
    ),
    Expected(
        occasion="mid-course",
        happened_at=TUESDAYS[5] + _LATER,
        drawn_at=MID_COURSE,
        due_at=denver(2, 23, 17),
        subject="A report",
        type=_SUMMARY,
        said=(
            "Report at mid-course",
            "6 of 12 planned, from January 12, 2027 to February 16, 2027",
            "19 January 11, 2027 11 February 16, 2027 −8",
            "February 11, 2027: sertraline 100 mg to 150 mg",
        ),
        totals=(19, 11),
    ),
    Expected(
        occasion="end-of-course",
        happened_at=TUESDAYS[11] + _LATER,
        drawn_at=END_OF_COURSE,
        due_at=denver(4, 6, 17),
        subject="A report",
        type=_SUMMARY,
        said=(
            "Report at the end of the course",
            "12 of 12 planned, from January 12, 2027 to March 30, 2027",
            "Course Completed, March 30, 2027",
            "February 11, 2027: sertraline 100 mg to 150 mg",
            ", within 3 months, by June 29, 2027",
            "19 January 11, 2027 4 March 30, 2027 −15",
        ),
        totals=(19, 11, 4),
    ),
    Expected(
        occasion="closure",
        happened_at=SEEN,
        drawn_at=SEEN,
        due_at=denver(7, 15, 17),
        subject="A report",
        type=_SUMMARY,
        said=("Closing report", "12 of 12 planned", "Course Completed", ", patient seen on June 28, 2027"),
        totals=(19, 11, 4),
    ),
)
COUNTED: Final = {
    "course_plan": 1,
    "course_decision": 1,
    "course_session": 12,
    "course_dose": 12,
    "course_vital": 108,
    "course_effect": 3,
    "course_medicine": 1,
    "course_end": 1,
    "scale_score": 3,
    "follow_up": 1,
}


@pytest.fixture(scope="module")
def pretended() -> Iterator[Service]:
    """A service of its own: here the clock runs ahead by half a year, for the gate as well."""
    with run_service(ASKED) as started:
        let_the_gate_follow(started)
        with started.database() as owner:
            # This clinic asks its patients before it writes to anybody about their course.
            asks = '{"reports": {"needs_consent": true}}'
            owner.execute("UPDATE clinic SET settings = settings || %s::jsonb", (asks,))
        yield started


@pytest.fixture
def twelve(pretended: Service, browser: Browser) -> Iterator[Twelve]:
    with ExitStack() as opened:
        yield Twelve(pretended, browser, opened)


def recommend_by_portal(twelve: Twelve) -> None:
    """Asked of a psychiatrist whom the clinic knows, who answers by the link in the mail."""
    email = [{"system": "email", "value": "isolde@home.example"}]
    name = [{"family": ISOLDE.family, "given": [ISOLDE.given]}]
    patient = people.patient(name=name, birthDate=ISOLDE.born.isoformat(), telecom=email)
    known = twelve.fhir.call("GET", "PractitionerRole?practitioner.identifier=9000000015")
    asked = twelve.fhir.ask(patient, f"PractitionerRole/{known['entry'][0]['resource']['id']}")
    twelve.pages.order = asked[1].partition("/")[2]
    twelve.number = twelve.reports.number_of(asked[1])
    sign_in(twelve.desk, "desk")
    office = twelve.page()
    portal.prove_identity(office, twelve.service.post.link(twelve.number), ISOLDE, twelve.desk, twelve.number)
    office.get_by_role("button", name="I recommend it", exact=False).first.click()
    portal.fill_in_questions(office, date(2026, 12, 28))
    wished = [("next-visit", "3-months"), *(("reports", one) for one in WISHES), ("reports-by", "link")]
    for item, value in wished:
        office.locator(f'input[name="{item}"][value="{value}"]').check(force=True)
    portal.press(office, "Continue to sign")
    portal.sign(office)
    expect(office.get_by_role("heading", name="your answer has arrived")).to_be_visible()


def recommend_by_fhir(twelve: Twelve) -> None:
    """Asked of somebody new; what a client sends counts once somebody has called the office."""
    fhir = twelve.fhir
    patient = people.patient(**BASTIEN, telecom=[{"system": "email", "value": "bastien@home.example"}])
    fhir.patient, fhir.order, fhir.request = fhir.ask(patient, fhir.psychiatrist(RUTH, SALGADO))
    answer = people.answer_to(fhir.request, fhir.patient)
    chosen = {"next-visit": "3-months", "reports-by": "link"}
    items = [item for item in answer["item"] if item["linkId"] not in {*chosen, "signer-name", "last-seen"}]
    items += [{"linkId": name, "answer": [{"valueCoding": {"code": code}}]} for name, code in chosen.items()]
    items += [
        {"linkId": "reports", "answer": [{"valueCoding": {"code": code}} for code in WISHES]},
        {"linkId": "signer-name", "answer": [{"valueString": "Ruth Salgado"}]},
        {"linkId": "last-seen", "answer": [{"valueDate": "2026-12-28"}]},
    ]
    fhir.create({**answer, "item": items})
    plain, path = twelve.plain, f"/requests/{fhir.request.partition('/')[2]}"
    plain.sign_in("nurse", path)
    called = {"spoke_with": "Front desk", "called_number": "303-555-0164", "outcome": "confirmed"}
    plain.post(f"{path}/confirm", called)


def agree(twelve: Twelve) -> None:
    """Both patients want their recommenders to hear of the course."""
    plain = twelve.plain
    plain.sign_in("nurse", f"/orders/{twelve.pages.order}")
    patient = re.search(r"/patients/[\w-]+", plain.page)
    assert patient is not None
    plain.get(patient[0])
    plain.post(f"{patient[0]}/consent", {"scope": "treatment-disclosure", "decision": "granted"})
    twelve.fhir.agree()


def consult(twelve: Twelve, tablet: Drawn) -> None:
    """Both are found to be candidates; their recommenders hear of it."""
    twelve.clock.set(CONSULTED)
    agree(twelve)
    twelve.pages.at_the_tablet(tablet)
    path = f"/orders/{twelve.pages.order}"
    tablet.get(path)
    held = {"consulted_on": "2027-01-11", "consulted_by": "Elena Whitcombe, MD"}
    tablet.post(f"{path}/consultation", held)
    for course in twelve.both:
        course.decide()
    look(twelve.tablet, "twelve-1-decided")
    twelve.all_hear("A report from")
    twelve.clock.advance(minutes=30)
    twelve.phq_9(FIRST, twelve.page(360, 740), 1)


def come_to_the_middle(twelve: Twelve, tablet: Drawn) -> None:
    """Six sessions, and a seizure before the last of them."""
    for week in range(1, 6):
        twelve.session(week, tablet if week == 1 else twelve.plain)
        if week == 1:
            look(twelve.tablet, "twelve-3-session")
    twelve.clock.set(SEIZURE_AT)
    twelve.pages.at_the_tablet(tablet)
    for course in twelve.both:
        course.seizure_at_home()
        course.change_medication("2027-02-11", "sertraline 100 mg to 150 mg")
    # Before the long weekend, not after it
    twelve.all_hear("Please read today")
    twelve.session(6, tablet)
    twelve.phq_9(MIDDLE, None, 2)
    # The report waits a day for scores
    twelve.come_to(MID_COURSE, "A report from", 2)


def come_to_the_end(twelve: Twelve, tablet: Drawn) -> None:
    """Six more, the last scores, and the course is completed."""
    for week in range(7, 13):
        twelve.session(week, tablet if week == 12 else twelve.plain)
    twelve.phq_9(LAST, None, 3)
    for course in twelve.both:
        course.end()
    photograph(twelve.tablet, "twelve-4-ended")
    twelve.come_to(END_OF_COURSE, "A report from", 3)


def test_twelve_weeks(twelve: Twelve) -> None:
    reports, tablet = twelve.reports, Drawn(twelve.tablet)
    # Given two recommendations, one from each way
    recommend_by_portal(twelve)
    recommend_by_fhir(twelve)
    # When the courses are given
    consult(twelve, tablet)
    come_to_the_middle(twelve, tablet)
    come_to_the_end(twelve, tablet)
    # and the days of the promised visits come: patients are reminded before, offices are asked after them
    twelve.come_to(REMINDED, "Your next visit")
    twelve.come_to(ASKED_BACK, "One question about a visit")
    # and both have seen their patients: one says so on the portal, the other on the telephone
    twelve.clock.set(SEEN)
    answer_by_portal(twelve)
    answer_by_telephone(twelve)
    # Then the recommenders have heard of everything once, and both ways have ended in the same rows
    twelve.service.sweep()
    twelve.all_hear("A report from", 4)
    reports.check(twelve.pages.order, OKAFOR, ISOLDE.name, REPORTS)
    reports.check(twelve.fhir.order, SALGADO, "Bastien Corrigan", REPORTS)
    by_pages, by_fhir = reports.course_of(twelve.pages.order), reports.course_of(twelve.fhir.order)
    assert by_pages == by_fhir
    assert {table: len(rows) for table, rows in by_pages.items()} == COUNTED


def answer_by_portal(twelve: Twelve) -> None:
    """By the link of the question, half a year after the answer; then all that was reported is read."""
    sign_in(twelve.desk, "desk")
    office = twelve.page(360, 740)
    link = link_in(twelve.mail(twelve.number, "One question about a visit"), "r")
    portal.prove_identity(office, link, ISOLDE, twelve.desk, twelve.number)
    expect(office.get_by_role("heading", name=f"Have you seen {ISOLDE.name}?")).to_be_visible()
    look(office, "twelve-5-follow-up")
    office.locator('input[name="outcome"][value="seen"]').check(force=True)
    office.get_by_label("Seen on").fill("2027-06-28")
    portal.press(office, "Send")
    expect(office.get_by_text("The patient was seen: June 28, 2027.")).to_be_visible()
    twelve.mail(twelve.number, "A report from", 4)
    office.goto("/request/since")
    look(office, "twelve-6-since")
    expect(office.get_by_text("12 of 12")).to_be_visible()
    titles = ("Report at the end of the course", "Report at mid-course", "Report of a serious adverse event")
    for title in (*titles, "Our decision on ketamine infusions", "Closing report"):
        href = office.get_by_role("link", name=title).get_attribute("href")
        got = office.request.get(f"{href}")
        assert title in pdf.text(got.body())


def answer_by_telephone(twelve: Twelve) -> None:
    """A nurse writes down what the office says."""
    path = f"/orders/{twelve.fhir.order.partition('/')[2]}"
    twelve.plain.sign_in("nurse", path)
    assert "Ruth Salgado" in twelve.plain.text
    twelve.plain.post(f"{path}/follow-up", {"visit_outcome": "seen", "visit_on": "2027-06-28"})
