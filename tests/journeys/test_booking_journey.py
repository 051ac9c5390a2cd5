"""Chairs that are held, confirmed and released: beat and worker do it while a clock is moved."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.fhir_api.people import condition, order, patient
from tests.journeys.desk import sign_in
from tests.journeys.looking import look
from tests.journeys.service import DENVER, Service, is_business_day, last_business_morning, run_service
from tests.processes import eventually


@pytest.fixture(scope="module")
def pretended() -> Iterator[Service]:
    """A service of its own: here the clock runs ahead by days."""
    with run_service(last_business_morning()) as started:
        yield started


@pytest.fixture
def page(pretended: Service, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(base_url=pretended.address, locale="en-US")
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


def business_days(start: date, count: int) -> date:
    """`count` business days on, or back where it is negative."""
    step = timedelta(days=1 if count > 0 else -1)
    day = start
    for _ in range(abs(count)):
        day += step
        while not is_business_day(day):
            day += step
    return day


def hold(page: Page, order_id: str, day: date) -> None:
    """From the order's page, through the table of the day."""
    page.goto(f"/orders/{order_id}")
    page.get_by_role("link", name="Book a chair").click()
    page.get_by_label("Another day").fill(day.isoformat())
    page.get_by_role("button", name="Show").click()
    look(page, "booking-choose")
    page.get_by_role("link", name=re.compile("Choose.*Chair 2, 10:00 AM")).click()
    expect(page.get_by_label("Time")).to_have_value("10:00")
    page.get_by_role("button", name="Hold the chair").click()
    expect(page.get_by_role("status")).to_contain_text("The chair is held")
    look(page, "booking-held")


def test_a_held_chair_is_confirmed_by_the_gate_and_released_by_the_clock(
    pretended: Service, page: Page
) -> None:
    today = pretended.clock.today
    day = business_days(today, 8)
    confirmed, released = two_orders(pretended)
    sign_in(page, "nurse")
    for order_id in (confirmed, released):
        hold(page, order_id, day if order_id == confirmed else business_days(day, 1))
    page.goto(f"/orders/{confirmed}")
    page.get_by_label("Date").fill(today.isoformat())
    page.get_by_label("Clinician of this clinic").fill("Nico Prescriber, MD")
    page.get_by_role("button", name="Record the consultation").click()
    expect(page.get_by_role("status")).to_contain_text("The consultation is recorded")
    expect(page.get_by_text("Confirmed", exact=True)).to_be_visible()

    release = business_days(business_days(day, 1), -2)
    expect(notices(page)).to_have_count(0)
    pretended.clock.set(at(release, 17, 0))
    pretended.sweep()
    eventually(lambda: notices(page).count() == 1, 60)
    look(page, "today-released")
    notices(page).get_by_role("link", name=re.compile("Look and note")).click()
    page.get_by_role("button", name="I have taken note").click()
    expect(page.get_by_role("status")).to_contain_text("The release is noted")
    expect(notices(page)).to_have_count(0)
    again(page, f"/bookings?day={day.isoformat()}")
    cell = page.get_by_role("cell").filter(has_text="Hazelmoor")
    expect(cell.get_by_text("Confirmed")).to_be_visible()
    look(page, "bookings")


def at(day: date, hour: int, minute: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=DENVER)


def again(page: Page, path: str) -> Page:
    """Also after the clock has ended the session."""
    page.goto(path)
    if "/sign-in" in page.url:
        sign_in(page, "nurse")
        page.goto(path)
    return page


def notices(page: Page) -> Locator:
    """What the Today board says about the second patient's chair; the demo has one of its own."""
    rows = again(page, "/").get_by_role("listitem").filter(has_text="Rowanfield")
    return rows.filter(has_text="Chair released")


def two_orders(service: Service) -> tuple[str, str]:
    """Of two patients with chronic pain, sent by the hospital's record system."""
    with httpx.Client(
        verify=False, base_url=f"{service.address}/fhir", headers={"Authorization": f"Bearer {service.token}"}
    ) as ehr:

        def make(document: dict[str, object]) -> str:
            sent = ehr.post(f"/{document['resourceType']}", json=document)
            assert sent.status_code == 201, sent.text
            return f"{document['resourceType']}/{sent.json()['id']}"

        made = []
        for family in ("Hazelmoor", "Rowanfield"):
            subject = make(patient(name=[{"family": family, "given": ["Wren"]}]))
            made.append(make(order(subject, make(condition(subject, "G89.4")))).partition("/")[2])
    return made[0], made[1]
