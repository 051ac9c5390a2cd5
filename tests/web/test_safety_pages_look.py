"""The pages around safety and reports in a real browser: accessible, and nothing to scroll sideways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from playwright.sync_api import Page, sync_playwright

from referral.domain.codes import Role
from referral.storage import course_reports
from tests.database import NOW, ClinicFixture
from tests.journeys.looking import look
from tests.services.test_report_back import DECIDED, recommended, tell
from tests.web.desk import OpenDesk


@pytest.fixture
def page(clinic: ClinicFixture, open_desk: OpenDesk) -> Iterator[Page]:
    """Of the medical director."""
    elena = open_desk(clinic, Role.MEDICAL_DIRECTOR)
    base = str(elena.client.base_url)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        context = chromium.new_context(base_url=base)
        token = elena.client.cookies["referral_staff"]
        context.add_cookies([{"name": "referral_staff", "value": token, "url": base}])
        yield context.new_page()
        chromium.close()


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
