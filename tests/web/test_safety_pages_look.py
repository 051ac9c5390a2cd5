"""The pages around safety and reports in a real browser: accessible, and nothing to scroll sideways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from playwright.sync_api import Page

from referral.domain.codes import Role
from referral.services.raise_safety import raise_safety
from referral.storage import course_reports
from tests.browser import run_chromium
from tests.database import NOW, ClinicFixture
from tests.journeys.looking import look
from tests.services import people
from tests.services.test_report_back import DECIDED, recommended, tell
from tests.web.desk import OpenDesk


@pytest.fixture
def page(clinic: ClinicFixture, open_desk: OpenDesk) -> Iterator[Page]:
    """Of the medical director."""
    elena = open_desk(clinic, Role.MEDICAL_DIRECTOR)
    base = str(elena.client.base_url)
    with run_chromium() as chromium:
        context = chromium.new_context(base_url=base)
        token = elena.client.cookies["referral_staff"]
        context.add_cookies([{"name": "referral_staff", "value": token, "url": base}])
        yield context.new_page()


def late(clinic: ClinicFixture) -> None:
    """One report is overdue, another is on its way."""
    referral = recommended(clinic)
    owed = tell(clinic, referral, DECIDED).report
    with clinic.transaction() as session:
        # As if it had been owed for longer: that row is never rewritten by the application.
        course_reports.add(session, replace(owed, id="late", about="late", due_at=NOW - timedelta(days=2)))


def test_what_is_overdue_and_who_is_told(clinic: ClinicFixture, page: Page) -> None:
    late(clinic)
    page.goto("/")
    look(page, "today")
    page.get_by_role("link", name="See to it").click()
    look(page, "course-reports")
    page.get_by_role("button", name="I have told them").click()
    assert "Told by voice" in page.inner_text("#reports")
    page.goto("/")
    assert page.get_by_role("link", name="See to it").count() == 0


def test_who_is_on_call_and_what_they_were_told(clinic: ClinicFixture, page: Page) -> None:
    with clinic.transaction() as session:
        person = people.patient(session, clinic)
        task = raise_safety(
            session,
            clinic.actor,
            patient_id=person.id,
            order_id=None,
            source="QuestionnaireResponse/q",
            answer=2,
            now=NOW,
        )
        assert task is not None
    page.goto("/")
    look(page, "today-unwatched")
    page.goto(f"/safety/{task.id}")
    look(page, "safety-unwatched")
    page.get_by_role("link", name="nobody is on call").click()
    look(page, "on-call-nobody")
    for name, by, address in (
        ("Dr. Whitcombe, mobile", "Text message", "(303) 555-0101"),
        ("Night shift", "E-mail", "night@harborlight.example"),
    ):
        page.get_by_label("Name or shift").fill(name)
        page.get_by_role("radio", name=by).check()
        page.get_by_label("Number or e-mail address").fill(address)
        page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_label("Number or e-mail address").fill("nowhere")
    page.get_by_role("button", name="Add", exact=True).click()
    look(page, "on-call-refused")
    page.get_by_role("button", name="Tell first").click()
    page.get_by_label("5 minutes", exact=True).check()
    page.get_by_role("button", name="Save").click()
    look(page, "on-call")
    assert "after 5 minutes" in page.inner_text("main")
    page.goto(f"/safety/{task.id}")
    assert "Dr. Whitcombe, mobile, by" in page.inner_text("#calls ~ *, section:has(#calls)")
    look(page, "safety-told")


def test_which_reports_go_out(page: Page) -> None:
    page.goto("/settings/reports")
    look(page, "report-policy")
    page.get_by_label("Within business days").nth(3).fill("44")
    page.get_by_role("button", name="Save").click()
    look(page, "report-policy-refused")
