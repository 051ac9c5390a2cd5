"""Faxes that come in, with the real worker: one finds its request upside down, one is placed by a person."""

from __future__ import annotations

from datetime import date

from playwright.sync_api import Page, expect

from tests import fax as paper
from tests.journeys.answers import write_down
from tests.journeys.conftest import SignIn
from tests.journeys.desk import Newcomer, ask, reload_until
from tests.journeys.looking import look
from tests.journeys.service import Service

MARLOW = Newcomer("Marlow", "Quillfeather", date(1979, 6, 2))
TILDA = Newcomer("Tilda", "Rosenquist", date(1983, 11, 21))


def letter_of(page: Page) -> bytes:
    """The letter of the request whose page this is, as soon as it has gone to the fax machine."""
    reload_until(page, "Letter (PDF)")
    href = page.get_by_role("link", name="Letter (PDF)").first.get_attribute("href")
    answer = page.request.get(str(href))
    assert answer.status == 200
    return answer.body()


def test_a_fax_finds_its_request_and_is_written_down(service: Service, sign_in: SignIn) -> None:
    page = sign_in("desk")
    ask(page, MARLOW, "Lee")
    request = page.url
    letter = letter_of(page)
    sheet = paper.dirty(paper.page(letter, 2, down=98, turn=180, skew=1.5), seed=5)
    paper.put(service.fax_folder, "fax00001.tif", paper.tiff(sheet, down=98, compression="group3"))
    service.sweep()
    page.goto("/")
    reload_until(page, "Answered by fax")
    look(page, "fax-01-today")
    page.goto(request)
    expect(page.get_by_text("Reminders stand still until somebody has written down")).to_be_visible()
    look(page, "fax-02-request")
    page.get_by_role("link", name="Write it down").click()
    picture = page.get_by_role("img", name="Page 1 of the fax")
    # The picture comes after the page: decoding it waits for that.
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == paper.WIDTH
    look(page, "fax-03-write-down")
    page.get_by_role("button", name="Record this answer").click()
    expect(page.get_by_role("alert")).to_contain_text("Please answer: Do you recommend it?")
    look(page, "fax-04-missing")
    write_down(page)
    page.get_by_label("The page is signed").check()
    page.get_by_role("button", name="Record this answer").click()
    expect(page.get_by_text("What the fax says is written down")).to_be_visible()
    expect(page.get_by_text("Answered: recommended")).to_be_visible()
    look(page, "fax-05-recorded")


def test_a_fax_without_a_code_is_placed_taken_off_and_set_aside(service: Service, sign_in: SignIn) -> None:
    page = sign_in("desk")
    number = ask(page, TILDA, "Lee")
    paper.put(service.fax_folder, "+13035550122-2.tif", paper.blank(9))
    service.sweep()
    page.goto("/fax-inbox")
    reload_until(page, "Fax from 303-555-0122")
    look(page, "fax-06-inbox")
    page.get_by_role("link", name="Find the request").first.click()
    expect(page.get_by_text("The fax comes from the number on file.").first).to_be_visible()
    look(page, "fax-07-candidates")
    page.get_by_role("link", name="Turn left").click()
    page.get_by_role("searchbox", name="Request number").fill(number)
    page.get_by_role("button", name="Find").click()
    page.get_by_role("radio", name=number).check()
    page.get_by_role("button", name="It belongs to this request").click()
    expect(page.get_by_text("The fax is with its request")).to_be_visible()
    page.get_by_text("It is another request’s").click()
    page.get_by_role("button", name="Back to the inbox").click()
    expect(page.get_by_text("The fax is back in the inbox")).to_be_visible()
    page.get_by_text("It belongs to nobody").click()
    page.get_by_label("Why").fill("An empty page")
    look(page, "fax-08-nobody")
    page.get_by_role("button", name="Set it aside").click()
    expect(page.get_by_text("The fax is set aside")).to_be_visible()
    look(page, "fax-09-set-aside")
    page.goto("/fax-inbox?state=dismissed")
    look(page, "fax-10-dismissed")
