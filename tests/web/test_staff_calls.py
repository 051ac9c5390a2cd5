"""The list of calls and the page of one, as the front desk uses them."""

from __future__ import annotations

import re

import pytest

from referral.domain.calls import CallReason
from referral.domain.codes import Role
from referral.domain.records import Referral
from referral.services.queue_call import queue_call
from referral.storage import calls, referrals
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.web.desk import Desk, OpenDesk


@pytest.fixture
def referral(clinic: ClinicFixture) -> Referral:
    with clinic.transaction() as session:
        made = people.asked_once(session, clinic, phone="303-555-0177")
        queue_call(session, made, CallReason.LADDER, NOW)
        return referrals.get(session, made.id)


@pytest.fixture
def call(clinic: ClinicFixture, referral: Referral) -> str:
    with clinic.transaction() as session:
        return f"/calls/{calls.of_referral(session, referral.id)[0].id}"


@pytest.fixture
def robin(clinic: ClinicFixture, open_desk: OpenDesk) -> Desk:
    return open_desk(clinic)


def test_the_list_has_a_number_to_press_and_the_menu_counts(robin: Desk, call: str) -> None:
    text = robin.get("/calls")
    assert "Chidi Okafor, MD about Maria José Nguyễn No answer yet Waiting since today." in text
    assert 'href="tel:303-555-0177"' in robin.page
    assert "Calls 1 waiting" in text
    assert f'href="{call}"' in robin.page
    assert "To call 1" not in robin.get("/orders")


def test_an_empty_list_says_what_will_appear(clinic: ClinicFixture, open_desk: OpenDesk) -> None:
    assert "Nobody to call now." in open_desk(clinic).get("/calls")


def test_the_script_says_nothing_about_the_patient_or_the_illness(robin: Desk, call: str) -> None:
    robin.get(call)
    found = re.search(r'id="say".*?</section>', robin.page, flags=re.DOTALL)
    assert found is not None
    script = re.sub(r"<[^>]+>", " ", found[0])
    assert "I am calling about request R-2026-00001" in script
    for secret in ("Maria", "Nguy", "1986", "depress", "F33", "etamine", "infusion", "psychiat"):
        assert secret not in script


def test_a_call_is_logged_once_and_is_on_the_timeline(
    robin: Desk, clinic: ClinicFixture, referral: Referral, call: str
) -> None:
    robin.get(call)
    old_page = robin.hidden()
    robin.post(call)
    assert robin.status == 400
    assert "Choose what came of the call." in robin.text
    text = robin.post(call, call_outcome="no-answer")
    assert "It comes up again on the next business day" in text
    assert "Later" in text
    assert "Next try tomorrow at 9:00 AM." in text
    robin.get(call)
    robin.post(call, old_page, call_outcome="no-answer")
    assert robin.status == 409
    timeline = robin.get(f"/requests/{referral.id}")
    assert "Called: nobody was reached" in timeline


def test_what_was_typed_is_still_there_after_a_refusal(robin: Desk, call: str) -> None:
    robin.get(call)
    robin.post(call, call_outcome="back-on", call_back_on="2026-11-03")
    assert robin.status == 400
    assert 'id="call_back_on-error"' in robin.page
    assert 'value="back-on" checked' in robin.page
    assert 'value="2026-11-03"' in robin.page


def test_an_answer_on_the_telephone_leads_to_writing_it_down(
    robin: Desk, referral: Referral, call: str
) -> None:
    robin.get(call)
    robin.post(call, call_outcome="answer-given")
    assert robin.path == f"/requests/{referral.id}/transcribe"


def test_a_call_is_logged_on_the_page_of_the_request(
    robin: Desk, clinic: ClinicFixture, referral: Referral, call: str
) -> None:
    path = f"/requests/{referral.id}"
    robin.get(path)
    assert "Log a call" in robin.text
    text = robin.post(f"{path}/call", call_outcome="other-channel", call_channel="fax")
    assert "The call is recorded" in text
    assert "Called: they want it another way Tue, Nov 3, 10:00 AM · by Robin Desk" in text
    assert "Nobody to call now." in robin.get("/calls")
    robin.get(path)
    robin.post(f"{path}/call")
    assert robin.status == 400
    assert '<details class="action" id="call" name="action" open' in robin.page


def test_who_sees_no_patients_sees_no_calls(clinic: ClinicFixture, open_desk: OpenDesk, call: str) -> None:
    for role in (Role.ADMIN, Role.AUDITOR):
        person = open_desk(clinic, role)
        for path in ("/calls", call):
            person.get(path)
            assert person.status == 403
        person.get("/")
        person.post(call, call_outcome="will-answer")
        assert person.status == 403


def test_another_clinics_call_is_no_page(other_clinic: ClinicFixture, open_desk: OpenDesk, call: str) -> None:
    stranger = open_desk(other_clinic)
    stranger.get("/calls")
    assert "Okafor" not in stranger.text
    stranger.get(call)
    assert stranger.status == 404
    stranger.get("/calls")
    stranger.post(call, csrf_token=token(stranger), call_outcome="will-answer", version="1")
    assert stranger.status == 404


def token(person: Desk) -> str:
    return person.hidden()["csrf_token"]
