"""The national register on the screen: without violations, at both widths, and by the keyboard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from referral.domain.codes import Role
from tests.browser import run_chromium
from tests.database import ClinicFixture
from tests.journeys.looking import look
from tests.nppes import clinician
from tests.register import empty_register
from tests.services import people
from tests.web.client import application
from tests.web.desk import desk
from tests.web.portal_case import serve
from tests.web.test_staff_register import fill

__all__ = ["empty_register"]


@pytest.fixture
def page(clinic: ClinicFixture, empty_register: None) -> Iterator[Page]:
    with (
        serve(application(clinic, nppes_url="http://127.0.0.1:1/api/")) as address,
        run_chromium() as chromium,
    ):
        context = chromium.new_context(base_url=address)
        token = desk(address, clinic, Role.FRONT_DESK).client.cookies["referral_staff"]
        context.add_cookies([{"name": "referral_staff", "value": token, "url": address}])
        yield context.new_page()


def test_the_register_is_looked_through_and_chosen_from_by_keyboard(
    clinic: ClinicFixture, page: Page
) -> None:
    with clinic.transaction() as session:
        people.patient(session, clinic)
        people.clinician(session, clinic, given="Wei", family="Chen")
    fill(
        clinic,
        clinician(2, given="TARA", family="CHEN", line2="SUITE 210"),
        clinician(3, given="OMAR", family="CHEN", code="1223G0001X", fax=""),
        clinician(4, given="NOOR", family="CHENOWETH-WHITCOMBE", deactivated="11/01/2026"),
    )
    page.goto("/directory/register")
    look(page, "register-before")
    page.get_by_role("searchbox").fill("chen")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Tara Chen, M.D.")).to_be_visible()
    look(page, "register-found")
    page.goto("/requests/new")
    page.get_by_role("combobox", name="Find a patient").fill("nguyen")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.press("Enter")
    page.get_by_role("combobox", name="Find an indication").fill("mdd")
    # The code set is read once in each process.
    expect(page.get_by_role("option").first).to_be_visible(timeout=60_000)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Recommendation needed", exact=True)).to_be_visible()
    page.get_by_role("combobox", name="Find a clinician").fill("chen t")
    expect(page.get_by_role("option", name="Tara Chen, M.D.")).to_be_visible()
    look(page, "new-request-register-list")
    page.keyboard.press("Enter")
    expect(page.get_by_text("not verified by a call yet")).to_be_visible()
    look(page, "new-request-register-chosen")
