"""A session that locks in the browser: what was typed is there again, with script and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from referral.domain.codes import Role
from referral.services.accounts import NewUser, add_user
from tests.browser import run_chromium
from tests.database import ClinicFixture, Clock
from tests.journeys.looking import look
from tests.web.client import application
from tests.web.portal_case import serve

PASSWORD = "a quiet harbour at dawn"
MINUTES = 60
SignIn = Callable[[str, bool], Page]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sign_in(clinic: ClinicFixture, clock: Clock) -> Iterator[SignIn]:
    """An administrator called Ada, and a receptionist called Robin, each with a browser."""
    with clinic.transaction() as session:
        for name, role in (("ada", Role.ADMIN), ("robin", Role.FRONT_DESK)):
            email = f"{name}-{clinic.id}@clinic.example"
            new = NewUser(email=email, name=f"{name.title()} Example", role=role, password=PASSWORD)
            add_user(session, clinic.actor, new)
    with serve(application(clinic, clock)) as address, run_chromium() as chromium:

        def come(name: str, script: bool) -> Page:
            context: BrowserContext = chromium.new_context(base_url=address, java_script_enabled=script)
            page = context.new_page()
            if script:
                page.clock.install()
            page.goto("/sign-in")
            page.get_by_label("E-mail").fill(f"{name}-{clinic.id}@clinic.example")
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            return page

        yield come


def test_the_lock_comes_over_the_page_and_what_was_typed_stays_under_it(
    sign_in: SignIn, clock: Clock
) -> None:
    page = sign_in("robin", True)
    page.goto("/directory/new")
    page.get_by_label("Practice").fill("Far Shore Practice")
    page.clock.fast_forward(14 * MINUTES * 1000)
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.get_by_label("Given name").fill("Wei")
    page.clock.fast_forward(14 * MINUTES * 1000)
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.clock.fast_forward(2 * MINUTES * 1000)
    expect(page.get_by_role("dialog", name="Locked")).to_be_visible()
    expect(page.get_by_label("Practice")).to_be_hidden()
    assert page.title() == "Locked · Referral"
    look(page, "locked-over-the-page")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_visible()
    # The server has locked as well.
    elsewhere = page.context.new_page()
    elsewhere.goto("/directory")
    expect(elsewhere.get_by_role("heading", name="Locked")).to_be_visible()
    look(elsewhere, "locked")
    password = page.get_by_label("Your password")
    password.fill("not the password at all")
    page.get_by_role("button", name="Unlock").click()
    expect(page.get_by_role("alert")).to_contain_text("do not match")
    password.fill(PASSWORD)
    page.get_by_role("button", name="Unlock").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_label("Practice")).to_have_value("Far Shore Practice")
    # It is the same session for the form: it is sent.
    page.get_by_label("Family name").fill("Chen")
    page.get_by_label("Kind of clinician").select_option(index=1)
    page.get_by_role("button", name="Add to the directory").click()
    expect(page.get_by_text("Wei Chen").first).to_be_visible()


def test_without_script_the_next_page_asks_and_the_form_comes_back_filled_in(
    sign_in: SignIn, clock: Clock
) -> None:
    page = sign_in("robin", False)
    page.goto("/directory/new")
    page.get_by_label("Given name").fill("Wei <b>")
    page.get_by_label("Family name").fill("Chen & Sons")
    page.get_by_label("Kind of clinician").select_option(index=2)
    chosen = page.get_by_label("Kind of clinician").input_value()
    clock.forward(16 * MINUTES)
    page.get_by_role("button", name="Add to the directory").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Unlock").click()
    expect(page.get_by_text("Nothing was sent yet")).to_be_visible()
    expect(page.get_by_label("Given name")).to_have_value("Wei <b>")
    expect(page.get_by_label("Family name")).to_have_value("Chen & Sons")
    expect(page.get_by_label("Kind of clinician")).to_have_value(chosen)
    page.get_by_role("button", name="Add to the directory").click()
    expect(page.get_by_text("Wei <b> Chen & Sons").first).to_be_visible()
    page.goto("/directory")
    expect(page.get_by_role("link", name="Wei <b> Chen & Sons", exact=True)).to_have_count(1)


def test_a_link_that_is_shown_once_is_read_at_both_widths(sign_in: SignIn) -> None:
    page = sign_in("ada", True)
    page.goto("/users")
    page.get_by_role("link", name="Robin Example", exact=True).click()
    page.get_by_text("Reset the password").click()
    page.get_by_label("Your password, once more").last.fill(PASSWORD)
    page.get_by_role("button", name="Make a link").click()
    expect(page.get_by_text("Copy the link now")).to_be_visible()
    look(page, "set-up-link")
