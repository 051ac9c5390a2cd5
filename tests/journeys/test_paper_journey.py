"""A letter on paper and a call, from the front desk without a mouse."""

from __future__ import annotations

from datetime import date

from playwright.sync_api import Page, expect

from tests.journeys.conftest import SignIn
from tests.journeys.desk import Newcomer, ask, reload_until
from tests.journeys.keyboard import Keyboard
from tests.journeys.looking import look

IRIS = Newcomer("Iris", "Papermill", date(1979, 9, 12))
CLINICIAN = "Olga Quillfeather"


def add_clinician(page: Page) -> None:
    """One who is reached by post and by telephone alone."""
    page.goto("/directory/new")
    page.get_by_label("Given name").fill("Olga")
    page.get_by_label("Family name").fill("Quillfeather")
    page.get_by_label("Kind").select_option("psychiatrist")
    page.get_by_label("Credentials").fill("MD")
    page.get_by_label("Practice").fill("Inkwell Practice")
    page.get_by_label("Street").fill("77 Mailbox Lane")
    page.get_by_label("City").fill("Denver")
    page.get_by_label("State").select_option("CO")
    page.get_by_label("ZIP").fill("80205")
    page.get_by_label("Telephone").fill("303-555-0166")
    page.get_by_role("button", name="Add to the directory").click()
    expect(page.get_by_text("The clinician is in the directory")).to_be_visible()


def test_a_letter_is_printed_and_mailed_and_a_call_is_logged(sign_in: SignIn) -> None:
    desk = sign_in("desk")
    # Given a request to a clinician who has nothing but a letter box and a telephone
    look(at(desk, "/print"), "print-1-empty")
    look(at(desk, "/calls"), "calls-1-empty")
    add_clinician(desk)
    number = ask(desk, IRIS, "Quillfeather")
    request = desk.url
    desk.goto("/print")
    reload_until(desk, number)
    look(desk, "print-2-pile")
    # When the front desk makes a batch, prints it, and says that it is in the mail
    keys = Keyboard(desk)
    keys.follow("Make a batch of")
    expect(desk.get_by_role("heading", name="Batch 1")).to_be_visible()
    look(desk, "print-3-batch")
    keys.reach("Open the PDF")
    with desk.expect_popup() as opened:
        keys.press("Enter")
    opened.value.close()
    desk.reload()
    expect(desk.get_by_text("First opened")).to_be_visible()
    look(desk, "print-4-printed")
    keys.follow("The letter is printed and mailed")
    expect(desk.get_by_text("The letters are in the mail")).to_be_visible()
    look(desk, "print-5-mailed")
    desk.goto(request)
    expect(desk.get_by_text("Request by post: sent")).to_be_visible()
    # And a call that rang at a wrong number stays on the list until somebody is reached
    keys.reach("Log a call")
    keys.press("Enter")
    keys.reach("Reached: they will answer")
    keys.press("ArrowDown", 5)
    look(desk, "calls-2-on-the-request")
    keys.follow("Save the call")
    expect(desk.get_by_text("The number is marked as wrong")).to_be_visible()
    desk.goto("/calls")
    look(desk, "calls-3-list")
    keys.follow("Call and log")
    expect(desk.get_by_role("heading", name=f"Call {CLINICIAN}")).to_be_visible()
    look(desk, "calls-4-call")
    keys.follow("Save the call")
    expect(desk.get_by_role("alert")).to_contain_text("Choose what came of the call.")
    look(desk, "calls-5-refused")
    keys.reach("Reached: they will answer")
    keys.press("Space")
    keys.follow("Save the call")
    expect(desk.get_by_text("The call is recorded")).to_be_visible()
    expect(desk.get_by_text("Nobody to call now.")).to_be_visible()
    desk.goto(request)
    expect(desk.get_by_text("Called: reached: they will answer")).to_be_visible()


def at(page: Page, path: str) -> Page:
    page.goto(path)
    return page
