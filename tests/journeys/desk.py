"""What people of the clinic do on the staff pages, with mouse and keyboard as it comes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from playwright.sync_api import Page, expect

from referral.services.demo import PASSWORD
from tests.processes import eventually


@dataclass(frozen=True, slots=True)
class Newcomer:
    """An invented patient who is not on file yet."""

    given: str
    family: str
    born: date

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"


def sign_in(page: Page, who: str) -> None:
    """`who` is desk, nurse, director, admin or auditor of the demo clinic."""
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill(f"{who}@harborlight.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Today")).to_be_visible()


def fill_in_request(page: Page, patient: Newcomer, clinician: str = "Okafor") -> None:
    """The New request page about a new patient with depression, up to the button that sends."""
    page.goto("/requests/new")
    page.get_by_label("New patient").check()
    page.get_by_label("Given name").first.fill(patient.given)
    page.get_by_label("Family name").first.fill(patient.family)
    page.get_by_label("Date of birth").fill(patient.born.isoformat())
    take(page, "Find an indication", "F33.2")
    page.get_by_label("Number of infusions").fill("6")
    take(page, "Find a clinician", clinician)
    expect(page.locator("[data-live=need]")).to_contain_text("Recommendation needed")


def take(page: Page, box: str, words: str) -> None:
    """The first thing that a search box finds."""
    page.get_by_role("combobox", name=box).fill(words)
    page.get_by_role("listbox", name=box).get_by_role("option").first.click()


def ask(page: Page, patient: Newcomer, clinician: str = "Okafor") -> str:
    """Send a request; its number."""
    fill_in_request(page, patient, clinician)
    page.get_by_role("button", name="Send request").click()
    return number_of(page)


def number_of(page: Page) -> str:
    """The number of the request whose page this is."""
    expect(page.get_by_text("The request is on its way")).to_be_visible()
    found = re.search(r"Request (R-\d{4}-\d+)", page.inner_text("main"))
    assert found is not None, page.inner_text("main")
    return found[1]


def reload_until(page: Page, text: str, seconds: float = 60) -> None:
    """The page says it once it is true; nothing on these pages moves by itself."""

    def says_it() -> bool:
        page.reload()
        return text in page.inner_text("main")

    eventually(says_it, seconds)


def code_on_the_outbox(page: Page, number: str) -> str:
    """The six digits that were faxed, read where messages go that no provider takes."""

    def listed() -> bool:
        page.goto(f"/outbox?q={number}")
        return page.get_by_role("link", name="Code").count() > 0

    eventually(listed, 60)
    page.get_by_role("link", name="Code").first.click()
    reload_until(page, "Your code is")
    found = re.search(r"Your code is (\d{6})", page.inner_text("main"))
    assert found is not None, page.inner_text("main")
    return found[1]
