"""From the check to the receipt, through the whole stack: what is proven, shown, kept, signed once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from referral.domain.codes import BusinessStatus, Channel, ClinicianKind, Strength, TaskStatus
from referral.domain.outgoing import MessageKind
from referral.services.receipt import evidence_id
from referral.storage import audit, documents, recommendations, referrals
from tests.database import NOW, ClinicFixture
from tests.web.portal_case import BORN, DETAILS, SIGNER, Browser, Case, make_case

STATIC = Path(__file__).resolve().parents[2] / "referral" / "web" / "static"


@pytest.fixture
def case(clinic: ClinicFixture) -> Case:
    return make_case(clinic)


@pytest.fixture
def browser(case: Case) -> Iterator[Browser]:
    with case.browser() as opened:
        yield opened


def answer(case: Case) -> Any:
    with case.clinic.transaction() as session:
        return recommendations.find(session, referral_id=case.referral.id)


def count(case: Case, table: str, where: str = "true") -> int:
    with case.clinic.transaction() as session:
        return int(session.connection.scalar(text(f"SELECT count(*) FROM {table} WHERE {where}")) or 0)


def fill_in(browser: Browser, decision: str = "recommended", **changes: Any) -> None:
    """Everything up to the page that is signed."""
    browser.post("/request/decision", {"decision": decision})
    page = browser.post("/request/details", {**DETAILS, **changes, "action": "continue"})
    assert "Read and sign" in page.text


# ---- What is proven first


def test_a_faxed_link_and_the_birth_date_count_at_once(case: Case, browser: Browser) -> None:
    browser.identify_by_fax()
    fill_in(browser)
    page = browser.post("/request/sign", SIGNER).text
    assert "Thank you, your answer has arrived" in page
    recorded = answer(case)
    assert (recorded.decision, recorded.strength) == ("recommended", Strength.PAPER_TO_VERIFIED_CONTACT)
    assert case.state().status is TaskStatus.COMPLETED


def test_a_mailed_link_needs_the_code_on_a_letter_and_then_the_birth_date(
    case: Case, browser: Browser
) -> None:
    letter = case.link(Channel.POST)
    page = browser.open(case.link(Channel.EMAIL)).text
    assert "One check that it is you" in page
    assert "Quillfeather" not in page
    page = browser.post("/request/letter-code", {"letter_code": letter.short_code}).text
    assert "Maren Quillfeather" in page  # whoever came by mail has no letter that names the patient
    assert "1984" not in page
    assert "Your recommendation for" in browser.give_birth_date().text
    fill_in(browser)
    browser.post("/request/sign", SIGNER)
    assert answer(case).strength == Strength.TWO_CHANNEL


def test_a_mailed_link_can_have_six_digits_sent_to_the_fax(case: Case, browser: Browser) -> None:
    page = browser.open(case.link(Channel.EMAIL)).text
    assert "the number ending in 77" in page
    assert "5550177" not in page
    # What is read; ids of random letters and digits are not.
    read = re.sub(r"<[^>]+>", " ", page)
    assert "555" not in read.replace("303-555-0142", "")
    browser.post("/request/send-code", {"way": case.contact(Channel.FAX).id})
    page = browser.post("/request/one-time-code", {"one_time_code": case.one_time_code()}).text
    assert "date of birth" in page
    browser.give_birth_date()
    fill_in(browser)
    browser.post("/request/sign", SIGNER)
    assert answer(case).strength == Strength.TWO_CHANNEL


def test_one_mailbox_alone_is_told_that_the_clinic_will_call(clinic: ClinicFixture) -> None:
    case = make_case(clinic, verified=False)
    with case.browser() as browser:
        assert "short telephone call" in browser.open(case.link(Channel.EMAIL, verified=False)).text
        browser.post("/request/send-code", {"way": case.contact(Channel.EMAIL).id})
        browser.post("/request/one-time-code", {"one_time_code": case.one_time_code()})
        assert "confirmed by telephone" in browser.give_birth_date().text
        fill_in(browser)
        assert "confirms your answer with a short call" in browser.post("/request/sign", SIGNER).text
    assert answer(case).strength == Strength.SINGLE_CHANNEL


def test_without_any_second_way_the_page_says_whom_to_call(clinic: ClinicFixture) -> None:
    case = make_case(clinic, verified=False)
    case.policy(allow_single_channel=False)
    with case.browser() as browser:
        page = browser.open(case.link(Channel.EMAIL, verified=False)).text
    assert "Please call us" in page
    assert "303-555-0142" in page


def test_a_miss_keeps_what_was_typed_and_says_only_that_it_does_not_match(
    case: Case, browser: Browser
) -> None:
    browser.open(case.link(Channel.FAX))
    response = browser.give_birth_date(BORN + timedelta(days=1))
    assert response.status_code == 400
    assert "This does not match our record" in response.text
    assert (
        'name="birth_year" type="text" inputmode="numeric" autocomplete="off" maxlength="4" value="1984"'
        in (response.text)
    )


@pytest.mark.parametrize("typed", [("", "", ""), ("13", "1", "1984"), ("May", "17", "1984"), ("9" * 50,) * 3])
def test_what_is_no_date_costs_no_try(case: Case, browser: Browser, typed: tuple[str, str, str]) -> None:
    minted = case.link(Channel.FAX)
    browser.open(minted)
    parts = dict(zip(("birth_month", "birth_day", "birth_year"), typed, strict=True))
    assert browser.post("/request/birth-date", parts).status_code == 400
    assert case.credential(minted).attempts == 0


def test_five_misses_pause_and_ten_stop_the_link_and_tell_staff(case: Case, browser: Browser) -> None:
    minted = case.link(Channel.FAX)
    browser.open(minted)
    for _ in range(5):
        page = browser.give_birth_date(date(1990, 1, 1)).text
    assert "Please wait 15 minutes" in page
    assert "Please wait 15 minutes" in browser.give_birth_date().text
    case.clock.now += timedelta(minutes=15, seconds=1)
    browser.open(minted)
    for _ in range(5):
        page = browser.give_birth_date(date(1990, 1, 1)).text
    assert "Please call us" in page
    assert "portal-frozen" in case.events()
    case.clock.now += timedelta(days=1)
    assert "cannot be used now" in browser.open(minted).text


def test_a_patient_without_a_full_birth_date_is_a_call_and_a_note_for_staff(
    case: Case, browser: Browser
) -> None:
    with case.clinic.transaction() as session:
        session.connection.execute(text("UPDATE patient SET birth_date = NULL"))
    minted = case.link(Channel.FAX)
    browser.open(minted)
    for _ in range(2):
        assert "Please call us" in browser.give_birth_date().text
        browser.open(minted)
    assert case.events().count("portal-no-birth-date") == 1
    assert case.credential(minted).attempts == 0


@pytest.mark.parametrize(
    "address",
    ["/request/details", "/request/review", "/request/receipt", "/request/letter", "/request/ask/call"],
)
def test_no_page_is_open_before_the_birth_date(case: Case, browser: Browser, address: str) -> None:
    assert browser.client.get(address, follow_redirects=False).headers["location"] == "/request"
    browser.open(case.link(Channel.FAX))
    assert browser.client.get(address, follow_redirects=False).headers["location"] == "/request"
    for step in ("decision", "details", "sign", "ask/call"):
        response = browser.post(f"/request/{step}", {"decision": "recommended", "text": "Hello", **SIGNER})
        assert response.url.path == "/request"
    assert answer(case) is None
    assert case.state().status is TaskStatus.REQUESTED


# ---- The request


def test_the_request_says_who_what_and_who_decides_and_every_look_is_recorded(
    case: Case, browser: Browser
) -> None:
    minted = browser.identify_by_fax()
    for words in (
        *("Maren Quillfeather", "born 1984", "recurrent severe depression (F33.2)"),
        *("6 intravenous ketamine infusions", "Harbor Light Clinic", "The clinic. Treatment, consent"),
    ):
        assert words in browser.page
    assert BORN.isoformat() not in browser.page
    with case.clinic.transaction() as session:
        looks = [r for r in audit.find(session, patient_id=case.patient.id) if r.subtype == "portal-request"]
    assert [(r.actor_kind, r.actor_id, r.action) for r in looks] == [("portal", minted.selector, "R")]


def test_the_letter_is_the_one_that_came_with_this_link_and_no_other(case: Case, browser: Browser) -> None:
    case.attach_letter(case.link(Channel.POST), b"%PDF the code on this one is a second factor")
    mailed = case.link(Channel.EMAIL)
    browser.open(mailed)
    browser.post("/request/send-code", {"way": case.contact(Channel.FAX).id})
    browser.post("/request/one-time-code", {"one_time_code": case.one_time_code()})
    browser.give_birth_date()
    assert "/request/letter" not in browser.page
    assert browser.client.get("/request/letter").status_code == 404
    case.attach_letter(mailed, b"%PDF mailed")
    assert "/request/letter" in browser.get("/request").text
    response = browser.client.get("/request/letter")
    assert (response.content, response.headers["content-type"]) == (b"%PDF mailed", "application/pdf")


def test_nothing_is_chosen_before_the_clinician_chooses(case: Case, browser: Browser) -> None:
    browser.identify_by_fax()
    page = browser.post("/request/decision", {"decision": "recommended"}).text
    assert " checked" not in page
    browser.post("/request/details", {**DETAILS, "action": "continue"})
    assert " checked" not in browser.get("/request/review").text
    assert 'value="Hollis Brandywine"' in browser.page
    assert '<option value="psychiatrist" selected>' in browser.page
    assert 'name="signer-license-state" type="text" value="CO"' in browser.page
    assert browser.page.count("Filled in by the clinic") == 5


def test_a_psychologist_is_not_asked_about_blood_pressure(clinic: ClinicFixture) -> None:
    case = make_case(clinic, ClinicianKind.PSYCHOLOGIST)
    with case.browser() as browser:
        browser.identify_by_fax()
        page = browser.post("/request/decision", {"decision": "recommended"}).text
    assert "Psychosis" in page
    assert "hypertension" not in page


@pytest.mark.parametrize(
    ("decision", "asked", "left_out"),
    [
        (
            "recommended-with-conditions",
            ["Which conditions?", "Psychosis", "Next visit within"],
            ["Main reason"],
        ),
        ("not-recommended", ["Main reason", "Last visit with you"], ["Psychosis", "Next visit within"]),
        ("needs-information", ["When will you see the patient?"], ["Psychosis", "Treatments tried"]),
    ],
)
def test_each_answer_asks_only_what_fits_it(
    case: Case, browser: Browser, decision: str, asked: list[str], left_out: list[str]
) -> None:
    browser.identify_by_fax()
    page = browser.post("/request/decision", {"decision": decision}).text
    assert [words for words in asked if words not in page] == []
    assert [words for words in left_out if words in page] == []


def test_errors_stand_beside_their_fields_and_nothing_typed_is_lost(case: Case, browser: Browser) -> None:
    browser.identify_by_fax()
    browser.post("/request/decision", {"decision": "recommended"})
    tomorrow = (NOW + timedelta(days=1)).date().isoformat()
    typed = {
        **DETAILS,
        "last-seen": tomorrow,
        "medication": "lithium <b>",
        "psychosis": "",
        "action": "continue",
    }
    response = browser.post("/request/details", typed)
    assert response.status_code == 400
    for piece in (
        *('href="#last-seen"', 'href="#psychosis"', 'id="psychosis-error"', 'id="last-seen-error"'),
        *("lithium &lt;b&gt;</textarea>", f'value="{tomorrow}"'),
    ):
        assert piece in response.text
    assert response.text.count(" checked") == 13
    assert browser.client.get("/request/review").url.path == "/request/details"


def test_signing_needs_the_tick_a_name_and_credentials_and_keeps_what_was_typed(
    case: Case, browser: Browser
) -> None:
    browser.identify_by_fax()
    fill_in(browser)
    typed = {"signer-npi": "1234567890", "signer-license-state": "Atlantis", "signer-role": "psychologist"}
    response = browser.post("/request/sign", {"signer-name": "H. Brandywine", **typed})
    assert response.status_code == 400
    for piece in (
        "attestation-error",
        "signer-credentials-error",
        "signer-npi-error",
        "signer-license-state-error",
        '<option value="psychologist" selected>',
        'value="H. Brandywine"',
    ):
        assert piece in response.text
    assert answer(case) is None


def test_a_changed_mind_leaves_no_stray_answers(case: Case, browser: Browser) -> None:
    browser.identify_by_fax()
    fill_in(browser, "recommended-with-conditions", conditions="Blood pressure first", psychosis="yes")
    browser.post("/request/decision", {"decision": "not-recommended"})
    browser.post(
        "/request/details",
        {**DETAILS, "reason-code": "unstable", "reason": "Not now", "action": "continue"},
    )
    assert "Blood pressure first" not in browser.page
    browser.post("/request/sign", SIGNER)
    recorded = answer(case)
    assert (recorded.decision, list(recorded.red_flags)) == ("not-recommended", [])


# ---- Saving


def test_an_assistant_fills_it_in_and_the_clinician_signs_by_another_link(
    case: Case, browser: Browser
) -> None:
    browser.identify_by_fax()
    browser.post("/request/decision", {"decision": "recommended"})
    response = browser.post("/request/details", {"medication": "sertraline 100 mg", "action": "save"})
    assert "Saved for later" in response.text
    assert "Quillfeather" not in browser.get("/request").text
    case.clock.now += timedelta(days=2)
    with case.browser() as clinician:
        clinician.open(case.link(Channel.POST))
        assert "Your answer so far." in clinician.give_birth_date().text
        assert "sertraline 100 mg" in clinician.get("/request/details").text
        clinician.post("/request/details", {**DETAILS, "action": "continue"})
        assert "Thank you" in clinician.post("/request/sign", SIGNER).text


def test_a_long_text_typed_past_the_time_limit_is_saved_but_not_shown(case: Case, browser: Browser) -> None:
    minted = browser.identify_by_fax()
    browser.post("/request/decision", {"decision": "recommended"})
    case.clock.now += timedelta(minutes=40)
    page = browser.post(
        "/request/details", {**DETAILS, "medication": "lamotrigine", "action": "continue"}
    ).text
    assert "What you saved is kept" in page
    assert "lamotrigine" not in page
    browser.open(minted)
    browser.give_birth_date()
    assert "lamotrigine" in browser.get("/request/details").text


# ---- Signing once


def test_the_same_answer_sent_twice_at_once_is_one_answer(case: Case, browser: Browser) -> None:
    browser.identify_by_fax()
    fill_in(browser)
    hidden = browser.page
    with ThreadPoolExecutor(6) as pool:

        def press(_: int) -> str:
            other = Browser(case, browser.client)
            other.page = hidden
            return other.post("/request/sign", SIGNER).text

        pages = list(pool.map(press, range(6)))
    assert all("Thank you, your answer has arrived" in page for page in pages)
    assert count(case, "recommendation", f"referral_id = '{case.referral.id}'") == 1
    assert case.events().count("answered") == 1


def test_going_back_and_signing_again_shows_the_first_receipt(case: Case, browser: Browser) -> None:
    browser.identify_by_fax()
    fill_in(browser)
    form = browser.page
    browser.post("/request/sign", SIGNER)
    for address in ("/request", "/request/details", "/request/review"):
        assert browser.client.get(address).url.path == "/request/receipt"
    browser.page = form
    assert "Thank you" in browser.post("/request/sign", SIGNER).text
    browser.page = form
    assert "Thank you" in browser.post("/request/decision", {"decision": "not-recommended"}).text
    assert answer(case).decision == "recommended"


def test_needing_to_see_the_patient_moves_the_reminders_once(case: Case, browser: Browser) -> None:
    visit = (NOW + timedelta(days=9)).date().isoformat()
    browser.identify_by_fax()
    browser.post("/request/decision", {"decision": "needs-information"})
    browser.post("/request/details", {"visit-planned": visit, "action": "continue"})
    form = browser.page
    for _ in range(3):
        browser.page = form
        assert "November 12, 2026" in browser.post("/request/sign", SIGNER).text
    state = case.state()
    assert state.business_status is BusinessStatus.AWAITING_INFORMATION
    assert case.events().count("needs-visit") == 1
    assert answer(case) is None


def test_after_needing_to_see_the_patient_the_answer_can_still_be_given(case: Case, browser: Browser) -> None:
    visit = (NOW + timedelta(days=1)).date().isoformat()
    minted = browser.identify_by_fax()
    browser.post("/request/decision", {"decision": "needs-information"})
    browser.post("/request/details", {"visit-planned": visit, "action": "continue"})
    browser.post("/request/sign", SIGNER)
    case.clock.now += timedelta(days=2)
    browser.open(minted)
    assert "Your answer so far." not in browser.give_birth_date().text
    fill_in(browser)
    assert "Thank you" in browser.post("/request/sign", SIGNER).text
    assert answer(case).decision == "recommended"


def test_not_my_patient_is_two_steps_and_ends_every_link(case: Case, browser: Browser) -> None:
    other = case.link(Channel.EMAIL)
    browser.identify_by_fax()
    page = browser.post("/request/decision", {"decision": "not-my-patient"}).text
    assert "Read and sign" in page
    assert "We will not ask you again" in browser.post("/request/sign", SIGNER).text
    assert case.state().status is TaskStatus.REJECTED
    assert "cannot be used now" in browser.open(other).text


def test_what_was_changed_in_another_window_is_read_again_before_it_is_signed(
    case: Case, browser: Browser
) -> None:
    browser.identify_by_fax()
    fill_in(browser)
    stale = browser.page
    fill_in(browser, medication="clozapine")
    browser.page = stale
    response = browser.post("/request/sign", SIGNER)
    assert "changed in another window" in response.text
    assert "clozapine" in response.text
    assert answer(case) is None
    assert "Thank you" in browser.post("/request/sign", SIGNER).text


def test_an_answer_by_another_link_was_first_and_this_one_is_kept_beside_it(
    case: Case, browser: Browser
) -> None:
    browser.identify_by_fax()
    fill_in(browser)
    with case.browser() as other:
        other.open(case.link(Channel.POST))
        other.give_birth_date()
        fill_in(other)
        other.post("/request/sign", SIGNER)
    page = browser.post("/request/sign", SIGNER).text
    assert "Another answer to this request came first and stands" in page
    assert count(case, "late_answer", f"referral_id = '{case.referral.id}' AND NOT differs") == 1
    assert count(case, "recommendation", f"referral_id = '{case.referral.id}'") == 1


def test_the_evidence_holds_the_page_that_was_signed_and_how_the_person_was_known(
    case: Case, browser: Browser
) -> None:
    minted = browser.identify_by_fax()
    fill_in(browser)
    shown = browser.get("/request/review").content
    browser.post("/request/sign", SIGNER)
    with case.clinic.transaction() as session:
        kept = json.loads(documents.get(session, evidence_id(answer(case).document_id)).content)
        pages = session.connection.scalars(text("SELECT id FROM document WHERE kind = 'signed-page'")).all()
        (page,) = [documents.get(session, id) for id in pages]
    assert page.content == shown
    facts = dict(kept["evidence"])
    assert hashlib.sha256(shown).hexdigest() in facts.values()
    assert minted.selector in facts.values()
    assert "test browser" in facts.values()
    assert facts["Prefilled by the clinic"] == ", ".join(
        f"signer-{name}" for name in ("credentials", "license-state", "name", "npi", "role")
    )


def test_the_record_can_be_downloaded_once_it_has_been_made(case: Case, browser: Browser) -> None:
    browser.identify_by_fax()
    fill_in(browser)
    assert "is being made" in browser.post("/request/sign", SIGNER).text
    assert browser.client.get("/request/receipt.pdf").status_code == 404
    with case.clinic.transaction() as session:
        documents.add(
            session,
            id=answer(case).document_id,
            kind="receipt",
            content_type="application/pdf",
            content=b"%PDF sealed",
            now=case.clock.now,
        )
    assert "Download the record" in browser.get("/request/receipt").text
    response = browser.client.get("/request/receipt.pdf")
    assert response.content == b"%PDF sealed"
    assert response.headers["content-disposition"] == 'attachment; filename="record.pdf"'
    case.clock.now += timedelta(minutes=16)
    assert browser.client.get("/request/receipt.pdf", follow_redirects=False).status_code == 303


# ---- Other ways out


@pytest.mark.parametrize(("about", "field"), [("question", "text"), ("call", "telephone")])
def test_a_question_or_a_call_stops_the_reminders_once(
    case: Case, browser: Browser, about: str, field: str
) -> None:
    browser.identify_by_fax()
    page = browser.get(f"/request/ask/{about}").text
    assert browser.post(f"/request/ask/{about}", {field: " "}).status_code == 400
    for _ in range(2):
        browser.page = page
        assert "your message has arrived" in browser.post(f"/request/ask/{about}", {field: "555-0100"}).text
    assert case.events().count(f"asked-{about}") == 1
    assert case.state().next_step_at is None
    assert "Your recommendation for" in browser.get("/request").text


def test_naming_a_colleague_ends_this_link_and_its_session(case: Case, browser: Browser) -> None:
    minted = browser.identify_by_fax()
    browser.get("/request/ask/colleague")
    page = browser.post("/request/ask/colleague", {"name": "Wren Halloway", "telephone": "555-0166"}).text
    assert "Yours has been closed" in page
    assert "Quillfeather" not in browser.get("/request").text
    assert "cannot be used now" in browser.open(minted).text
    browser.post("/request/fresh-link", {"selector": minted.selector})
    assert case.messages(MessageKind.FRESH_LINK) == []
    with case.clinic.transaction() as session:
        details = [event.detail for event in referrals.events(session, case.referral.id)]
    assert "Halloway" not in repr(details)


# ---- Size


def test_no_page_weighs_more_than_a_hundred_kilobytes(case: Case, browser: Browser) -> None:
    styles = sum((STATIC / name).stat().st_size for name in ("tokens.css", "referral.css", "portal.css"))
    browser.identify_by_fax()
    sizes = [len(browser.page.encode())]
    fill_in(browser, "recommended-with-conditions", conditions="x")
    sizes += [len(browser.get(address).content) for address in ("/request/details", "/request/review")]
    assert max(sizes) + styles < 100_000
