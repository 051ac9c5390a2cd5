"""The portal in a real browser: every page is accessible, fits a telephone, and works without a script."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date

import pytest
from playwright.sync_api import Browser, Page

from referral.domain.codes import Channel
from referral.domain.credential import Minted
from referral.domain.language import Language
from referral.translation import say
from tests.browser import run_chromium
from tests.database import ClinicFixture
from tests.journeys.looking import violations
from tests.web.portal_case import BORN, DETAILS, PORTAL, Case, make_case

# Pointer targets of WCAG 2.2 (2.5.8) are 24 px; ours are for thumbs. Links in running text are exempt.
_TOO_SMALL = """() => [
    ...document.querySelectorAll('button, .input, .textarea, .pick__option, .choice, .exits a')
].filter(e => e.getBoundingClientRect().height > 0 && e.getBoundingClientRect().height < 43.5)
    .map(e => e.outerHTML.slice(0, 80))"""
# All that the browser loads for a page, uncompressed.
_BYTES = """() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
    .reduce((sum, entry) => sum + entry.decodedBodySize, 0)"""
_FLAGS = [name for name, value in DETAILS.items() if value == "no"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with run_chromium() as launched:
        yield launched


@pytest.fixture
def case(clinic: ClinicFixture) -> Case:
    return make_case(clinic)


@pytest.fixture
def address(case: Case) -> Iterator[str]:
    with PORTAL.at(case) as found:
        yield found


def link(address: str, minted: Minted) -> str:
    return f"{address}/r/{minted.selector}/{minted.secret}"


def look(page: Page, title: str | None = None) -> None:
    """What must hold for every page; `title` is the heading of the one that is expected."""
    page.wait_for_load_state("load")
    assert page.evaluate(_BYTES) < 100_000, page.url
    if title is not None:
        assert page.get_by_role("heading", level=1).inner_text() == title, page.url
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), page.url
    assert page.evaluate(_TOO_SMALL) == [], page.url
    assert "Quillfeather" not in page.title()
    assert violations(page) == [], page.url


def said(page: Page, text: str) -> str:
    """A text of the portal in the language of the page that is shown."""
    return say(Language(page.locator("html").get_attribute("lang") or ""), text)


def shown(page: Page) -> str:
    return page.get_by_role("heading", level=1).inner_text()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=said(page, name), exact=True).click()


def pick(page: Page, link_id: str, code: str) -> None:
    page.locator(f'input[name="{link_id}"][value="{code}"]').check()


def give_birth_date(page: Page) -> None:
    for label, value in (("Month", BORN.month), ("Day", BORN.day), ("Year", BORN.year)):
        page.get_by_label(said(page, label), exact=True).fill(str(value))
    press(page, "Show the request")


def answer_questions(page: Page) -> None:
    page.get_by_label(said(page, "Which conditions?")).fill("Blood pressure below 140/90 first.")
    page.get_by_label(said(page, "Last visit with you")).fill(str(DETAILS["last-seen"]))
    pick(page, "diagnosis-confirmed", "yes")
    for flag in _FLAGS:
        pick(page, flag, "no")
    pick(page, "continues-care", "yes")
    pick(page, "next-visit", "4-weeks")
    pick(page, "medication-adjuster", "we")
    pick(page, "reports", "end-of-course")
    press(page, "Continue to sign")


@pytest.mark.parametrize(
    ("width", "scheme", "locale"),
    [(360, "light", "en-US"), (1440, "dark", "es-MX")],
)
def test_every_page_from_the_mailed_link_to_the_receipt_is_accessible(
    case: Case, address: str, chromium: Browser, width: int, scheme: str, locale: str
) -> None:
    case.link(Channel.POST)
    case.attach_letter(mailed := case.link(Channel.EMAIL), b"%PDF")
    page = chromium.new_page(
        viewport={"width": width, "height": 800},
        color_scheme=scheme,  # type: ignore[arg-type]
        locale=locale,
    )
    page.goto(link(address, mailed))
    look(page, say(Language(locale[:2]), "You have been sent a secure request"))
    press(page, "Continue")
    look(page)
    page.locator('form[action="/request/send-code"] button').click()
    look(page)
    page.get_by_label(said(page, "Six digits")).fill("1")
    press(page, "Continue")
    look(page)
    page.get_by_label(said(page, "Six digits")).fill(case.one_time_code())
    press(page, "Continue")
    look(page)
    press(page, "Show the request")
    look(page)
    give_birth_date(page)
    look(page)
    page.locator('button[value="recommended-with-conditions"]').click()
    look(page)
    press(page, "Continue to sign")
    look(page)
    assert page.evaluate("document.activeElement.id") == "error-summary"
    answer_questions(page)
    look(page)
    press(page, "Sign and send")
    look(page)
    page.get_by_role("checkbox").check()
    press(page, "Sign and send")
    look(page)
    assert page.get_by_role("heading", level=1).inner_text() == said(
        page, "Thank you, your answer has arrived"
    )
    page.goto(link(address, mailed))
    press(page, "Continue")
    look(page)
    press(page, "Send me a fresh link")
    look(page)
    page.close()


def test_side_pages_are_accessible_too(case: Case, address: str, chromium: Browser) -> None:
    page = chromium.new_page(viewport={"width": 360, "height": 800})
    page.goto(f"{address}/request")
    look(page, "Type the code from your letter")
    press(page, "Continue")
    look(page, "Type the code from your letter")
    page.get_by_label("Code", exact=True).fill(case.link(Channel.FAX).short_code)
    press(page, "Continue")
    look(page, "The patient’s date of birth")
    give_birth_date(page)
    for name in ("Ask the clinic a question", "Please call me", "A colleague should answer"):
        page.get_by_role("link", name=name).click()
        look(page, name)
        press(page, "Send")
        look(page, name)  # nothing was filled in
        page.get_by_role("link", name="Back to the request").click()
    page.get_by_role("link", name="A colleague should answer").click()
    page.get_by_label("Who should answer").fill("Dr Wren Halloway")
    page.get_by_label("How we reach them").fill("303-555-0166")
    press(page, "Send")
    look(page, "Thank you, your message has arrived")
    for path, title in (
        ("/request/saved", "Saved for later"),
        ("/request/left", "This page is closed"),
        ("/request/asked/call", "Thank you, your message has arrived"),
    ):
        page.goto(address + path)
        look(page, title)
    page.close()


def test_stopped_pages_are_accessible(case: Case, address: str, chromium: Browser) -> None:
    page = chromium.new_page(viewport={"width": 360, "height": 800})
    page.goto(link(address, case.link(Channel.FAX)))
    press(page, "Continue")
    for _ in range(5):
        page.get_by_label("Month", exact=True).fill("1")
        page.get_by_label("Day", exact=True).fill("2")
        page.get_by_label("Year", exact=True).fill("1990")
        press(page, "Show the request")
    assert page.get_by_role("heading", level=1).inner_text() == "Please wait 15 minutes"
    look(page)
    press(page, "Close")
    look(page)
    page.close()


def test_everything_works_without_a_script_and_with_the_keyboard(
    case: Case, address: str, chromium: Browser
) -> None:
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 360, "height": 800})
    page = context.new_page()
    page.goto(link(address, case.link(Channel.FAX)))
    # The link past the header, the other language, and the one thing to do.
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Le enviaron una solicitud segura").wait_for()
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    give_birth_date(page)
    page.locator('button[value="recommended-with-conditions"]').press("Enter")
    answer_questions(page)
    page.get_by_role("checkbox").press("Space")
    press(page, "Sign and send")
    assert page.get_by_role("heading", level=1).inner_text() == said(
        page, "Thank you, your answer has arrived"
    )
    context.close()


def test_a_scanner_that_runs_scripts_uses_nothing_up(case: Case, address: str, chromium: Browser) -> None:
    minted = case.link(Channel.FAX)
    before = case.credential(minted), case.events()
    page = chromium.new_page()
    for _ in range(20):
        page.goto(link(address, minted), wait_until="networkidle")
    page.close()
    assert (case.credential(minted), case.events()) == before


class Typist:
    """Answers with the keyboard alone and counts what it takes, by the keystroke-level model.

    Card, Moran and Newell (1980), average typist: 0.28 s for a key, 1.35 s of thought before every field and
    button. What has to be read is counted at 240 words a minute.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.keys = self.thoughts = self.words = 0

    @property
    def seconds(self) -> float:
        return self.keys * 0.28 + self.thoughts * 1.35 + self.words / 4

    def strike(self, *names: str) -> None:
        for name in names:
            self.page.keyboard.press(name)
            self.keys += 1

    def reach(self, selector: str, *names: str) -> None:
        """Tab as often as it takes, then these keys."""
        self.thoughts += 1
        for _ in range(80):
            if self.page.evaluate("s => document.activeElement.matches(s)", selector):
                return self.strike(*names)
            self.strike("Tab")
        raise AssertionError(f"Tab never comes to {selector}")

    def follow(self, selector: str) -> None:
        self.reach(selector)
        with self.page.expect_navigation():
            self.strike("Enter")

    def read(self, selector: str) -> None:
        self.words += len(self.page.locator(selector).first.inner_text().split())


def test_a_keyboard_alone_answers_in_less_than_two_minutes(
    case: Case, address: str, chromium: Browser
) -> None:
    page = chromium.new_page(viewport={"width": 1440, "height": 900})
    page.goto(link(address, case.link(Channel.FAX)))
    typist = Typist(page)
    typist.follow("main button")
    for name, typed in (("month", BORN.month), ("day", BORN.day), ("year", BORN.year)):
        typist.reach(f"#birth_{name}", *str(typed))
    typist.follow("main button")
    typist.read("main .card")
    typist.follow('button[value="recommended"]')
    seen = date.fromisoformat(str(DETAILS["last-seen"]))
    typist.reach("#last-seen", *f"{seen:%m%d%Y}")
    for name in ("diagnosis-confirmed", "continues-care", "next-visit", "medication-adjuster", *_FLAGS):
        assert page.locator(f'[name="{name}"]:checked').count() == 0, "nothing is ticked beforehand"
    typist.reach('[name="diagnosis-confirmed"]', "Space")
    for name in _FLAGS:
        typist.reach(f'[name="{name}"]', "Space", "ArrowRight")
    for name in ("continues-care", "next-visit", "medication-adjuster"):
        typist.reach(f'[name="{name}"]', "Space")
    typist.follow('button[value="continue"]')
    assert shown(page) == "Read and sign"
    typist.read("main .card")
    typist.reach("#attestation", "Space")
    typist.follow("main form button.button--primary")
    assert shown(page) == "Thank you, your answer has arrived"
    page.close()
    sys.stdout.write(
        f"figure: portal_keyboard_seconds = {typist.seconds:.0f} (goal <= 120);"
        f" {typist.keys} keys, {typist.thoughts} thoughts, {typist.words} words\n"
    )
    assert typist.seconds < 120
