"""The main job from the front desk, without a mouse: ask, be refused, be recommended, treat, void."""

from __future__ import annotations

import re
import subprocess
from datetime import date, timedelta
from pathlib import Path

from playwright.sync_api import Page, expect

from referral.services.demo import PASSWORD
from tests.journeys import portal
from tests.journeys.conftest import NewContext, SignIn
from tests.journeys.desk import Newcomer, ask, code_on_the_outbox, number_of, reload_until
from tests.journeys.keyboard import Keyboard
from tests.journeys.looking import look, photograph
from tests.journeys.service import Service, is_business_day
from tests.letters import pdf

JUNIPER = Newcomer("Juniper", "Fallowmere", date(1987, 3, 9))
_NO = (
    *("Psychosis", "Mania", "Active substance use", "A suicidal plan"),
    *("Uncontrolled hypertension", "Pregnancy", "Dementia", "Interacting medication"),
)


def soon(service: Service) -> date:
    """A business day within the next two weeks, as the clinic counts."""
    day = service.clock.today + timedelta(days=9)
    while not is_business_day(day):
        day += timedelta(days=1)
    return day


def sign_in_by_keyboard(page: Page, who: str) -> Keyboard:
    keyboard = Keyboard(page)
    page.goto("/sign-in")
    keyboard.type("E-mail", f"{who}@harborlight.example")
    keyboard.type("Password", PASSWORD)
    with page.expect_navigation():
        keyboard.press("Enter")
    return keyboard


def ask_by_keyboard(keyboard: Keyboard, patient: Newcomer, first_infusion: date) -> None:
    """The whole New request page; the focus stands in the first box when the page opens."""
    page = keyboard.page
    assert keyboard.focused()[1] == "Find a patient"
    keyboard.find("Find a patient", patient.name, "New patient")
    expect(page.get_by_label("Given name").first).to_have_value(patient.given)
    expect(page.get_by_label("Family name").first).to_have_value(patient.family)
    keyboard.date("Date of birth", patient.born.month, patient.born.day, patient.born.year)
    keyboard.find("Find an indication", "recurrent depress", "F33.2")
    expect(page.locator("[data-live=need]")).to_contain_text("Recommendation needed")
    keyboard.type("Number of infusions", "6")
    keyboard.date("First infusion", first_infusion.month, first_infusion.day, first_infusion.year)
    keyboard.find("Find a clinician", "okaf", "Chidi Okafor")
    expect(page.locator(".summary")).to_contain_text("Chidi Okafor")
    look(page, "desk-03-new-request-filled-in")
    keyboard.follow("Send request")


def prove_identity_by_keyboard(keyboard: Keyboard, outbox: Page, number: str, patient: Newcomer) -> None:
    page = keyboard.page
    look(page, "portal-01-door")
    keyboard.follow("Continue")
    expect(page.get_by_role("heading", name="One check that it is you")).to_be_visible()
    look(page, "portal-02-second-factor")
    keyboard.follow("Send a code by fax")
    look(page, "portal-03-code-sent")
    keyboard.type("Six digits", code_on_the_outbox(outbox, number))
    look(outbox, "desk-08-outbox-code")
    keyboard.follow("Continue")
    look(page, "portal-04-birth-date")
    for label, value in (
        ("Month", patient.born.month),
        ("Day", patient.born.day),
        ("Year", patient.born.year),
    ):
        keyboard.type(label, str(value))
    keyboard.follow("Show the request")


def recommend_by_keyboard(keyboard: Keyboard, last_seen: date) -> None:
    page = keyboard.page
    look(page, "portal-05-request")
    keyboard.follow("I recommend it")
    look(page, "portal-06-questions")
    keyboard.date("Last visit with you", last_seen.month, last_seen.day, last_seen.year)
    keyboard.choose("Does your record support", "Yes")
    for flag in _NO:
        keyboard.choose(flag, "No")
    keyboard.choose("We continue to see", "Yes")
    keyboard.choose("Next visit within", "4 weeks")
    keyboard.choose("Who adjusts medication", "We do")
    keyboard.reach("An end-of-course report")
    keyboard.press("Space")
    look(page, "portal-07-questions-filled-in")
    keyboard.follow("Continue to sign")
    look(page, "portal-08-read-and-sign")
    keyboard.type("Your name", "Chidi Okafor")
    keyboard.type("Credentials", "MD")
    keyboard.reach("I am the clinician named below")
    keyboard.press("Space")
    keyboard.follow("Sign and send")


def assert_sealed(record: bytes, directory: Path) -> None:
    """The record carries a signature that covers it, as pdfsig sees it."""
    assert record.startswith(b"%PDF")
    assert b"/ByteRange" in record
    file = directory / "record.pdf"
    file.write_bytes(record)
    seen = subprocess.run(["pdfsig", "-nocert", file], capture_output=True, text=True, check=False).stdout
    assert "Signature is Valid." in seen
    assert "Total document signed" in seen


def assert_letter(page: Page, patient: Newcomer, number: str) -> None:
    """The letter of a request's page is about this patient."""
    address = page.get_by_role("link", name="Letter (PDF)").get_attribute("href")
    answer = page.request.get(str(address))
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.body().startswith(b"%PDF")
    text = pdf.text(answer.body())
    assert patient.name in text
    assert number in text


def start_from_a_page(page: Page) -> tuple[int, str]:
    """Send the form of the order page although its button is dead, as a stale page would: (status, text)."""
    token = page.locator("section#start input[name=csrf_token]").get_attribute("value")
    answer = page.request.post(
        f"{page.url.partition('#')[0]}/start", form={"csrf_token": str(token), "another": "yes"}
    )
    return answer.status, answer.text()


def test_the_front_desk_asks_and_treatment_opens_and_closes_without_a_mouse(
    service: Service, context: NewContext, sign_in: SignIn, data_dir: Path
) -> None:
    # Given a receptionist who has signed in
    desk = context().new_page()
    keyboard = sign_in_by_keyboard(desk, "desk")
    look(desk, "desk-01-today-before")
    # When she asks for a new patient with depression
    keyboard.follow("New request")
    look(desk, "desk-02-new-request")
    ask_by_keyboard(keyboard, JUNIPER, soon(service))
    number = number_of(desk)
    request_path = desk.url
    # Then the page says what happened and what comes next by itself
    reload_until(desk, "Request by e-mail: sent")
    main = desk.inner_text("main")
    assert "Closed" in main
    assert re.search(r"Next, by itself\s+Reminder by e-mail\s", main)
    assert re.search(r"Request by e-mail: sent.*letter made.*Asked", main, re.DOTALL)
    look(desk, "desk-04-request")
    # but keeps the letter closed as long as its link could answer in the clinician's place
    expect(desk.get_by_role("link", name="Letter (PDF)")).to_have_count(0)
    # and Today says who is blocked and why
    keyboard.follow("Today")
    row = desk.locator("#infusions + ul .row").filter(has_text=JUNIPER.name)
    expect(row).to_contain_text("Consultation not recorded")
    expect(row).to_contain_text("Asked Chidi Okafor, MD today")
    look(desk, "desk-05-today-blocked")

    # When a nurse opens the order
    nurse = sign_in("nurse")
    nurse.get_by_role("link", name=JUNIPER.name, exact=True).click()
    # Then it cannot be started, and the page and the service say why
    expect(nurse.get_by_role("button", name="Start an infusion now")).to_be_disabled()
    look(nurse, "desk-06-order-closed")
    status, text = start_from_a_page(nurse)
    assert status == 422
    assert "The initial consultation has not been recorded." in text
    assert "the request is not answered yet" in text

    # When the clinician follows the mailed link, proves identity, recommends and signs
    clinician = context().new_page()
    clinician.goto(service.post.link(number))
    answering = Keyboard(clinician)
    prove_identity_by_keyboard(answering, desk, number, JUNIPER)
    recommend_by_keyboard(answering, service.clock.today - timedelta(days=12))
    # Then there is a sealed receipt
    assert_sealed(portal.receipt(clinician), data_dir)
    look(clinician, "portal-09-receipt")
    # and the request says so
    desk.goto(request_path)
    expect(desk.locator("main")).to_contain_text("Answered: recommended")
    expect(desk.locator("main")).not_to_contain_text("Next, by itself")
    look(desk, "desk-09-request-answered")
    # and the letter can be read now
    assert_letter(desk, JUNIPER, number)

    # When the nurse records the consultation
    nurse.reload()
    by_nurse = Keyboard(nurse)
    today = service.clock.today
    by_nurse.date("Date", today.month, today.day, today.year)
    by_nurse.type("Clinician of this clinic", "Elena R. Whitcombe, MD")
    look(nurse, "desk-10-order-before-consultation")
    by_nurse.follow("Record the consultation")
    # Then treatment starts
    look(nurse, "desk-11-order-open")
    by_nurse.follow("Start an infusion now")
    expect(nurse.get_by_text("Treatment is started")).to_be_visible()
    expect(nurse.locator("[aria-labelledby=starts]")).to_contain_text("Recommendation by Chidi Okafor, MD")
    look(nurse, "desk-12-order-started")

    # When the medical director voids the recommendation while that page is still open
    director = sign_in("director")
    director.goto(request_path)
    by_director = Keyboard(director)
    by_director.reach("Void the recommendation")
    by_director.press("Enter")
    by_director.type("Reason", "The practice calls: signed for another patient.")
    look(director, "desk-13-void")
    by_director.press("Tab")
    by_director.follow("Void the recommendation")
    expect(director.get_by_text("The recommendation is void")).to_be_visible()
    look(director, "desk-14-request-voided")
    # Then the nurse's page closes by itself, with the reason
    expect(nurse.locator(".verdict")).to_contain_text("the recommendation no longer counts")
    expect(nurse.get_by_role("button", name="Start an infusion now")).to_be_disabled()
    # and a page that has not heard of it is refused
    status, text = start_from_a_page(nurse)
    assert status == 422
    assert "Treatment may not start" in text
    assert "the recommendation no longer counts" in text
    expect(nurse.locator("[aria-labelledby=starts] tbody tr")).to_have_count(1)
    look(nurse, "desk-15-order-refused")
    # and Today says so
    keyboard.follow("Today")
    row = desk.locator("#infusions + ul .row").filter(has_text=JUNIPER.name)
    expect(row).to_contain_text("Recommendation voided.")
    look(desk, "desk-16-today-after")


def test_a_letter_that_no_provider_sends_can_be_read_at_once(service: Service, sign_in: SignIn) -> None:
    # Given a clinician with a fax, and no fax provider
    desk = sign_in("desk")
    patient = Newcomer("Silas", "Wetherfold", date(1968, 1, 6))
    # When the desk asks
    number = ask(desk, patient, "Hannah Lee")
    # Then the letter is kept, and can be read
    reload_until(desk, "Request by fax: kept here, not sent")
    assert_letter(desk, patient, number)


def test_the_portal_needs_no_script_and_fits_a_telephone(
    service: Service, context: NewContext, sign_in: SignIn, data_dir: Path
) -> None:
    # Given a request about a patient
    patient = Newcomer("Tamsin", "Underleaf", date(1990, 11, 23))
    desk = sign_in("desk")
    number = ask(desk, patient)
    # When the clinician answers on a telephone whose browser runs no script
    telephone = context(java_script_enabled=False, viewport={"width": 360, "height": 740}).new_page()
    portal.prove_identity(telephone, service.post.link(number), patient, desk, number)
    photograph(telephone, "no-script-1-request")
    portal.recommend(telephone, service.clock.today - timedelta(days=3))
    photograph(telephone, "no-script-2-sign")
    portal.sign(telephone)
    # Then it has arrived, with its record
    assert_sealed(portal.receipt(telephone), data_dir)
