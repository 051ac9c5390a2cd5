"""In which language the portal speaks: one chosen on a page, the clinician’s, or the browser’s."""

from __future__ import annotations

import pytest

from referral.domain.codes import Channel
from referral.domain.credential import mint
from referral.domain.form import BY_LINK_ID
from referral.domain.language import Language
from referral.services.find_requests import find_request
from referral.services.receipt import receipt_record
from referral.storage import clinics, resources
from referral.translation import say
from tests.database import ClinicFixture
from tests.services import people
from tests.web.portal_case import DETAILS, SIGNER, Browser, Case, make_case

SPANISH = {"Accept-Language": "fr, es-MX;q=0.8, en;q=0.5"}
BOTH = ('<html lang="en">', '<html lang="es">')


@pytest.fixture
def case(clinic: ClinicFixture) -> Case:
    return make_case(clinic)


def language(text: str) -> str:
    return next(tag[12:14] for tag in BOTH if tag in text)


def reads(case: Case, *tags: str) -> None:
    """The clinician's record says so, as a connected system would have sent it."""
    with case.clinic.transaction() as session:
        stored = resources.read(session, "Practitioner", case.clinician.practitioner_id or "")
        spoken = [{"coding": [{"system": "urn:ietf:bcp:47", "code": tag}]} for tag in tags]
        resources.replace(
            session, {**stored.document, "communication": spoken}, stored.version, case.clock.now
        )


def test_the_first_page_varies_with_the_browser_and_never_with_the_link(case: Case) -> None:
    reads(case, "es")
    good, unknown = case.link(Channel.FAX), mint()
    with case.browser() as browser:
        for headers, expected in (({}, "en"), (SPANISH, "es"), ({"Cookie": "referral_language=es"}, "es")):
            pages = {
                browser.client.get(f"/r/{one.selector}/{one.secret}", headers=headers).content
                for one in (good, unknown)
            }
            assert len(pages) == 1
            assert language(pages.pop().decode()) == expected


def test_a_choice_is_kept_for_every_page_until_another_is_made(case: Case) -> None:
    with case.browser() as browser:
        minted = case.link(Channel.FAX)
        chosen = browser.get(f"/r/{minted.selector}/{minted.secret}?language=es")
        assert language(chosen.text) == "es"
        kept = chosen.headers["set-cookie"]
        assert kept.startswith("referral_language=es; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax")
        assert language(browser.open(minted).text) == "es"
        assert "Mostrar la solicitud" in browser.page
        assert "Su recomendación para Maren Quillfeather" in browser.give_birth_date().text
        assert language(browser.get("/request?language=en").text) == "en"
        assert language(browser.get("/request").text) == "en"
        assert "set-cookie" not in browser.get("/request?language=fr").headers


def test_a_known_clinician_is_spoken_to_in_their_language_once_the_link_is_shown(case: Case) -> None:
    reads(case, "es-PR", "en")
    with case.browser() as browser:
        assert language(browser.open(case.link(Channel.FAX)).text) == "es"
        # Their own choice counts for more than their record, the record for more than the browser.
        assert language(browser.get("/request?language=en").text) == "en"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("es", "es"), ("en-US,es;q=0.9", "en"), ("de,es;q=0.1", "es"), ("es;q=0, en", "en"), (";;q=,*", "en")],
)
def test_the_browser_is_asked_last(case: Case, asked: str, expected: str) -> None:
    with case.browser() as browser:
        assert language(browser.client.get("/request", headers={"Accept-Language": asked}).text) == expected


def test_errors_are_said_in_spanish_too(case: Case) -> None:
    with case.browser() as browser:
        browser.client.headers.update(SPANISH)
        missing = browser.get("/request/nothing")
        assert (missing.status_code, "Esta página no existe." in missing.text) == (404, True)
        assert "Por favor, escriba el código de su carta." in browser.post("/request/code", {"code": ""}).text
        browser.open(case.link(Channel.FAX))
        assert (
            "No coincide con nuestros datos."
            in browser.post(
                "/request/birth-date", {"birth_month": "1", "birth_day": "2", "birth_year": "1990"}
            ).text
        )
        browser.give_birth_date()
        browser.post("/request/decision", {"decision": "recommended-with-conditions"})
        assert "Responda, por favor: ¿Qué condiciones?" in browser.post("/request/details", {}).text


def test_the_record_is_in_the_language_of_the_page_that_was_signed(case: Case) -> None:
    """What was shown is kept word for word; people of the clinic read the same answer in English."""
    with case.browser() as browser:
        browser.open(case.link(Channel.FAX))
        browser.get("/request?language=es")
        browser.give_birth_date()
        browser.post("/request/decision", {"decision": "recommended-with-conditions"})
        browser.post(
            "/request/details", {**DETAILS, "conditions": "Litio medido antes", "action": "continue"}
        )
        assert "Gracias, su respuesta ha llegado" in browser.post("/request/sign", SIGNER).text
    with case.clinic.transaction() as session:
        clinic, referral = clinics.current(session), case.state()
        _, record = receipt_record(session, clinic, referral, "https://portal.example", Language.ENGLISH)
        seen = find_request(session, case.clinic.actor, referral.id, case.clock.now, may_read_answers=True)
    assert (record.language, record.answered_in) == (Language.SPANISH, Language.SPANISH)
    assert record.decision == "Lo recomiendo con condiciones"
    shown = {one.question: one.answer for one in record.answers}
    assert shown["¿Qué condiciones?"] == "Litio medido antes"
    assert shown["Psicosis"] == "No"
    assert "14 de octubre de 2026" in shown.values()
    assert record.attestation.startswith(say(Language.SPANISH, BY_LINK_ID["attestation"].text))
    assert seen.answer is not None
    assert seen.answer.words["psychosis"] == "No"
    assert seen.answer.words["continues-care"] == "Yes"
    assert seen.answer.words["conditions"] == "Litio medido antes"


def test_an_indication_stays_english_and_says_so(case: Case) -> None:
    reads(case, "es")
    with case.browser() as browser:
        browser.open(case.link(Channel.FAX))
        browser.give_birth_date()
        assert '<dd lang="en">recurrent severe depression (F33.2)</dd>' in browser.get("/request").text


def test_a_page_that_cannot_be_chosen_for_keeps_no_cookie(case: Case) -> None:
    with case.browser() as browser:
        assert isinstance(browser, Browser)
        assert "set-cookie" not in browser.client.get("/health/live?language=es").headers


def test_what_staff_have_written_down_is_in_the_language_of_the_form_that_was_sent(case: Case) -> None:
    """The tick-box page that came back by fax was in Spanish: so is its record, its attestation too."""
    reads(case, "es")
    with case.clinic.transaction() as session:
        people.respond_with(session, case.clinic, case.referral, people.answers("recommended"))
    with case.clinic.transaction() as session:
        clinic, referral = clinics.current(session), case.state()
        _, record = receipt_record(session, clinic, referral, "https://portal.example", Language.SPANISH)
    assert record.attestation == say(Language.SPANISH, BY_LINK_ID["attestation"].text)
    assert record.attestation != BY_LINK_ID["attestation"].text
    assert (record.decision, record.answered_in) == (
        say(Language.SPANISH, "I recommend it"),
        Language.SPANISH,
    )
    assert "Psicosis" in {one.question for one in record.answers}
