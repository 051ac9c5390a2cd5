"""A receptionist behind a slow line: the pages are small, nothing typed is lost, nothing is sent twice.

The line is 3G as the GSM Association's guides have it for a busy cell: 400 ms there and back, 400 kbit/s.
"""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, Route, expect

from referral.domain.codes import Role
from referral.services.accounts import NewUser, add_user
from tests.journeys.place import Place
from tests.journeys.test_again_journey import made, twice
from tests.services import people

PASSWORD = "a quiet harbour at dawn"
MOST = 100_000


class Line:
    """What comes over the line of one page, counted as it travels."""

    def __init__(self, page: Page) -> None:
        self.bytes = 0
        devtools = page.context.new_cdp_session(page)
        devtools.on("Network.loadingFinished", self._count)
        devtools.send("Network.enable")
        slow = {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
        devtools.send("Network.emulateNetworkConditions", slow)

    def _count(self, finished: dict[str, Any]) -> None:
        self.bytes += int(finished["encodedDataLength"])

    def since(self) -> int:
        """Bytes since it was last asked, heads of answers among them."""
        self.bytes, came = 0, self.bytes
        return came


def holding(page: Page, address: str) -> list[Route]:
    """What is asked for at an address from now on, which gets no answer by itself."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(address, hold)
    return held


def receptionist(place: Place) -> str:
    """An account with a password; its e-mail address."""
    email = f"robin-{place.clinic.id}@clinic.example"
    robin = NewUser(email=email, name="Robin Desk", role=Role.FRONT_DESK, password=PASSWORD)
    with place.clinic.transaction() as session:
        add_user(session, place.clinic.actor, robin)
    return email


def people_on_file(place: Place) -> None:
    """Two whose names begin alike, and one who treats them."""
    with place.clinic.transaction() as session:
        people.clinician(session, place.clinic)
        for given in ("Fay", "Felicity"):
            people.patient(session, place.clinic, given=given, family="Fallowmere")


def test_a_request_is_asked_for_over_a_slow_line(place: Place) -> None:
    # Given a receptionist whose browser has never been here
    people_on_file(place)
    page = place.context().new_page()
    line = Line(page)
    # When she signs in
    page.goto("/sign-in", wait_until="networkidle")
    assert 0 < line.since() < MOST
    page.get_by_label("E-mail").fill(receptionist(place))
    page.get_by_label("Password").fill(PASSWORD)
    twice(page, "Sign in")
    expect(page.get_by_role("heading", name="Today")).to_be_visible()
    # Then Today and its script are small, and what the pages share comes once
    page.wait_for_load_state("load")
    assert line.since() < MOST
    page.get_by_role("link", name="New request").first.click()
    box = page.get_by_role("combobox", name="Find a patient")
    box.press_sequentially("fallow")
    patients = page.get_by_role("listbox", name="Find a patient").get_by_role("option")
    expect(patients).to_have_count(3)
    assert line.since() < 40_000
    # When she fills in the form as it comes
    patients.filter(has_text="Felicity").click()
    page.get_by_role("combobox", name="Find an indication").press_sequentially("F33.2")
    page.get_by_role("listbox", name="Find an indication").get_by_role("option").first.click()
    page.get_by_role("combobox", name="Find a clinician").press_sequentially("okafor")
    page.get_by_role("listbox", name="Find a clinician").get_by_role("option").first.click()
    expect(page.locator(".summary")).to_contain_text("Felicity Fallowmere")
    # and clicks twice because nothing happens at once
    posted = twice(page, "Send request")
    # Then it is asked for once, and the page of the request says so
    expect(page.get_by_text("The request is on its way")).to_be_visible()
    assert len(posted) == 1
    after = made(place)
    assert (after["referral"], after["message"]) == (1, 1)
    asked = place.one("SELECT given FROM patient JOIN referral ON patient.id = referral.patient_id")
    assert asked == ("Felicity",)


def test_a_late_answer_is_not_taken_for_that_to_other_words(place: Place) -> None:
    # Given a line that holds back what was asked for first
    people_on_file(place)
    page = place.sit(Role.FRONT_DESK, "Robin Desk").page
    held = holding(page, "**/lookups/patients?q=fa")
    page.goto("/requests/new")
    box = page.get_by_role("combobox", name="Find a patient")
    options = page.get_by_role("listbox", name="Find a patient").get_by_role("option")
    with page.expect_request("**/lookups/patients?q=fa"):
        box.press_sequentially("fa")
    # When the answer to the second comes before that to the first
    box.fill("felicity")
    expect(options).to_have_count(2)
    for late in held:
        late.fulfill(json={"items": [{"value": "1", "label": "Fay Fallowmere"}], "more": False})
    page.evaluate("() => new Promise(requestAnimationFrame)")
    # Then the list is that of what stands in the box
    expect(options.first).to_contain_text("Felicity")
    assert box.input_value() == "felicity"
    # When she types on and presses Enter before there is an answer
    held = holding(page, "**/lookups/patients?q=felicity+x")
    box.press_sequentially(" x")
    box.press("Enter")
    # Then nobody is chosen, and what she typed stands
    expect(page.locator("input[name=patient]:checked")).to_have_count(0)
    assert box.input_value() == "felicity x"
    for late in held:
        late.abort()


def test_what_is_typed_before_the_script_has_come_is_searched_for(place: Place) -> None:
    people_on_file(place)
    page = place.sit(Role.FRONT_DESK, "Robin Desk").page
    held = holding(page, "**/staff.js")
    page.goto("/requests/new", wait_until="commit")
    box = page.locator("#patient_query")
    box.press_sequentially("felicity")
    (script,) = held
    script.continue_()
    options = page.get_by_role("listbox", name="Find a patient").get_by_role("option")
    expect(options.first).to_contain_text("Felicity")
    assert box.input_value() == "felicity"
