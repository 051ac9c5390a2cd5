"""The course of an order by the pages: a session on a tablet, slips, corrections, and who may look."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from referral.domain.codes import Role
from referral.domain.course import Course, Ended, SessionState, Vital
from referral.domain.records import Order
from referral.letters.render import Renderer
from referral.services.course import course_of
from referral.services.deliver_messages import deliver_due
from referral.storage import course
from tests.browser import run_chromium
from tests.database import ClinicFixture
from tests.journeys.looking import look
from tests.services.bookings import open_order
from tests.services.sending import Provider, delivery
from tests.services.test_report_back import recommended
from tests.web.desk import Desk, OpenDesk

START = {
    "supervisor": "Elena Whitcombe, MD",
    "physician_present": "yes",
    "systolic": "124",
    "diastolic": "78",
}


@pytest.fixture
def order(clinic: ClinicFixture) -> Order:
    return open_order(clinic)


@pytest.fixture
def nurse(clinic: ClinicFixture, open_desk: OpenDesk, order: Order) -> Desk:
    made = open_desk(clinic, Role.CLINICIAN)
    made.get(f"/orders/{order.id}/course")
    return made


def read(clinic: ClinicFixture, order: Order) -> Course:
    with clinic.transaction() as session:
        return course_of(session, order.id)


def begun(nurse: Desk, order: Order) -> str:
    nurse.post(f"/orders/{order.id}/course/start", START)
    assert nurse.status == 200, nurse.text
    return nurse.path


def test_who_sees_no_answers_sees_no_course(clinic: ClinicFixture, open_desk: OpenDesk, order: Order) -> None:
    robin = open_desk(clinic)
    robin.get(f"/orders/{order.id}/course")
    assert robin.status == 403
    assert "Course of treatment" not in robin.get(f"/orders/{order.id}")


def test_nothing_typed_is_lost_when_something_is_refused_or_something_else_is_recorded(
    nurse: Desk, clinic: ClinicFixture, order: Order
) -> None:
    nurse.post(f"/orders/{order.id}/course/start", {**START, "physician_present": "", "heart_rate": "7x"})
    assert nurse.status == 400
    for name in ("physician_present", "heart_rate"):
        assert f'id="{name}-error"' in nurse.page
    assert 'value="7x"' in nurse.page
    path = begun(nurse, order)
    nurse.post(f"{path}/dose", {"milligrams": "350", "kilograms": "70", "systolic": "131"})
    assert nurse.status == 400
    assert "per kilogram cannot be right" in nurse.text
    nurse.post(f"{path}/dose", {"milligrams": "35,5", "kilograms": "71", "systolic": "131"})
    assert 'value="131"' in nurse.page
    assert 'value="35,5"' not in nurse.page
    assert "Ketamine 35.5 mg (0.5 mg/kg)" in nurse.text


def test_a_form_that_is_sent_twice_records_once(nurse: Desk, clinic: ClinicFixture, order: Order) -> None:
    form = {**nurse.hidden(), **START}
    for _ in range(2):
        nurse.client.post(f"/orders/{order.id}/course/start", data=form)
    (running,) = read(clinic, order).sessions
    path = f"/orders/{order.id}/sessions/{running.id}"
    nurse.get(path)
    form = {**nurse.hidden(), "heart_rate": "80", "phase": "during", "milligrams": "35", "effect": "other"}
    for step in ("vitals", "dose", "effect") * 2:
        nurse.client.post(f"{path}/{step}", data={**form, "severity": "mild"})
    (running,) = read(clinic, order).sessions
    assert (len(running.vitals), len(running.doses), len(running.effects)) == (2, 1, 1)


def test_a_correction_shows_both_versions_and_who(nurse: Desk, clinic: ClinicFixture, order: Order) -> None:
    begun(nurse, order)
    (vital,) = read(clinic, order).sessions[0].vitals
    path = f"/records/vital/{vital.id}"
    nurse.get(path)
    nurse.post(f"{path}/correct", {"value": "142", "diastolic": "78", "phase": "before"})
    assert nurse.status == 400
    assert 'id="why-error"' in nurse.page
    nurse.post(
        f"{path}/correct",
        {"value": "142", "diastolic": "78", "phase": "before", "why": "typing-error"},
    )
    assert "Blood pressure 142/78, before" in nurse.text
    assert "Blood pressure 124/78, before" in nurse.text
    assert "It was mistyped" in nurse.text
    nurse.post(f"{path}/error", {"why": "wrong-place"})
    assert "It is marked as an error" in nurse.text
    with clinic.transaction() as session:
        assert len(course.versions(session, Vital, vital.id)) == 3
    assert read(clinic, order).sessions[0].vitals == ()


def test_a_change_of_medication_is_recorded_once_shown_and_corrected(
    nurse: Desk, clinic: ClinicFixture, order: Order
) -> None:
    path = f"/orders/{order.id}/course/medication"
    nurse.post(path, {"medication_words": "", "changed_on": ""})
    assert nurse.status == 400
    for name in ("medication_words", "changed_on"):
        assert f'id="{name}-error"' in nurse.page
    form = {**nurse.hidden(), "medication_words": "sertraline 100 mg to 150 mg", "changed_on": "2026-11-02"}
    for _ in range(2):
        nurse.client.post(path, data=form)
    (change,) = read(clinic, order).medication
    nurse.get(f"/orders/{order.id}/course")
    assert "sertraline 100 mg to 150 mg" in nurse.text
    record = f"/records/medication/{change.id}"
    nurse.get(record)
    assert 'value="sertraline 100 mg to 150 mg"' in nurse.page
    corrected = {"medication_words": "sertraline 50 mg to 100 mg", "changed_on": "2026-11-01"}
    nurse.post(f"{record}/correct", {**corrected, "why": "typing-error"})
    assert "Nov 1" in nurse.text
    assert "sertraline 50 mg to 100 mg" in nurse.text
    assert "sertraline 100 mg to 150 mg" in nurse.text
    nurse.post(f"{record}/error", {"why": "wrong-place"})
    assert read(clinic, order).medication == ()


def test_candidacy_plan_and_end(nurse: Desk, clinic: ClinicFixture, order: Order) -> None:
    base = f"/orders/{order.id}/course"
    nurse.post(f"{base}/decide", {"decision": "candidate"})
    assert nurse.status == 400
    told = {"risks_discussed": "yes", "benefits_discussed": "yes", "self_pay_notice": "yes"}
    nurse.post(f"{base}/decide", {"decision": "candidate", **told})
    assert "risks, benefits, self-pay notice" in nurse.text
    nurse.post(f"{base}/plan", {"planned_sessions": "6", "spacing_days": "3"})
    assert "0 of 6 completed" in nurse.text
    nurse.post(f"{base}/event", {"effect": "91175000", "severity": "severe"})
    assert "The serious event is recorded" in nurse.text
    nurse.post(f"{base}/end", {"ending": "stopped-early"})
    assert 'id="stop_reason-error"' in nurse.page
    nurse.post(f"{base}/end", {"ending": "stopped-early", "stop_reason": "adverse-event"})
    assert "Stopped early" in nurse.text
    assert "Start a session" not in nurse.text


def test_how_a_course_ended_is_corrected_and_both_versions_are_shown(
    nurse: Desk, clinic: ClinicFixture, order: Order, open_desk: OpenDesk
) -> None:
    nurse.post(f"/orders/{order.id}/course/end", {"ending": "stopped-early", "stop_reason": "adverse-event"})
    path = f"/records/end/{order.id}"
    assert f'href="{path}"' in nurse.page
    nurse.get(path)
    assert "mark as an error" not in nurse.text
    right = {"ending": "stopped-early", "stop_reason": "patient-wish", "ended_on": "2026-11-02"}
    for wrong, field in (
        ({"ending": "completed"}, "ending"),
        ({"stop_reason": ""}, "stop_reason"),
        ({"ended_on": "2026-11-04"}, "ended_on"),
    ):
        nurse.post(f"{path}/correct", {**right, "why": "typing-error", **wrong})
        assert (nurse.status, f'id="{field}-error"' in nurse.page) == (400, True), nurse.text
    nurse.post(f"{path}/error", {**right, "why": "typing-error"})
    assert "What has ended stays ended" in nurse.text
    nurse.get(path)
    nurse.post(f"{path}/correct", {**right, "why": "typing-error"})
    assert "Stopped early, the patient’s wish, Mon, Nov 2" in nurse.text
    assert "It was mistyped" in nurse.text
    with clinic.transaction() as session:
        assert len(course.versions(session, Ended, order.id)) == 2
    robin = open_desk(clinic)
    robin.get(path)
    assert robin.status == 403


def test_who_corrects_what_was_told_reads_who_gets_a_corrected_report(
    clinic: ClinicFixture, open_desk: OpenDesk, tmp_path: Path
) -> None:
    referral, nurse = recommended(clinic), open_desk(clinic, Role.CLINICIAN)
    course_page = f"/orders/{referral.order_id}/course"
    nurse.get(course_page)
    nurse.post(f"{course_page}/event", {"effect": "91175000", "severity": "severe"})
    with clinic.transaction() as session:
        (event,) = course_of(session, referral.order_id).serious_events
    path = f"/records/effect/{event.id}"
    nurse.get(path)
    assert "A corrected one goes out by itself" not in nurse.text
    deliver_due(delivery(clinic, Renderer(tmp_path), email=Provider()), clinic.id)
    nurse.get(path)
    assert "Chidi Okafor, MD has a report of this. A corrected one goes out by itself." in nurse.text
    right = {"effect": event.code, "severity": "moderate", "serious": "yes", "why": "typing-error"}
    nurse.post(f"{path}/correct", right)
    assert nurse.status == 200, nurse.text
    nurse.get(course_page)
    assert "Serious adverse event, corrected" in nurse.text
    assert "Replaced" in nurse.text
    nurse.get(f"/requests/{referral.id}")
    assert "serious adverse event, corrected" in nurse.text


def test_a_nurses_session_on_a_tablet(clinic: ClinicFixture, open_desk: OpenDesk, order: Order) -> None:
    nurse = open_desk(clinic, Role.CLINICIAN)
    base = str(nurse.client.base_url)
    with run_chromium() as chromium:
        context = chromium.new_context(base_url=base, viewport={"width": 768, "height": 1024}, has_touch=True)
        token = nurse.client.cookies["referral_staff"]
        context.add_cookies([{"name": "referral_staff", "value": token, "url": base}])
        page = context.new_page()
        page.goto(f"/orders/{order.id}/course")
        look(page, "course")
        treat(page)
    found = read(clinic, order)
    (done,) = found.sessions
    assert (done.state, done.supervisor) == (SessionState.COMPLETED, "Elena Whitcombe, MD")
    assert (len(done.vitals), len(done.doses), len(done.effects)) == (5, 1, 1)
    assert done.ride_home


def treat(page: Page) -> None:
    """From the start to the way home."""
    page.get_by_label("Supervising physician").tap()
    page.keyboard.type("Elena Whitcombe, MD")
    page.get_by_label("The physician is present throughout").check()
    for label, value in {"Systolic": "124", "Diastolic": "78", "Heart rate": "72", "SpO₂": "98"}.items():
        page.get_by_label(label).fill(value)
    page.get_by_role("button", name="Start the infusion now").tap()
    expect(page.get_by_role("heading", name="Session 1")).to_be_visible()
    assert page.get_by_label("Systolic").get_attribute("inputmode") == "numeric"
    small = page.evaluate(
        "[...document.querySelectorAll('.touch .button, .touch .input')]"
        ".filter(e => e.getBoundingClientRect().height < 44).length"
    )
    assert small == 0
    for width in (768, 1024):
        page.set_viewport_size({"width": width, "height": 1024})
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_label("Dose", exact=False).first.fill("35")
    page.get_by_label("Weight").fill("70")
    page.get_by_role("button", name="Record the dose").tap()
    expect(page.get_by_text("Ketamine 35 mg (0.5 mg/kg)")).to_be_visible()
    page.get_by_label("Heart rate").fill("81")
    page.get_by_label("Breaths").fill("15")
    page.get_by_role("button", name="Record vital signs").tap()
    expect(page.get_by_role("cell", name="81")).to_be_visible()
    page.get_by_label("Side effect", exact=True).select_option("422587007")
    page.get_by_role("button", name="Record the side effect").tap()
    expect(page.get_by_role("link", name="Nausea")).to_be_visible()
    look(page, "session-running")
    page.get_by_role("button", name="Stopped now").tap()
    expect(page.get_by_text("The infusion has stopped")).to_be_visible()
    page.get_by_role("button", name="End the session").tap()
    expect(page.get_by_role("alert")).to_be_visible()
    look(page, "session-refused")
    page.get_by_label("Completed").check()
    page.get_by_role("group", name="Discharge criteria met?").get_by_label("Yes").check()
    page.get_by_role("group", name="Somebody takes the patient home?").get_by_label("Yes").check()
    page.get_by_role("button", name="End the session").tap()
    expect(page.get_by_text("The session is completed")).to_be_visible()
    look(page, "session-done")
    page.get_by_role("link", name="124/78").tap()
    expect(page.get_by_role("heading", name="A vital sign")).to_be_visible()
    look(page, "record")


def test_a_second_session_of_the_day_has_to_be_meant(
    nurse: Desk, clinic: ClinicFixture, order: Order
) -> None:
    path, page = begun(nurse, order), f"/orders/{order.id}/course"
    nurse.post(f"{path}/dose", {"milligrams": "35", "kilograms": "70"})
    nurse.post(f"{path}/finish", {"state": "completed", "discharge": "yes", "ride": "yes"})
    assert nurse.status == 200, nurse.text
    nurse.get(page)
    nurse.post(f"{page}/start", START)
    assert nurse.status == 400
    assert 'id="another-error"' in nurse.page
    assert len(read(clinic, order).sessions) == 1
    nurse.post(f"{page}/start", {**START, "another": "yes"})
    assert len(read(clinic, order).sessions) == 2
