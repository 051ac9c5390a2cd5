"""The forms of the main job clicked twice, and sent again after Back: everything is made once."""

from __future__ import annotations

from datetime import timedelta

from playwright.sync_api import Page, Request, expect

from referral.domain.codes import Channel, Role
from referral.storage import referrals
from tests.database import NOW
from tests.journeys import portal
from tests.journeys.desk import take
from tests.journeys.place import Place
from tests.services import people
from tests.web.portal_case import BORN, make_case


def made(place: Place) -> dict[str, int]:
    """How many there are of what the main job makes."""
    names = ("patient", "infusion_order", "referral", "message", "consultation", "treatment_start")
    return {name: place.one(f"SELECT count(*) FROM {name}")[0] for name in (*names, "recommendation")}


def twice(page: Page, button: str) -> list[str]:
    """A double click on it; what is posted from then on. Whoever calls waits for what the next page shows."""
    posted: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST" and request.is_navigation_request():
            posted.append(request.url)

    page.on("request", note)
    page.get_by_role("button", name=button).first.dblclick(no_wait_after=True)
    return posted


def test_what_staff_send_is_made_once(place: Place) -> None:
    with place.clinic.transaction() as session:
        people.clinician(session, place.clinic)
        order = people.order(session, place.clinic, people.patient(session, place.clinic))
    robin, nurse = place.sit(Role.FRONT_DESK, "Robin Desk").page, place.sit(Role.CLINICIAN, "Nico Nurse").page
    # When a receptionist clicks twice, goes back and sends what she finds there
    robin.goto(f"/requests/new?patient={order.patient_id}&order={order.id}")
    take(robin, "Find a clinician", "Okafor")
    expect(robin.locator(".summary")).to_contain_text("Okafor")
    posted = twice(robin, "Send request")
    expect(robin.get_by_text("The request is on its way")).to_be_visible()
    assert len(posted) == 1
    once = made(place)
    assert (once["referral"], once["message"]) == (1, 1)
    robin.go_back()
    robin.get_by_role("button", name="Send").last.click()
    # Then she is told that it was not sent, and one clinician is asked once
    expect(robin.get_by_role("alert").first).to_contain_text("Not sent yet")
    assert made(place) == once
    # When a nurse clicks twice on what comes after the answer
    (id,) = place.one("SELECT id FROM referral")
    with place.clinic.transaction() as session:
        people.respond_with(session, place.clinic, referrals.get(session, id))
    nurse.goto(f"/orders/{order.id}")
    nurse.get_by_label("Date").first.fill(NOW.date().isoformat())
    nurse.get_by_label("Clinician of this clinic").fill("Elena R. Whitcombe, MD")
    posted = twice(nurse, "Record the consultation")
    expect(nurse.get_by_text("The consultation is recorded")).to_be_visible()
    assert len(posted) == 1
    # Then the page that she comes back to does not ask for it again
    nurse.go_back()
    expect(nurse.get_by_role("button", name="Start an infusion now")).to_be_enabled()
    expect(nurse.get_by_role("button", name="Record the consultation")).to_have_count(0)
    posted = twice(nurse, "Start an infusion now")
    expect(nurse.get_by_text("Treatment is started")).to_be_visible()
    assert len(posted) == 1
    nurse.go_back()
    starts = nurse.get_by_role("region", name="Table of treatments started")
    expect(starts.get_by_role("row")).to_have_count(2)
    after = made(place)
    assert (after["consultation"], after["treatment_start"]) == (1, 1)


def test_after_back_nothing_is_ticked_that_nobody_chose(place: Place) -> None:
    # Given a form filled in by type-ahead, and a receptionist who looks at another page
    with place.clinic.transaction() as session:
        people.clinician(session, place.clinic)
        people.patient(session, place.clinic)
    page = place.sit(Role.FRONT_DESK, "Robin Desk").page
    page.goto("/requests/new")
    take(page, "Find a patient", "Nguyễn")
    take(page, "Find an indication", "F33.2")
    take(page, "Find a clinician", "Okafor")
    expect(page.locator("[data-picked] input:checked")).to_have_count(3)
    page.get_by_role("link", name="Calls").first.click()
    page.wait_for_url("**/calls")
    # When she comes back
    page.go_back()
    # Then the form is empty: nobody new is asked for instead of those that she had chosen
    page.wait_for_url("**/requests/new")
    expect(page.get_by_role("combobox", name="Find a clinician")).to_be_visible()
    expect(page.locator("[data-picked] input:checked")).to_have_count(0)


def test_what_a_clinician_sends_is_made_once(place: Place) -> None:
    # Given a clinician on a telephone, who clicks twice on everything
    case = make_case(place.clinic)
    minted = case.link(Channel.FAX)
    page = place.context(viewport={"width": 360, "height": 740}).new_page()
    page.goto(f"/r/{minted.selector}/{minted.secret}")
    twice(page, "Continue")
    for label, value in (("Month", BORN.month), ("Day", BORN.day), ("Year", BORN.year)):
        page.get_by_label(label, exact=True).fill(str(value))
    twice(page, "Show the request")
    twice(page, "I recommend it")
    portal.fill_in_questions(page, (NOW - timedelta(days=9)).date())
    twice(page, "Continue to sign")
    portal.fill_in_signature(page, "Hollis Brandywine")
    twice(page, "Sign and send")
    # Then the answer has arrived once, and so did every step before it
    expect(page.get_by_role("heading", name="your answer has arrived")).to_be_visible()
    happened = [("asked",), ("portal-opened",), ("identity-proven",), ("answered",)]
    assert place.rows("SELECT event FROM referral_event ORDER BY id") == happened
    once = made(place)
    assert once["recommendation"] == 1
    # When they go back as far as the browser goes, every page says that it has arrived
    for _ in range(2):
        page.go_back()
        expect(page.get_by_role("heading", name="your answer has arrived")).to_be_visible()
        expect(page.get_by_role("button", name="Sign and send")).to_have_count(0)
    assert made(place) == once
    assert place.rows("SELECT event FROM referral_event ORDER BY id") == happened
