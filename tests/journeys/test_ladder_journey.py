"""A request that nobody answers, day by day: beat and worker do it while a clock is moved."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.desk import Newcomer, ask, sign_in
from tests.journeys.looking import look
from tests.journeys.service import DENVER, Service, run_service
from tests.processes import eventually

OREN = Newcomer("Oren", "Thistlewood", date(1969, 6, 30))
PETRA = Newcomer("Petra", "Lindenmoor", date(1995, 2, 14))


def denver(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2027, month, day, hour, minute, tzinfo=DENVER).astimezone(UTC)


# Monday, January 18, is Martin Luther King Day: the second business day after that Friday is a Wednesday.
FRIDAY, FRIDAY_EVENING = denver(1, 15, 10), denver(1, 15, 18, 30)
HOLIDAY, TOO_EARLY, TUESDAY = denver(1, 18, 11), denver(1, 19, 7, 59), denver(1, 19, 8)
SECOND_DAY, FOURTH_DAY = denver(1, 20, 9), denver(1, 22, 9)
THURSDAY_EVENING = denver(1, 21, 17)
SIXTH_DAY, EIGHTH_DAY, TENTH_DAY = denver(1, 26, 9), denver(1, 28, 9), denver(2, 1, 9)
ASKED, REMINDED = "A secure request is waiting for you", "Reminder: a secure request is waiting for you"
# Oren has left the clinic no address of his own.
UNTOLD = "The patient was not written to; please tell them"
FAXED = "Reminder by fax: kept here, not sent"


@pytest.fixture(scope="module")
def pretended() -> Iterator[Service]:
    """A service of its own: here the clock runs ahead by weeks."""
    with run_service(FRIDAY) as started:
        yield started


class Followed:
    """One request, seen from the front desk on a day of its own."""

    def __init__(self, service: Service, page: Page, patient: Newcomer) -> None:
        self.service, self.page = service, page
        sign_in(page, "desk")
        self.number = ask(page, patient)
        self.path = page.url

    def happened(self) -> list[str]:
        """The timeline of what has been, oldest first; what comes next is a list of its own."""
        self.page.goto(self.path)
        if "/sign-in" in self.page.url:  # the last look is too long ago
            sign_in(self.page, "desk")
            self.page.goto(self.path)
        past = self.page.get_by_role("region", name="What happened")
        return past.locator(".timeline li .strong").all_inner_texts()[::-1]

    def wait_for(self, *events: str) -> None:
        """The timeline ends with these."""
        self.service.sweep()
        eventually(lambda: tuple(self.happened()[-len(events) :]) == events, 60)

    def mails(self) -> list[str]:
        return [str(m["Subject"]).partition(" (")[0] for m in self.service.post.letters(self.number)]


@pytest.fixture
def desk(pretended: Service, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(base_url=pretended.address, viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()


def test_nobody_answers_and_the_ladder_is_climbed_to_its_end(pretended: Service, desk: Page) -> None:
    clock = pretended.clock
    # Given a request whose letter has left on a Friday, and one that was made when offices were closed
    oren = Followed(pretended, desk, OREN)
    oren.wait_for("Asked", "Request: letter made", "Request by e-mail: sent")
    clock.set(FRIDAY_EVENING)
    petra = Followed(pretended, desk, PETRA)
    # When the weekend and a holiday pass, nothing leaves
    for moment in (HOLIDAY, TOO_EARLY):
        clock.set(moment)
        pretended.sweep()
        assert petra.mails() == []
        assert oren.mails() == [ASKED]
    petra.happened()
    look(desk, "ladder-1-waits-for-office-hours")
    # Then the second letter leaves when its reader's office opens
    clock.set(TUESDAY)
    petra.wait_for("Request by e-mail: sent")

    # When two business days have passed, the first reader is reminded by the same channel
    clock.set(SECOND_DAY)
    oren.wait_for("A reminder was due", "Reminder: letter made", "Reminder by e-mail: sent")
    assert oren.mails() == [ASKED, REMINDED]
    # but the second one is not reminded when the office has closed on the second day
    clock.set(THURSDAY_EVENING)
    pretended.sweep()
    assert petra.mails() == [ASKED]
    # After four business days the first is reminded by another channel, and the second catches up
    clock.set(FOURTH_DAY)
    oren.wait_for(
        "A reminder by another channel was due",
        "Reminder: letter made",
        FAXED,
    )
    look(desk, "ladder-2-reminded-twice")
    petra.wait_for("Reminder by e-mail: sent")
    # After six the desk is told to call
    clock.set(SIXTH_DAY)
    oren.wait_for("Put on the list of calls")
    desk.goto("/")
    call = desk.get_by_role("region", name="To call").locator(".row").filter(has_text=OREN.name)
    expect(call).to_contain_text("303-555-0121")
    expect(call).to_contain_text("Waiting 6 business days")
    look(desk, "ladder-3-today-call")
    clock.set(EIGHTH_DAY)
    oren.wait_for("Time to ask a second clinician", UNTOLD)
    # After ten the request has expired: its links are closed, and nothing was doubled on the way
    clock.set(TENTH_DAY)
    oren.wait_for("Expired without an answer", "Notice that no answer is needed by fax: kept here, not sent")
    look(desk, "ladder-4-expired")
    pretended.sweep()
    assert oren.happened() == [
        *("Asked", "Request: letter made", "Request by e-mail: sent"),
        *("A reminder was due", "Reminder: letter made", "Reminder by e-mail: sent"),
        *("A reminder by another channel was due", "Reminder: letter made"),
        *(
            FAXED,
            "Put on the list of calls",
            "Time to ask a second clinician",
            UNTOLD,
        ),
        *("Expired without an answer", "Notice that no answer is needed by fax: kept here, not sent"),
    ]
    assert oren.mails() == [ASKED, REMINDED]
    desk.goto(pretended.post.link(oren.number))
    desk.get_by_role("button", name="Continue").click()
    expect(desk.get_by_role("heading", name="This link cannot be used now")).to_be_visible()
    look(desk, "ladder-5-link-expired")
