"""Every page of the product in a real browser, at both widths, in light and in dark.

The pages come from the routes (tests/web/every_page.py), so a new one is looked at by itself. What a page
becomes when something is typed or pressed is looked at where that is tested.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Request

from referral.storage.db import Database
from tests.browser import run_chromium
from tests.database import make_clinic
from tests.journeys.looking import violations
from tests.web.busy import furnish_a_busy_day
from tests.web.client import application
from tests.web.every_page import Visits, visits
from tests.web.portal_case import serve

# Samples of letters are drawn for as long as all other pages take; they are looked at as letters.
_SAMPLES = re.compile(r"/settings/letters/|/settings/letterhead/look")
_BLANK = '<svg xmlns="http://www.w3.org/2000/svg"/>'
# The page itself, or a part of it that scrolls by itself; tables of numbers and samples may.
_TOO_WIDE = """() => [document.documentElement, ...document.querySelectorAll("main *")]
    .filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1
        && (e === document.documentElement || /auto|scroll/.test(getComputedStyle(e).overflowX))
        && !["Table of vital signs", "Sizes of letters", "Colours and their contrast"].includes(e.ariaLabel))
    .map(e => e.outerHTML.slice(0, 160))"""


@pytest.fixture(scope="module")
def everybody(database: Database) -> Iterator[Visits]:
    clinic = make_clinic(database)
    place = furnish_a_busy_day(clinic)
    with serve(application(clinic)) as address, ExitStack() as stack:
        yield visits(place, address, stack)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with run_chromium() as launched:
        yield launched


class Onlooker:
    """A browser that is lent to one visitor after the other; notes what is wrong with each page."""

    def __init__(self, chromium: Browser, everybody: Visits) -> None:
        self.wrong: list[str] = []
        self._everybody, self._where = everybody, ""
        # A colour on its way to another is measured as neither.
        self._context = chromium.new_context(base_url=everybody.address, reduced_motion="reduce")
        self._context.on("request", self._asked)
        self._context.on("console", self._said)
        self._context.on("weberror", lambda error: self._note(f"script: {error.error}"))
        self._context.route(_SAMPLES, lambda route: route.fulfill(content_type="image/svg+xml", body=_BLANK))
        self._page = self._context.new_page()

    def become(self, who: str) -> None:
        """With this visitor's cookies and nobody else's."""
        self._page.goto("about:blank")
        self._context.clear_cookies()
        for cookie in self._everybody.clients[who].cookies.jar:
            new = {"name": cookie.name, "value": cookie.value or "", "url": self._everybody.address}
            self._context.add_cookies([new])  # type: ignore[list-item]

    def look(self, path: str) -> None:
        """No script reads a width or a scheme, so that what is loaded once can be turned in place."""
        self._turn(path, 360, "light")
        self._page.goto(path)
        self._note_all(violations(self._page))
        self._turn(path, 360, "dark")
        self._note_all(violations(self._page, since="scheme"))
        self._note_what_scrolls()
        self._turn(path, 1440, "dark")
        self._note_all(violations(self._page, since="width"))
        self._note_what_scrolls()
        self._turn(path, 1440, "light")
        self._note_all(violations(self._page, since="scheme"))

    def _turn(self, path: str, width: int, scheme: Literal["light", "dark"]) -> None:
        self._where = f"{path} at {width}, {scheme}"
        self._page.set_viewport_size({"width": width, "height": 900})
        self._page.emulate_media(color_scheme=scheme)

    def _note_all(self, found: list[tuple[str, str]]) -> None:
        for rule, html in found:
            self._note(f"{rule}: {html}")

    def _note_what_scrolls(self) -> None:
        for html in self._page.evaluate(_TOO_WIDE):
            self._note(f"scrolls sideways: {html}")

    def print(self, path: str) -> None:
        self._where = f"{path} on paper"
        self._page.set_viewport_size(_SHEET)  # type: ignore[arg-type]
        self._page.emulate_media(media="print", color_scheme="dark")
        self._page.goto(path)
        for what, elements in self._page.evaluate(_ON_PAPER).items():
            for html in elements:
                self._note(f"{what}: {html}")

    def close(self) -> None:
        self._context.close()

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.netloc and parts.netloc != urlsplit(self._everybody.address).netloc:
            self._note(f"asks {request.url}")

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._note(f"says {message.text}")

    def _note(self, what: str) -> None:
        self.wrong.append(f"{self._where}: {what}")


_PARTS = [
    ("staff", 0),
    ("staff", 1),
    ("staff", 2),
    ("staff", 3),
    ("portal", None),
    ("patient", None),
    ("public", None),
]


@pytest.mark.parametrize(("kind", "part"), _PARTS)
def test_every_page_is_accessible_fits_and_keeps_to_itself(
    everybody: Visits, chromium: Browser, kind: str, part: int | None
) -> None:
    doors, silent = everybody.doors(kind)
    assert silent == []
    mine = [door for at, door in enumerate(doors) if part is None or at % 4 == part]
    assert mine
    onlooker = Onlooker(chromium, everybody)
    for who in sorted({door.who for door in mine}):
        onlooker.become(who)
        for door in mine:
            if door.who == who:
                onlooker.look(door.path)
    onlooker.close()
    assert not onlooker.wrong, "\n".join(onlooker.wrong)


# A sheet of letter paper without its margins, in CSS pixels.
_SHEET = {"width": 710, "height": 940}
_ON_PAPER = """() => {
    const shown = e => e.checkVisibility({ visibilityProperty: true });
    const all = selector => [...document.querySelectorAll(selector)].filter(shown);
    const pale = colour => colour.match(/[\\d.]+/g).slice(0, 3).some(part => part > 190);
    const found = {
        "to press": all("nav, .bar, .foot, .button, button, input, select, textarea, summary"),
        "cut off": all("main *").filter(e => e.scrollWidth > e.clientWidth + 1
            && getComputedStyle(e).overflowX !== "visible" && !e.matches(".visually-hidden")),
        "pale words": all("main h1, main h2, main p, main li, main a, main td, main th, main time")
            .filter(e => pale(getComputedStyle(e).color)),
        "dark ground": [document.body, ...all(".card, .table")]
            .filter(e => !/^rgba?\\((255, 255, 255|0, 0, 0, 0)/.test(getComputedStyle(e).backgroundColor)),
    };
    for (const what in found) found[what] = found[what].map(e => e.outerHTML.slice(0, 160));
    return found;
}"""


def test_on_paper_there_is_what_is_read_and_nothing_to_press(everybody: Visits, chromium: Browser) -> None:
    """Whoever prints from a dark screen does not print a dark page."""
    ids = {name: found[0] for name, found in everybody.place.ids.items()}
    onlooker = Onlooker(chromium, everybody)
    onlooker.become("staff:medical-director")
    for path in (
        "/",
        "/calls",
        "/requests/{referral_id}",
        "/orders/{order_id}",
        "/patients/{patient_id}",
        "/patients/{patient_id}/disclosures",
    ):
        onlooker.print(path.format(**ids))
    onlooker.close()
    assert not onlooker.wrong, "\n".join(onlooker.wrong)
