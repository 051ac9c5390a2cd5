"""“My assistant fills, I sign”, and what whoever recommended the treatment hears of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from referral.domain.codes import Channel
from referral.domain.outgoing import MessageKind
from referral.services.book_chair import NewBooking, book_chair
from referral.services.find_requests import _evidence
from referral.services.keep_chairs import add_chair
from referral.services.treat import record_consultation, start_treatment
from referral.storage import recommendations, resources, tables
from tests.database import NOW, ClinicFixture
from tests.services.bookings import slot
from tests.web.portal_case import DETAILS, SIGNER, Browser, Case, make_case


@pytest.fixture
def case(clinic: ClinicFixture) -> Case:
    return make_case(clinic)


@pytest.fixture
def browser(case: Case) -> Iterator[Browser]:
    with case.browser() as opened:
        yield opened


def fill_in(browser: Browser) -> None:
    browser.post("/request/decision", {"decision": "recommended"})
    browser.post("/request/details", {**DETAILS, "action": "continue"})


def as_assistant(browser: Browser, name: str = "Kim Reyes") -> None:
    browser.identify_by_fax()
    browser.get("/request/assistant")
    browser.post("/request/assistant", {"name": name})


def answered(case: Case) -> object:
    with case.clinic.transaction() as session:
        return recommendations.find(session, referral_id=case.referral.id)


def test_the_assistants_visit_cannot_sign_whatever_it_sends(case: Case, browser: Browser) -> None:
    as_assistant(browser)
    fill_in(browser)
    assert "Only Hollis Brandywine can sign" in browser.page
    assert "/request/sign" not in browser.page
    key = {"key": "x"}
    assert answered(case) is None
    for extra in ({}, key, SIGNER):
        browser.post("/request/sign", {**SIGNER, **extra})
        assert answered(case) is None
    # Saying it again, or leaving the name out, does not undo it.
    browser.get("/request/assistant")
    assert browser.post("/request/assistant", {"name": ""}).status_code == 400
    browser.post("/request/sign", SIGNER)
    assert answered(case) is None


def test_the_clinicians_own_identification_signs_and_the_record_names_both(
    case: Case, browser: Browser
) -> None:
    as_assistant(browser)
    fill_in(browser)
    assert "Saved" in browser.post("/request/hand-over").text
    assert "Brandywine" not in browser.get("/request").text
    assert len(case.messages(MessageKind.FRESH_LINK)) == 1
    with case.browser() as own:
        own.open(case.link(Channel.POST))
        own.give_birth_date()
        own.get("/request/review")
        assert "Kim Reyes has filled this in" in own.page
        assert "sertraline" in own.page
        refused = own.post("/request/sign", {**SIGNER, "signer-name": "kim  reyes"})
        assert refused.status_code == 400
        assert "The clinician signs with their own name" in refused.text
        assert "Thank you" in own.post("/request/sign", SIGNER).text
    with case.clinic.transaction() as session:
        given = recommendations.find(session, referral_id=case.referral.id)
        assert given is not None
        kept = _evidence(session, given.document_id)
        ids = session.connection.scalars(
            select(tables.resource.c.id).where(
                tables.resource.c.clinic_id == session.clinic, tables.resource.c.type == "Provenance"
            )
        ).all()
        written = [resources.read(session, "Provenance", id).document for id in ids]
        (signed,) = [one for one in written if {"reference": f"Observation/{given.id}"} in one["target"]]
    assert kept["signer"]["name"] == "Hollis Brandywine"
    lines = dict(kept["evidence"])
    assert lines["Filled in for the clinician by"] == "Kim Reyes"
    assert lines["Credential of whoever filled it in"] != lines["Credential"]
    who = [agent["who"].get("display") for agent in signed["agent"]]
    assert who == ["Hollis Brandywine", "Kim Reyes, for Hollis Brandywine"]


def test_without_an_assistant_the_record_names_nobody_else(case: Case, browser: Browser) -> None:
    browser.identify_by_fax()
    fill_in(browser)
    browser.post("/request/sign", SIGNER)
    with case.clinic.transaction() as session:
        given = recommendations.find(session, referral_id=case.referral.id)
        assert given is not None
        assert "Filled in for the clinician by" not in dict(_evidence(session, given.document_id)["evidence"])


# ---- What happened since


def test_whoever_recommended_it_hears_how_it_goes_while_the_visit_lasts(case: Case, browser: Browser) -> None:
    browser.identify_by_fax()
    assert browser.get("/request/since").url.path == "/request"
    fill_in(browser)
    browser.post("/request/sign", SIGNER)
    page = browser.get("/request/since").text
    assert "Treatment has not begun yet" in page
    assert "0 of 6" in page
    order_id = case.referral.order_id
    with case.clinic.transaction() as session:
        record_consultation(session, case.clinic.actor, order_id, NOW, NOW)
        start_treatment(session, case.clinic.actor, order_id, case.patient.id, NOW)
        add_chair(session, case.clinic.actor, "By the window", NOW)
        book_chair(session, case.clinic.actor, NewBooking(order_id=order_id, slot=slot()), NOW)
    page = browser.get("/request/since").text
    assert "Treatment is under way" in page
    assert "1 of 6" in page
    assert "Next" in page
    # Nothing of what the clinic keeps to itself.
    for word in ("F33.2", "depress", "By the window", "medical director"):
        assert word not in page, word
    browser.get("/request/withdraw")
    browser.post("/request/withdraw", {"text": ""})
    assert "Treatment is under way" not in browser.get("/request/since").text
    case.clock.now += timedelta(minutes=20)
    assert "Treatment is under way" not in browser.get("/request/since").text
