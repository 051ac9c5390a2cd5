"""The policy pages in a browser: without script from reading to saving, and looked at on every step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from referral.domain.codes import ClinicianKind, Role
from referral.domain.credential import random_token
from referral.domain.policy import ICD_10_CM, Indication
from referral.services.treat import record_consultation
from referral.storage import accounts
from referral.storage.db import Database
from tests.database import NOW, ClinicFixture, make_clinic
from tests.journeys.conftest import SignIn
from tests.journeys.desk import reload_until
from tests.journeys.looking import look
from tests.services import people
from tests.web.client import application
from tests.web.desk import add_person
from tests.web.portal_case import serve


@dataclass(frozen=True, slots=True)
class Place:
    """A clinic with an order that rests on a psychologist and one with an unknown code, behind a server."""

    clinic: ClinicFixture
    address: str
    browser: Browser

    def page(self, stack: ExitStack, role: Role, *, script: bool) -> Page:
        user, token = add_person(self.clinic, role, "Elena Whitcombe"), random_token()
        with self.clinic.transaction() as session:
            accounts.open_session(session, token, user, random_token(size=18), NOW)
        context: BrowserContext = self.browser.new_context(
            base_url=self.address, java_script_enabled=script, viewport={"width": 1440, "height": 900}
        )
        stack.callback(context.close)
        context.add_cookies([{"name": "referral_staff", "value": token, "url": self.address}])
        return context.new_page()


@pytest.fixture
def place(database: Database, browser: Browser) -> Iterator[Place]:
    clinic = make_clinic(database)
    with clinic.transaction() as session:
        lee = people.clinician(session, clinic, kind=ClinicianKind.PSYCHOLOGIST, family="Lee", npi="")
        order = people.order(session, clinic, people.patient(session, clinic))
        record_consultation(session, clinic.actor, order.id, NOW, NOW)
        people.respond_with(session, clinic, people.ask(session, clinic, order, lee)[0])
        unknown = Indication(ICD_10_CM, "R52", "Pain, unspecified")
        samuel = people.patient(session, clinic, given="Samuel", family="Okonkwo")
        record_consultation(
            session, clinic.actor, people.order(session, clinic, samuel, unknown).id, NOW, NOW
        )
    with serve(application(clinic)) as address:
        yield Place(clinic, address, browser)


@pytest.mark.parametrize("script", [True, False])
def test_the_director_goes_from_reading_to_saving_with_and_without_script(place: Place, script: bool) -> None:
    def see(name: str) -> None:
        if script:
            look(page, f"policy-{name}")

    with ExitStack() as stack:
        page = place.page(stack, Role.MEDICAL_DIRECTOR, script=script)
        page.goto("/policy")
        see("01-read")
        page.get_by_role("link", name="Change the policy").click()
        see("02-form")
        page.get_by_label("Psychologist").uncheck()
        page.get_by_label("A recommendation counts for (days)").fill("0")
        page.get_by_label("ICD-10-CM codes that begin with").last.fill("G89.4, F3")
        page.get_by_role("button", name="Preview what would change").click()
        expect(page.get_by_role("alert")).to_contain_text("Write whole days, from 1 to 3660.")
        expect(page.get_by_label("Psychologist")).not_to_be_checked()
        see("03-errors")
        page.get_by_label("A recommendation counts for (days)").fill("90")
        page.get_by_label("ICD-10-CM codes that begin with").last.fill("G89.4, M79.7, R52")
        page.get_by_role("button", name="Preview what would change").click()
        expect(page.get_by_role("link", name=re.compile("1 order would close"))).to_be_visible()
        expect(page.get_by_role("link", name=re.compile("1 order would open"))).to_be_visible()
        see("04-preview")
        page.get_by_role("button", name="Back to the form").click()
        expect(page.get_by_label("A recommendation counts for (days)")).to_have_value("90")
        page.get_by_role("button", name="Preview what would change").click()
        page.get_by_role("button", name="Put it in force").click()
        expect(page.get_by_role("alert")).to_contain_text("Please write in a sentence why")
        see("05-no-reason")
        page.get_by_label("Why?").fill("Agreed at the meeting of physicians.")
        page.get_by_role("button", name="Put it in force").click()
        expect(page.get_by_role("status")).to_contain_text("The new policy is in force")
        expect(page.locator("main")).to_contain_text("1 order closed and 1 order opened")
        see("06-saved")


@pytest.mark.parametrize("script", [True, False])
def test_an_unknown_code_is_classified_from_needs_me_with_one_click_and_undone_with_one(
    place: Place, script: bool
) -> None:
    def see(name: str) -> None:
        if script:
            look(page, f"policy-{name}")

    with ExitStack() as stack:
        page = place.page(stack, Role.MEDICAL_DIRECTOR, script=script)
        page.goto("/")
        pain = page.get_by_role("button", name=re.compile("^Chronic pain"))
        expect(page.get_by_role("region", name="Needs me")).to_contain_text("Opens 1 order at once.")
        see("07-classify")
        page.get_by_role("region", name="Needs me").get_by_role("link", name="Samuel Okonkwo").click()
        expect(page.get_by_role("region", name="Classify an indication")).to_contain_text("Opens 1 order")
        see("07-order")
        page.go_back()
        pain.click()
        expect(page.get_by_role("status")).to_contain_text("R52 is chronic pain now")
        expect(page.get_by_role("region", name="Next infusions")).to_contain_text(
            "No recommendation is needed for Pain"
        )
        see("08-classified")
        page.get_by_role("button", name=re.compile("^Undo")).click()
        expect(page.get_by_role("status")).to_contain_text("The classification is undone")
        pain.click()
        page.goto("/policy")
        expect(page.get_by_role("button", name=re.compile("^Undo"))).to_be_visible()
        see("09-history")


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.AUDITOR])
def test_others_read_it(place: Place, role: Role) -> None:
    with ExitStack() as stack:
        page = place.page(stack, role, script=True)
        page.goto("/policy")
        expect(page.locator("main")).to_contain_text("Only the medical director can change it.")
        look(page, f"policy-10-{role}")


def test_the_running_service_carries_a_new_version_through_by_itself(sign_in: SignIn) -> None:
    """Nobody has to come back to it: the workers' sweep ends what saving has begun."""
    page = sign_in("director")
    page.goto("/policy/edit")
    box = page.get_by_label("Longest pause in treatment (days)")
    box.fill(str(int(box.input_value()) + 1))
    page.get_by_role("button", name="Preview what would change").click()
    page.get_by_label("Why?").fill("Agreed at the meeting of physicians.")
    page.get_by_role("button", name="Put it in force").click()
    expect(page.get_by_role("status")).to_contain_text("The new policy is in force")
    reload_until(page, "No order opened or closed.")
    assert "are being looked at" not in page.inner_text("main")
