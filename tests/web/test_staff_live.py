"""Open pages follow the database (docs/adr/0033)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from referral.domain.codes import Role
from referral.domain.records import Referral
from referral.services.move_ladder import hold_request, resume_request
from referral.storage import referrals
from referral.web.live import BEAT, LOOK, MOST_STREAMS
from tests.browser import run_chromium
from tests.database import ClinicFixture, Clock
from tests.journeys.looking import look
from tests.services import people
from tests.web.client import application
from tests.web.desk import Desk, OpenDesk, desk
from tests.web.portal_case import serve

_ASKING = {"Referral-Live": "1"}


@dataclass(slots=True)
class Heard:
    """A stream that is read message by message; `first` says whether anything was missed."""

    messages: Iterator[bytes]
    first: bytes = b""

    def next(self) -> bytes:
        """The next that is no sign of life only."""
        return next(message for message in self.messages if message != BEAT)

    def rest(self) -> list[bytes]:
        """Everything to the end; does not return before the server has ended the stream."""
        return [message for message in self.messages if message != BEAT]


def _messages(response: httpx.Response) -> Iterator[bytes]:
    said = b""
    for piece in response.iter_raw():
        said += piece
        while b"\n\n" in said:
            message, _, said = said.partition(b"\n\n")
            yield message + b"\n\n"


@contextmanager
def listening(person: Desk, *names: str, age: float = 0) -> Iterator[Heard]:
    query = {"follow": list(names), "age": str(age)}
    with person.client.stream("GET", "/live", params=query, headers=_ASKING) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        messages = _messages(response)
        yield Heard(messages, next(messages))


def asked(clinic: ClinicFixture) -> Referral:
    with clinic.transaction() as session:
        return people.asked_once(session, clinic)


def hold(clinic: ClinicFixture, referral: Referral) -> None:
    with clinic.transaction() as session:
        version = referrals.get(session, referral.id).version
        hold_request(session, people.colleague(clinic), referral.id, version, Clock().now)


def resume(clinic: ClinicFixture, referral: Referral) -> None:
    with clinic.transaction() as session:
        version = referrals.get(session, referral.id).version
        resume_request(session, people.colleague(clinic), referral.id, version, Clock().now)


def test_a_page_is_told_to_look_again_and_nothing_else_until_its_session_ends(
    clinic: ClinicFixture, other_clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    referral = asked(clinic)
    ours, theirs = open_desk(clinic), open_desk(other_clinic)
    name = f"Patient/{patient_of(clinic, referral)}"
    with listening(ours, name) as page, listening(theirs, name, "*") as foreign:
        hold(clinic, referral)
        assert page.next() == LOOK == b"event: changed\ndata:\n\n"
        for person in (theirs, ours):
            person.get("/")
            person.post("/sign-out")
        assert foreign.rest() == []
        assert page.rest() == []


def patient_of(clinic: ClinicFixture, referral: Referral) -> str:
    with clinic.transaction() as session:
        return referrals.get(session, referral.id).patient_id


def test_only_who_sees_the_work_hears_of_it_and_only_our_own_script(
    clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    query = {"follow": "*", "age": "0"}
    statuses = {}
    for role in (Role.FRONT_DESK, Role.ADMIN, Role.AUDITOR):
        client = open_desk(clinic, role).client
        client.follow_redirects = False
        headers = {} if role is Role.FRONT_DESK else _ASKING
        statuses[role] = client.get("/live", params=query, headers=headers).status_code
    assert statuses == {Role.FRONT_DESK: 404, Role.ADMIN: 403, Role.AUDITOR: 403}
    robin = open_desk(clinic)
    for wrong in ({"age": "0"}, {"follow": "*"}, {"follow": "a b", "age": "0"}, {"follow": "*", "age": "-1"}):
        assert robin.client.get("/live", params=wrong, headers=_ASKING).status_code == 400


def test_one_account_has_few_streams_and_a_place_that_is_left_is_free(
    clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    robin = open_desk(clinic)
    with ExitStack() as opened:
        for _ in range(MOST_STREAMS):
            opened.enter_context(listening(robin, "*"))
        refused = robin.client.get("/live", params={"follow": "*", "age": "0"}, headers=_ASKING)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
        with listening(open_desk(clinic), "*") as another:
            robin.get("/")
            robin.post("/sign-out")
            assert another.first in (BEAT, LOOK)


def test_what_a_page_asks_by_itself_keeps_no_session_alive(clinic: ClinicFixture) -> None:
    clock = Clock()
    with serve(application(clinic, clock)) as address:
        robin, kim = desk(address, clinic, Role.FRONT_DESK), desk(address, clinic, Role.FRONT_DESK)
        with robin.client, kim.client, listening(robin, "*") as page:
            clock.forward(10 * 60)
            assert robin.client.get("/", headers=_ASKING).status_code == 200
            assert "Today" in kim.get("/")
            clock.forward(10 * 60)
            assert "Today" in kim.get("/")
            kim.post("/sign-out")  # makes every stream look whether its own session runs
            assert LOOK not in page.rest()
            robin.get("/")
            assert robin.path == "/sign-in/unlock"


def test_a_server_that_stops_ends_its_streams(clinic: ClinicFixture) -> None:
    with ExitStack() as opened:
        running = opened.enter_context(ExitStack())
        address = running.enter_context(serve(application(clinic)))
        robin = desk(address, clinic, Role.FRONT_DESK)
        opened.enter_context(robin.client)
        page = opened.enter_context(listening(robin, "*"))
        running.close()
        assert page.rest() == []


def test_a_page_that_was_loaded_before_a_change_is_told_when_it_begins_to_listen(
    clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    referral = asked(clinic)
    robin = open_desk(clinic)
    name = f"Patient/{patient_of(clinic, referral)}"
    with listening(robin, name) as page:
        hold(clinic, referral)
        assert page.next() == LOOK
    with listening(robin, name, age=140) as page:
        assert page.first == LOOK


# ---- In a browser


@pytest.fixture
def browser() -> Iterator[Browser]:
    with run_chromium() as launched:
        yield launched


def sit(browser: Browser, address: str, clinic: ClinicFixture) -> Page:
    with desk(address, clinic, Role.FRONT_DESK).client as client:
        token = client.cookies["referral_staff"]
    context = browser.new_context(base_url=address)
    context.add_cookies([{"name": "referral_staff", "value": token, "url": address}])
    page = context.new_page()
    page.set_default_timeout(20_000)
    return page


def test_two_receptionists_see_what_the_other_does(clinic: ClinicFixture, browser: Browser) -> None:
    referral = asked(clinic)
    listener = socket.create_server(("127.0.0.1", 0))
    with ExitStack() as running:
        address = running.enter_context(serve(application(clinic), listener))
        robin, kim = sit(browser, address, clinic), sit(browser, address, clinic)
        robin.goto(f"/requests/{referral.id}")
        kim.goto(f"/requests/{referral.id}")
        # What Robin writes stays, and so does where Robin is.
        robin.get_by_text("Change or add a contact").click()
        typed = robin.get_by_label("Number or address")
        typed.fill("303-555-0199")
        kim.get_by_text("Pause the reminders").click()
        kim.get_by_role("button", name="Hold without a date").click()
        expect(kim.get_by_text("The request is on hold")).to_be_visible()
        happened = robin.get_by_role("region", name="What happened")
        expect(happened).to_contain_text("Put on hold")
        expect(typed).to_have_value("303-555-0199")
        expect(typed).to_be_focused()
        expect(robin.locator("#contact [data-held]")).to_contain_text("This has changed since you began.")
        look(robin, "live-held")
        robin.locator("#contact").get_by_role("button", name="Show").click()
        expect(robin.locator("#contact [data-held]")).to_have_count(0)
        expect(typed).to_have_value("303-555-0199")
    with socket.create_server(listener_address(address)) as again, serve(application(clinic), again):
        resume(clinic, referral)
        expect(happened).to_contain_text("Reminders go on")
        expect(typed).to_have_value("303-555-0199")
        expect(robin.get_by_text("Not live")).to_be_hidden()
        # Whoever sends what was begun before the change is told what it was, and has lost nothing.
        robin.get_by_text("Give it more time").click()
        robin.get_by_label("Business days to add").fill("3")
        hold(clinic, referral)
        expect(robin.locator("#extend [data-held]")).to_be_visible()
        robin.get_by_role("button", name="Extend").click()
        told = robin.get_by_role("alert").filter(has_text="Somebody was faster")
        expect(told).to_contain_text("A request was put on hold, by somebody")
        look(robin, "conflict")


def listener_address(address: str) -> tuple[str, int]:
    host, _, port = address.removeprefix("http://").partition(":")
    return host, int(port)
