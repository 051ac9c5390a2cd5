"""Every page of the staff in a browser, made from the routes: accessible, light and dark, wide and narrow.

What is folded is unfolded first, so that the steps of a page are looked at as well. Pictures for people:
`REFERRAL_TEST_PICTURES=directory`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from playwright.sync_api import BrowserContext, Page, sync_playwright

from referral.domain.codes import Role
from tests.database import make_clinic
from tests.journeys.looking import Looker
from tests.web.busy import furnish_a_busy_day
from tests.web.client import application
from tests.web.desk import desk
from tests.web.pages import WHO, Place, pages_of
from tests.web.portal_case import serve

# Pages that show something else by what is asked of them.
_ASKED: Final = (
    "/requests?state=all&q=nobody-is-called-so",
    "/requests?state=all&sort=asked&channel=fax",
    "/outbox?state=failed",
    "/bookings?day=2026-11-10",
    "/fax-inbox?state=dismissed",
    "/patients?q=zw",
    "/directory/register?q=chen",
    "/nowhere",
)


@pytest.fixture(scope="module")
def place(database: Any) -> Place:
    return furnish_a_busy_day(make_clinic(database))


def pages(place: Place) -> Iterator[tuple[str, Role]]:
    yield from pages_of(place)
    for path in _ASKED:
        yield path, WHO[0]
    yield "/?", WHO[1]


@pytest.fixture(scope="module")
def visits(place: Place) -> Iterator[dict[Role, Page]]:
    """A browser for each, signed in; nothing moves in it."""
    with serve(application(place.clinic)) as address, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])

        def signed_in(role: Role) -> Page:
            context: BrowserContext = chromium.new_context(base_url=address, reduced_motion="reduce")
            with desk(address, place.clinic, role).client as client:
                token = client.cookies["referral_staff"]
            context.add_cookies([{"name": "referral_staff", "value": token, "url": address}])
            return context.new_page()

        yield {role: signed_in(role) for role in WHO}
        chromium.close()


def test_every_page_of_the_staff_is_calm_light_and_dark_wide_and_narrow(
    place: Place, visits: dict[Role, Page]
) -> None:
    troubles: list[object] = []
    seen = 0
    for path, who in pages(place):
        page = visits[who]
        answer = page.goto(path)
        assert answer is not None
        if answer.status != (404 if path == "/nowhere" else 200):
            troubles.append((path, answer.status))
        troubles += Looker(page, _name(path, place)).troubles()
        seen += 1
    assert not troubles, "\n".join(map(str, troubles))
    assert seen > 50


def _name(path: str, place: Place) -> str:
    """Of its picture: the same in every run."""
    for name, ids in place.ids.items():
        for number, id in enumerate(ids):
            if len(id) > 8:
                path = path.replace(id, f"{name.removesuffix('_id')}{number or ''}")
    return re.sub(r"\W+", "-", path).strip("-") or ("today" if path == "/" else "no-work")
