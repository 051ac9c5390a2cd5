"""The running service, a browser, and people who sign in to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from referral.storage.db import Database
from tests.browser import run_chromium
from tests.journeys import desk
from tests.journeys.place import Place, Server, opening, serving
from tests.journeys.service import Service, last_business_morning, run_service

SignIn = Callable[[str], Page]
NewContext = Callable[..., BrowserContext]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The ladder waits for beat most of the time: begun first, it ends before the others have."""
    items.sort(key=lambda item: "test_ladder_journey" not in item.nodeid)


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """One for all journeys of a test process that get along with each other; each has its own patients."""
    with run_service(last_business_morning()) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ends with its module: Playwright leaves an event loop running in the thread that others use as well."""
    with run_chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def server(database: Database) -> Iterator[Server]:
    """The web part alone, for journeys that no worker takes part in."""
    with serving(database) as made:
        yield made


@pytest.fixture
def place(database: Database, server: Server, browser: Browser) -> Iterator[Place]:
    """A clinic of its own there."""
    with opening(database, server, browser) as made:
        yield made


@pytest.fixture
def context(service: Service, browser: Browser) -> Iterator[NewContext]:
    """Makes browsers that know nothing of each other, as on different desks."""
    made: list[BrowserContext] = []

    def new(**options: object) -> BrowserContext:
        settings: dict[str, object] = {
            "base_url": service.address,
            "locale": "en-US",
            "viewport": {"width": 1440, "height": 900},
        }
        one = browser.new_context(**(settings | options))  # type: ignore[arg-type]
        one.set_default_timeout(20_000)
        made.append(one)
        return one

    yield new
    for one in made:
        one.close()


@pytest.fixture
def sign_in(context: NewContext) -> SignIn:
    """A page of somebody who works in the clinic: desk, nurse, director, admin or auditor."""

    def as_person(who: str) -> Page:
        page = context().new_page()
        desk.sign_in(page, who)
        return page

    return as_person
