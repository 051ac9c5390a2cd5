"""Two people at the same thing: the second is told what the first has done, and overwrites nothing."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from referral.domain.codes import Role
from referral.domain.records import Referral
from referral.storage import referrals
from tests.database import ClinicFixture
from tests.services import people
from tests.web.desk import Desk, OpenDesk


@pytest.fixture
def referral(clinic: ClinicFixture) -> Referral:
    with clinic.transaction() as session:
        return people.asked_once(session, clinic)


def test_on_a_request_the_second_is_told_who_did_what_and_keeps_what_was_typed(
    clinic: ClinicFixture, referral: Referral, open_desk: OpenDesk
) -> None:
    robin, kim = open_desk(clinic), open_desk(clinic, Role.CLINICIAN)
    page = f"/requests/{referral.id}"
    robin.get(page)
    kim.get(page)
    kim.post(f"{page}/extend", extend_days="2")
    text = robin.post(f"{page}/pause", pause_until="2026-11-13")
    assert robin.status == 409
    assert "Somebody was faster, and nothing of yours was changed" in text
    assert "The expiry of a request was moved, by Robin Desk, " in text
    assert 'value="2026-11-13"' in robin.page
    assert "Pause until 2026-11-13" in text
    with clinic.transaction() as session:
        assert referrals.get(session, referral.id).paused_until is None
    # Having read it, the second may go on.
    robin.post(f"{page}/cancel", cancel_reason="not-needed")
    assert robin.status == 200
    with clinic.transaction() as session:
        assert not referrals.get(session, referral.id).is_open


@pytest.mark.parametrize("step", ["confirm", "review", "void", "late"])
def test_a_judgement_on_an_older_page_is_no_judgement(
    clinic: ClinicFixture, referral: Referral, open_desk: OpenDesk, step: str
) -> None:
    elena, kim = open_desk(clinic, Role.MEDICAL_DIRECTOR), open_desk(clinic)
    page = f"/requests/{referral.id}"
    elena.get(page)
    kim.get(page)
    kim.post(f"{page}/hold")
    typed = {"spoke_with": "Ms. Alder", "called_number": "303-555-0120", "outcome": "confirmed"}
    text = elena.post(
        f"{page}/{step}", typed, decision="accept", void_reason="Sent in error", late_reason="x"
    )
    assert (elena.status, "Somebody was faster" in text) == (409, True)


@dataclass(frozen=True, slots=True)
class Written:
    """A form that writes over what is there: two answers to it, and what the page says where one counts."""

    page: str
    path: str
    first: dict[str, str]
    second: dict[str, str]
    says: str
    then: str
    role: Role = Role.FRONT_DESK


_OVER = {
    "mobile": Written(
        "/patients/{patient}",
        "/patients/{patient}/mobile",
        {"mobile": "303-555-0144"},
        {"mobile": "303-555-0155"},
        "303-555-0144",
        "303-555-0155",
    ),
    "language": Written(
        "/directory/{clinician}",
        "/directory/{clinician}/language",
        {"language": "es"},
        {"language": "en"},
        "Language Spanish",
        "Language English",
    ),
    "office-hours": Written(
        "/directory/{clinician}/hours",
        "/directory/{clinician}/hours",
        {"opens": "10:00", "closes": "16:00", "sends": "11:00"},
        {"opens": "12:00", "closes": "17:00", "sends": "13:00"},
        "10:00 AM to 4:00 PM",
        "12:00 PM to 5:00 PM",
    ),
    "clinic-hours": Written(
        "/settings/hours",
        "/settings/hours",
        {"opens": "10:00", "closes": "16:00", "sends": "11:00"},
        {"opens": "12:00", "closes": "17:00", "sends": "13:00"},
        "10:00 AM to 4:00 PM",
        "12:00 PM to 5:00 PM",
        Role.MEDICAL_DIRECTOR,
    ),
}


@pytest.mark.parametrize("name", _OVER)
def test_what_has_no_version_is_not_written_over_either(
    clinic: ClinicFixture, referral: Referral, open_desk: OpenDesk, name: str
) -> None:
    form = _OVER[name]
    about = {"patient": referral.patient_id, "clinician": referral.clinician_id}
    page, path = form.page.format(**about), form.path.format(**about)
    robin, kim = open_desk(clinic, form.role), open_desk(clinic, form.role)
    robin.get(page)
    kim.get(page)
    kim.post(path, form.first)
    assert kim.status == 200
    text = robin.post(path, form.second)
    assert robin.status == 409
    assert "Somebody was faster" in text
    assert ", by Robin Desk, " in text
    assert form.says in kim.get(page)
    robin.post(path, form.second)
    assert robin.status == 200
    assert form.then in kim.get(page)


def test_a_consent_is_not_given_over_a_refusal_that_nobody_has_read(
    clinic: ClinicFixture, referral: Referral, open_desk: OpenDesk
) -> None:
    robin, kim = open_desk(clinic), open_desk(clinic)
    page = f"/patients/{referral.patient_id}"
    for person in (robin, kim):
        person.get(page)
    scope = _scope(robin)
    kim.post(f"{page}/consent", scope=scope, decision="withdrawn")
    assert kim.status == 200
    text = robin.post(f"{page}/consent", scope=scope, decision="granted")
    assert robin.status == 409
    assert "A patient has refused, or has taken back consent, by Robin Desk" in text


def _scope(person: Desk) -> str:
    return person.hidden()["scope"]
