"""What the outside clinician does in the portal, from the mailed link to the receipt."""

from __future__ import annotations

from datetime import date

from playwright.sync_api import Page, expect

from tests.journeys.desk import Newcomer, code_on_the_outbox
from tests.processes import eventually


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def prove_identity(page: Page, link: str, patient: Newcomer, outbox: Page, number: str) -> None:
    """Open the mailed link, have a code faxed and give it, then the date of birth.

    `outbox` is a staff page: where the fax ends on this installation.
    """
    page.goto(link)
    press(page, "Continue")
    page.get_by_role("button", name="Send a code by fax").click()
    expect(page.get_by_label("Six digits")).to_be_visible()
    page.get_by_label("Six digits").fill(code_on_the_outbox(outbox, number))
    press(page, "Continue")
    give_birth_date(page, patient.born)


def give_birth_date(page: Page, born: date) -> None:
    for label, value in (("Month", born.month), ("Day", born.day), ("Year", born.year)):
        page.get_by_label(label, exact=True).fill(str(value))
    press(page, "Show the request")


def recommend(page: Page, last_seen: date) -> None:
    """From the five answers to the page that is read before signing."""
    page.get_by_role("button", name="I recommend it", exact=False).first.click()
    fill_in_questions(page, last_seen)
    press(page, "Continue to sign")


def fill_in_questions(page: Page, last_seen: date) -> None:
    page.get_by_label("Last visit with you").fill(last_seen.isoformat())
    answers = {"diagnosis-confirmed": "yes", "continues-care": "yes"}
    answers |= {"next-visit": "4-weeks", "medication-adjuster": "we"}
    for link_id, code in answers.items():
        page.locator(f'input[name="{link_id}"][value="{code}"]').check(force=True)
    # Which red flags are asked depends on the discipline; none of them is there.
    for flag in page.locator('.pick--row input[value="no"]').all():
        flag.check(force=True)


def sign(page: Page, name: str = "Chidi Okafor", credentials: str = "MD") -> None:
    fill_in_signature(page, name, credentials)
    press(page, "Sign and send")


def fill_in_signature(page: Page, name: str = "Chidi Okafor", credentials: str = "MD") -> None:
    page.get_by_label("Your name").fill(name)
    page.get_by_label("Credentials").fill(credentials)
    page.locator("#attestation").check()


def receipt(page: Page) -> bytes:
    """The sealed record, once a worker has made it."""
    expect(page.get_by_role("heading", name="your answer has arrived")).to_be_visible()
    download = page.get_by_role("link", name="Download the record")
    eventually(lambda: download.count() or (page.reload() and False), 60)
    address = download.get_attribute("href")
    assert address is not None
    return page.request.get(address).body()
