"""A day of each kind of person of the clinic: what they see, and what is in the database afterwards."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from referral.domain.calls import CallReason
from referral.domain.codes import ClinicianKind, Role
from referral.domain.records import Referral
from referral.letters.render import Renderer
from referral.services import note_delivery
from referral.services.accounts import NewUser, add_user
from referral.services.ask_clinic import ask_clinic
from referral.services.queue_call import queue_call
from referral.services.treat import record_consultation
from referral.storage import outbox
from tests.database import NOW
from tests.journeys.answers import write_down
from tests.journeys.keyboard import Keyboard
from tests.journeys.looking import look, photograph
from tests.journeys.place import Place, Row
from tests.services import incoming, people
from tests.services.conftest import renderer  # noqa: F401 - the fixture

# How many buttons a page offers that change something, beside those of the account in its frame.
_FORMS = """async (path) => {
  const page = new DOMParser().parseFromString(await (await fetch(path)).text(), "text/html");
  return page.querySelector("main h1") ? page.querySelectorAll("main form[method=post] button").length : -1;
}"""
REASON = "Untreated mania; to be seen by the psychiatrist first."
PASSWORD = "a quiet harbour at dawn"
NAME = "Maria José Nguyễn"


def region(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name)


def seen_and_asked(place: Place, **clinician: object) -> Referral:
    """The consultation is done; all that the gate waits for is the answer."""
    with place.clinic.transaction() as session:
        asked = people.asked_once(session, place.clinic, **clinician)
        record_consultation(session, place.clinic.actor, asked.order_id, NOW, NOW)
    return asked


# ---- A morning at the desk


def overnight(place: Place) -> str:
    """A fax without a code, a question, a clinician to be called, and somebody who comes back; her id."""
    with place.clinic.transaction() as session:

        def asked(given: str, **doctor: str) -> Referral:
            of = people.patient(session, place.clinic, given=given, family="Overnight")
            who = people.clinician(session, place.clinic, npi="", **doctor)
            return people.ask(session, place.clinic, people.order(session, place.clinic, of), who)[0]

        asked("Fay", family="Faxford", fax="303-555-0166")
        incoming.arrived(session, "+13035550166")
        question = asked("Quinn", family="Questor")
        ask_clinic(session, people.portal_actor(place.clinic), question.id, "question", "Any MAOI?", NOW)
        late = asked("Cal", family="Callender", phone="303-555-0177")
        queue_call(session, late, CallReason.LADDER, NOW)
        back = people.patient(session, place.clinic, given="Juniper", family="Fallowmere")
        new = NewUser(
            email=f"robin-{place.clinic.id}@clinic.example",
            name="Robin Desk",
            role=Role.FRONT_DESK,
            password=PASSWORD,
        )
        add_user(session, place.clinic.actor, new)
    return back.id


def test_a_morning_at_the_desk_without_a_mouse_ends_with_nothing_left(place: Place) -> None:
    # Given a clinic with what a night has left, and a receptionist who signs in
    back = overnight(place)
    page = place.context().new_page()
    keys = Keyboard(page)
    page.goto("/sign-in")
    keys.type("E-mail", f"robin-{place.clinic.id}@clinic.example")
    keys.type("Password", PASSWORD)
    keys.follow("Sign in")
    expect(region(page, "Needs me").get_by_role("listitem")).to_have_count(1)
    expect(region(page, "To call").get_by_role("listitem")).to_have_count(1)
    photograph(page, "people-desk-1-morning")
    # When she asks for somebody who is on file, by somebody who is on file
    keys.follow("New request")
    keys.find("Find a patient", "fallow", "Juniper Fallowmere")
    keys.find("Find an indication", "F33.2", "F33.2")
    keys.type("Number of infusions", "6")
    keys.find("Find a clinician", "questor", "Chidi Questor")
    expect(page.locator(".summary")).to_contain_text("Questor")
    keys.follow("Send request")
    expect(page.get_by_text("The request is on its way")).to_be_visible()
    # and calls whom the ladder wants to be called
    keys.follow("Calls")
    keys.follow("Call and log")
    keys.reach("Reached: they will answer")
    keys.press("Space")
    keys.follow("Save the call")
    expect(page.get_by_text("Nobody to call now.")).to_be_visible()
    # and finds the request of the fax, and writes down what it says
    keys.follow("Faxes")
    keys.follow("Find the request")
    keys.reach("R-2026-00001: Chidi Faxford, MD", "May be")
    keys.press("Space")
    keys.follow("It belongs to this request")
    photograph(page, "people-desk-2-fax")
    write_down_by_keyboard(keys)
    keys.follow("Record this answer")
    expect(page.get_by_text("Answered: recommended")).to_be_visible()
    # and has the practice confirm it
    keys.follow("Today")
    keys.follow("Call and confirm")
    keys.type("Spoke with", "Ana at the front desk")
    keys.type("Number called", "303-555-0169")
    keys.follow("They confirm it")
    # and sees to the question
    keys.follow("Today")
    keys.follow("Read and reply")
    keys.follow("Seen to, nothing to write")
    # Then nothing waits for her, on the page and in the database
    keys.follow("Today")
    photograph(page, "people-desk-3-done")
    expect(region(page, "Needs me")).to_contain_text("Nothing waits for you.")
    expect(region(page, "To call")).to_contain_text("Nobody to call.")
    (robin,) = place.one("SELECT id FROM staff_user")
    assert place.rows("SELECT state, outcome, done_by FROM call_task") == [("done", "will-answer", robin)]
    assert place.rows("SELECT state FROM incoming_fax") == [("transcribed",)]
    assert place.rows("SELECT decision, strength FROM recommendation") == [
        ("recommended", "recorded-by-staff")
    ]
    assert place.rows("SELECT status FROM referral WHERE patient_id = %s", back) == [("requested",)]
    assert place.rows("SELECT about FROM conversation_turn WHERE settled_at IS NULL") == []


def write_down_by_keyboard(keys: Keyboard) -> None:
    """Recommended, nothing against it, as it stands on the page."""
    keys.choose("Do you recommend it?", "I recommend it")
    keys.date("Last visit with you", 10, 20, 2026)
    keys.choose("Does your record support", "Yes")
    for flag in ("Psychosis", "Mania", "Active substance use", "A suicidal plan"):
        keys.choose(flag, "No")
    for flag in ("Uncontrolled hypertension", "Pregnancy", "Dementia", "Interacting medication"):
        keys.choose(flag, "No")
    keys.choose("We continue to see", "Yes")
    keys.choose("Next visit within", "4 weeks")
    keys.choose("Who adjusts medication", "We do")
    keys.reach("The page is signed")
    keys.press("Space")


# ---- A bounced fax


def test_a_fax_that_does_not_arrive_becomes_a_call_and_goes_out_to_another_number(
    place: Place,
    renderer: Renderer,  # noqa: F811
) -> None:
    provider = place.server.provider
    # Given a request to somebody who is reached by fax alone, and a receptionist who looks at Today
    with place.clinic.transaction() as session:
        people.asked_once(session, place.clinic, email="", phone="303-555-0121", address=())
    robin, kim = place.sit(Role.FRONT_DESK, "Robin Desk"), place.sit(Role.FRONT_DESK, "Kim Desk")
    page = robin.page
    page.goto("/")
    place.deliver(renderer)
    first = list(provider.accepted.values())[-1]
    # When the provider says that nobody takes the fax
    provider.tell(first.id, "failure", error=1, message="no answer", at=NOW)
    # Then Today says so by itself, and that somebody has to call
    expect(region(page, "Needs me")).to_contain_text("The letter to Chidi Okafor, MD by fax did not arrive.")
    expect(region(page, "To call")).to_contain_text("Only reached by telephone")
    photograph(page, "people-fax-1-today")
    # When she calls, is given another number, and has the letter sent there
    region(page, "To call").get_by_role("link", name="Call and log").click()
    photograph(page, "people-fax-2-call")
    page.get_by_role("link", name="Change or add a contact").click()
    page.get_by_label("What is it?").select_option("Instead of fax to 303-555-0120")
    page.get_by_label("Kind").select_option("Fax")
    page.get_by_label("Number or address").fill("303-555-0144")
    page.get_by_label("Where it comes from").select_option("front-desk")
    page.get_by_role("button", name="Keep the contact").click()
    expect(page.get_by_role("status").first).to_contain_text("the letter goes there")
    place.deliver(renderer)
    second = list(provider.accepted.values())[-1]
    provider.tell(second.id, "completed", at=NOW)
    # Then it has arrived, and all that is left is that a colleague confirms the number
    expect(region(page, "What happened")).to_contain_text("Request by fax: delivered")
    photograph(page, "people-fax-3-delivered")
    kim.page.goto("/")
    expect(region(kim.page, "Needs me")).to_contain_text("Nothing waits for you.")
    region(kim.page, "To call").get_by_role("link", name="Call and log").click()
    expect(kim.page.get_by_text("Fax: 303-555-0144")).to_be_visible()
    kim.page.get_by_label("It is right").check()
    kim.page.get_by_label("Spoke with").fill("Ana at the front desk")
    kim.page.get_by_role("button", name="Save the call").click()
    expect(kim.page.get_by_text("Nobody to call now.")).to_be_visible()
    assert (first.to, second.to) == ("+13035550120", "+13035550144")
    went = "SELECT state, address FROM message m JOIN contact c ON c.id = contact_id ORDER BY address"
    assert place.rows(went) == [("failed", first.to), ("delivered", second.to)]
    called = place.rows("SELECT why, state, outcome, done_by FROM call_task ORDER BY why DESC")
    assert called == [
        ("only-contact", "cancelled", None, None),
        ("confirm-number", "done", "number-right", kim.user.id),
    ]
    by = place.one("SELECT verified_by, verified_how FROM contact WHERE address = %s", second.to)
    assert by == (kim.user.id, "Ana at the front desk")


# ---- An answer by telephone


def test_an_answer_by_telephone_is_read_back_and_opens_the_gate(place: Place) -> None:
    # Given a nurse before an order that waits for an answer
    asked = seen_and_asked(place, kind=ClinicianKind.PSYCHOLOGIST, phone="303-555-0121")
    nurse = place.sit(Role.CLINICIAN, "Nico Nurse").page
    nurse.goto(f"/orders/{asked.order_id}")
    expect(nurse.locator(".verdict")).to_contain_text("Closed")
    # When the clinician calls, and the receptionist writes down what is said
    robin = place.sit(Role.FRONT_DESK, "Robin Desk")
    page = robin.page
    page.goto("/requests")
    page.get_by_role("link", name=NAME).first.click()
    page.get_by_role("link", name="Record an answer by telephone").click()
    look(page, "people-telephone-1-questions")
    write_down(page)
    page.get_by_label("Spoke with").fill("Dr Okafor herself")
    page.get_by_label("Number").fill("303-555-0123")
    page.get_by_label("They say it is their opinion").check()
    page.get_by_role("button", name="Record this answer").click()
    # Then nothing is recorded before it was read back, and nothing has to be said again
    expect(page.get_by_role("alert").first).to_contain_text("read every answer back")
    photograph(page, "people-telephone-2-not-read-back")
    assert place.rows("SELECT id FROM recommendation") == []
    page.get_by_label("I have read every answer back").check()
    page.get_by_role("button", name="Record this answer").click()
    expect(page.get_by_text("The answer is recorded")).to_be_visible()
    photograph(page, "people-telephone-3-recorded")
    # and it does not count before she has called back, as Today says
    expect(nurse.locator(".verdict")).to_contain_text("the answer waits for review")
    page.goto("/")
    expect(region(page, "Needs me")).to_contain_text("counts once the practice has confirmed it")
    photograph(page, "people-telephone-4-today")
    region(page, "Needs me").get_by_role("link", name="Call and confirm").click()
    page.get_by_label("Spoke with").fill("Ana at the front desk")
    page.get_by_label("Number called").fill("303-555-0121")
    page.get_by_role("button", name="They confirm it").click()
    # Then the nurse's page opens by itself and says on what it rests
    expect(nurse.locator(".verdict")).to_contain_text("Open: treatment may start")
    expect(nurse.get_by_role("button", name="Start an infusion now")).to_be_enabled()
    expect(region(nurse, "What is needed before treatment")).to_contain_text("By Chidi Okafor, MD")
    photograph(nurse, "people-telephone-5-order")
    assert place.rows("SELECT decision, strength FROM recommendation") == [
        ("recommended", "recorded-by-staff")
    ]
    happened = place.rows("SELECT event, actor FROM referral_event WHERE event <> 'asked' ORDER BY id")
    assert happened == [("answered", robin.user.id), ("confirmed-by-phone", robin.user.id)]


# ---- The medical director


@pytest.mark.parametrize("decision", ["accept", "decline"])
def test_the_director_decides_about_red_flags_and_the_desk_sees_what_it_may(
    place: Place, decision: str
) -> None:
    # Given an empty review list and a receptionist's Today, both open
    asked = seen_and_asked(place)
    dana, robin = place.sit(Role.MEDICAL_DIRECTOR, "Dana Director"), place.sit(Role.FRONT_DESK, "Robin Desk")
    dana.page.goto("/reviews")
    expect(dana.page.get_by_text("Nothing waits for a review.")).to_be_visible()
    robin.page.goto("/")
    # When an answer with red flags arrives
    with place.clinic.transaction() as session:
        people.respond_with(session, place.clinic, asked, people.answers(mania="yes", pregnancy="unknown"))
    # Then it is on the list by itself, and keeps treatment closed
    row = dana.page.get_by_role("listitem").filter(has_text=NAME)
    expect(row).to_contain_text("2 red flags")
    photograph(dana.page, "people-director-1-list")
    expect(region(robin.page, "Needs me")).to_contain_text("the medical director has to look")
    expect(robin.page.get_by_text("Mania")).to_have_count(0)
    row.get_by_role("link", name="Review").click()
    flags = region(dana.page, "The answer").locator(".flags")
    expect(flags).to_contain_text("Mania")
    expect(flags).to_contain_text("Pregnancy")
    if decision == "decline":
        # When she declines without a reason, she is asked for one
        dana.page.get_by_role("button", name="Decline").click()
        expect(dana.page.get_by_role("alert").first).to_contain_text("Please write a short reason")
        assert place.rows("SELECT id FROM recommendation_review") == []
        dana.page.get_by_label("Reason").first.fill(REASON)
        photograph(dana.page, "people-director-2-answer")
        dana.page.get_by_role("button", name="Decline").click()
        expect(dana.page.get_by_text("The answer is declined")).to_be_visible()
    else:
        dana.page.get_by_role("button", name="Accept the answer").click()
        expect(dana.page.get_by_text("The answer is accepted")).to_be_visible()
    # Then the desk sees by itself what became of it, and neither the flags nor the reason
    accepted = decision == "accept"
    told = "Nothing waits for you." if accepted else "the medical director has not accepted it."
    expect(region(robin.page, "Needs me")).to_contain_text(told)
    expect(region(robin.page, "Next infusions")).to_contain_text("Open" if accepted else "Closed")
    photograph(robin.page, f"people-director-3-today-{decision}")
    for path in ("/", f"/requests/{asked.id}", f"/orders/{asked.order_id}"):
        robin.page.goto(path)
        shown = robin.page.inner_text("main")
        assert "Mania" not in shown
        assert REASON not in shown
    said = place.one("SELECT made_by, accepted, reason FROM recommendation_review")
    assert said == (dana.user.id, accepted, "Accepted as answered." if accepted else REASON)
    assert place.one("SELECT status FROM infusion_order") == ("active" if accepted else "on-hold",)


# ---- The auditor


def test_the_auditor_finds_who_read_a_patient_and_changes_nothing(place: Place) -> None:
    # Given a patient whose letter has left, and a receptionist who has looked at her
    with place.clinic.transaction() as session:
        asked = people.asked_once(session, place.clinic)
        (letter,) = outbox.find(session, referral_id=asked.id)
        note_delivery.accepted(session, letter, NOW, is_real=True)
    robin = place.sit(Role.FRONT_DESK, "Robin Desk")
    robin.page.goto(f"/patients/{asked.patient_id}")
    expect(robin.page.get_by_role("heading", name=NAME, level=1)).to_be_visible()
    # When the auditor looks for her by name and date of birth
    otto = place.sit(Role.AUDITOR, "Otto Auditor")
    page = otto.page
    page.goto("/")
    photograph(page, "people-auditor-0-today")
    page.get_by_role("link", name="Audit").first.click()
    page.get_by_role("searchbox").fill("Nguyễn 1986-04-12")
    page.get_by_role("button", name="Show").first.click()
    expect(page.get_by_role("listitem").filter(has_text="A patient was read").first).to_be_visible()
    photograph(page, "people-auditor-1-found")
    page.get_by_role("link", name="All of this patient").first.click()
    page.get_by_label("Person or system").select_option(label="Robin Desk")
    page.get_by_role("button", name="Show").first.click()
    # Then the list says that the receptionist has read her, and so does the file of it
    expect(region(page, "Audit").get_by_role("listitem").first).to_contain_text("A patient was read")
    photograph(page, "people-auditor-2-robin")
    with page.expect_download() as file:
        page.get_by_role("link", name="Download as CSV").click()
    listed = list(csv.DictReader(io.StringIO(Path(file.value.path()).read_text("utf-8-sig"))))
    assert {(row["Who"], row["Name"], row["What"], row["Patient"]) for row in listed} == {
        (robin.user.id, "Robin Desk", "A patient was read", asked.patient_id)
    }
    # and the accounting says to whom her letter went, and for what
    page.get_by_role("link", name="Accounting of disclosures").click()
    expect(region(page, "Disclosures").get_by_role("row")).to_have_count(2)
    expect(region(page, "Disclosures")).to_contain_text("Treatment: asking for a recommendation")
    expect(page.get_by_text(NAME)).to_have_count(0)
    look(page, "people-auditor-3-accounting")
    # and nothing in sight changes anything, nor does what is not in sight
    before = changes(place)
    for path in page.eval_on_selector_all(".places a", "links => links.map(link => link.pathname)"):
        assert page.evaluate(_FORMS, path) == 0, path
    assert try_to_void(page, asked) == 403
    assert changes(place) == before
    mine = "SELECT subtype, outcome FROM audit_event WHERE actor_id = %s ORDER BY id"
    noted = place.rows(mine, otto.user.id)
    assert {("list-audit", "0"), ("export-list", "0"), ("accounting", "0")} <= set(noted)


def changes(place: Place) -> list[Row]:
    """How many versions of anything there are, and how many entries that changed something."""
    return place.rows(
        "SELECT (SELECT count(*) FROM resource_history), count(*) FROM audit_event WHERE action <> 'R'"
        " AND outcome = '0'"
    )


def try_to_void(page: Page, asked: Referral) -> int:
    """With their own token, as somebody would who knows the address; the answer's status."""
    token = page.locator("form[action='/lock'] input[name=csrf_token]").get_attribute("value")
    form: dict[str, str | float | bool] = {"csrf_token": str(token), "cancel_reason": "not-needed"}
    return page.request.post(f"/requests/{asked.id}/cancel", form=form).status
