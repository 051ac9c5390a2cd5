"""The pages about clinic policy: reading it, changing it with a preview, history, and who may."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest

from referral.domain.codes import ClinicianKind, Role
from referral.domain.policy import Policy
from referral.domain.records import Order
from referral.domain.reminders import Ladder
from referral.services.treat import record_consultation
from referral.storage import audit, clinics, orders
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.web.desk import Desk, OpenDesk

REASON = {"reason": "Agreed at the meeting of physicians."}


@pytest.fixture
def elena(clinic: ClinicFixture, open_desk: OpenDesk) -> Desk:
    """The medical director, with the form open."""
    made = open_desk(clinic, Role.MEDICAL_DIRECTOR)
    made.get("/policy/edit")
    return made


def form(desk: Desk) -> dict[str, str]:
    """What a browser would send of the form that is shown: ticks that are set, numbers, text areas."""
    sent = {
        name: html.unescape(text).removeprefix("\n")
        for name, text in re.findall(r'<textarea [^>]*name="(\w+)"[^>]*>([^<]*)</textarea>', desk.page)
    }
    for tag in re.findall(r"<input [^>]*>", desk.page):
        kind, name = re.search(r'type="(\w+)"', tag), re.search(r'name="(\w+)"', tag)
        value = re.search(r'value="([^"]*)"', tag)
        if kind and name and value and (kind[1] != "checkbox" or " checked" in tag):
            sent[name[1]] = html.unescape(value[1])
    return sent


def change(desk: Desk, **changes: str) -> dict[str, str]:
    """The shown form with something typed over; an empty text is a tick taken away."""
    return {name: value for name, value in {**form(desk), **changes}.items() if value or name in changes}


def version(clinic: ClinicFixture) -> int:
    with clinic.transaction() as session:
        return clinics.policy_in_force(session)[0].version


@pytest.fixture
def resting(clinic: ClinicFixture) -> Order:
    """An open order that rests on a psychologist's recommendation."""
    with clinic.transaction() as session:
        asked = people.clinician(session, clinic, kind=ClinicianKind.PSYCHOLOGIST, family="Lee", npi="")
        order = people.order(session, clinic, people.patient(session, clinic))
        record_consultation(session, clinic.actor, order.id, NOW, NOW)
        people.respond_with(session, clinic, people.ask(session, clinic, order, asked)[0])
        return orders.get(session, order.id)


def test_the_director_changes_the_policy_after_seeing_what_it_does(
    elena: Desk, clinic: ClinicFixture, resting: Order
) -> None:
    assert resting.status == "active"
    with clinic.transaction() as session:
        for kind in (ClinicianKind.PSYCHOLOGIST, ClinicianKind.PSYCHIATRIST):
            people.asked_once(session, clinic, kind=kind, npi="", family=f"Waits {kind}")
    sent = change(elena, eligible_psychologist="", validity_days="90", icd_mental="F32, F33, F20")
    text = elena.post("/policy/preview", sent)
    assert "1 open request asks a clinician whose answer would not count any more." in text
    assert elena.status == 200
    assert "1 order would close" in text
    assert "0 orders would open" in text
    assert "1 recommendation would stop counting" in text
    assert "Nguyễn" in text
    assert "Chidi Lee" in text
    assert "A psychologist would not be accepted any more." in text
    assert "Added to mental health (ICD-10-CM): F20." in text
    assert "New recommendations count for 90 days, not 180." in text
    assert "keep the last day that they were given for" in text
    assert version(clinic) == 1
    with clinic.transaction() as session:
        assert orders.get(session, resting.id).status == "active"
    text = elena.post("/policy", REASON)
    assert elena.path == "/policy"
    assert "The new policy is in force" in text
    assert "1 order closed so far; the other orders are being looked at." in text
    assert REASON["reason"] in text
    assert "Robin Desk" in text
    assert version(clinic) == 2
    with clinic.transaction() as session:
        assert orders.get(session, resting.id).status == "on-hold"
    assert "Closed: treatment may not start" in elena.get(f"/orders/{resting.id}")


def test_back_from_the_preview_everything_that_was_typed_is_there(elena: Desk) -> None:
    sent = change(elena, icd_mental="f33,\nF20", allow_override="yes", counts_paper_to_verified_contact="")
    elena.post("/policy/preview", sent)
    hidden = elena.hidden()
    typed = {name: value for name, value in sent.items() if name not in ("csrf_token", "mark")}
    assert {name: hidden.get(name, "") for name in typed} == typed
    elena.post("/policy/edit")
    again = form(elena)
    assert {name: again[name] for name in typed if again.get(name)} == {
        name: value for name, value in typed.items() if value
    }


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"validity_days": "0"}, {"validity_days"}),
        ({"longest_gap_days": "soon"}, {"longest_gap_days"}),
        ({f"eligible_{kind}": "" for kind in ("psychiatrist", "psychologist", "primary_care")}, {"eligible"}),
        ({"icd_mental": "F3"}, {"icd_mental"}),
        ({"icd_pain": "G89.4, G89.4"}, {"icd_pain"}),
        ({"icd_pain": "F33"}, {"icd_pain", "icd_mental"}),
        ({"snomed_pain": "35489007"}, {"snomed_pain", "snomed_mental"}),
        ({"snomed_pain": "12<script>"}, {"snomed_pain"}),
        ({"validity_days": "0", "icd_pain": "x"}, {"validity_days", "icd_pain"}),
    ],
)
def test_what_is_wrong_stands_beside_its_field(
    elena: Desk, clinic: ClinicFixture, changes: dict[str, str], fields: set[str]
) -> None:
    for door in ("/policy/preview", "/policy"):
        elena.get("/policy/edit")
        elena.post(door, change(elena, **changes))
        assert elena.status == 400
        assert set(re.findall(r'id="(\w+)-error"', elena.page)) == fields
        assert {name: form(elena).get(name, "") for name in changes} == changes
        assert "<script>" not in elena.page.split("<main")[1]
    assert version(clinic) == 1


def test_nothing_different_is_not_a_new_version(elena: Desk, clinic: ClinicFixture) -> None:
    text = elena.post("/policy/preview", change(elena, icd_mental=form(elena)["icd_mental"].lower()))
    assert elena.status == 400
    assert "Nothing is different from the policy in force." in text
    assert version(clinic) == 1


def test_saving_needs_a_reason_and_keeps_the_preview(
    elena: Desk, clinic: ClinicFixture, resting: Order
) -> None:
    elena.post("/policy/preview", change(elena, eligible_psychologist=""))
    text = elena.post("/policy", reason="so")
    assert elena.status == 400
    assert 'id="reason-error"' in elena.page
    assert "1 order would close" in text
    assert ">so</textarea>" in elena.page
    elena.post("/policy", REASON)
    assert version(clinic) == 2


def test_a_form_that_somebody_has_outrun_keeps_what_was_typed(
    elena: Desk, clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    noor = open_desk(clinic, Role.MEDICAL_DIRECTOR)
    noor.get("/policy/edit")
    noor.post("/policy/preview", change(noor, validity_days="120"))
    typed = change(elena, icd_mental="F33, F20", allow_override="yes")
    elena.post("/policy/preview", typed)
    noor.post("/policy", REASON)
    assert version(clinic) == 2
    for door in ("/policy", "/policy/preview", "/policy/edit"):
        text = elena.post(door, {**typed, **REASON}, seen="x")
        assert elena.status == 412
        assert "Version 2 of the policy was put in force after you opened this form" in text
        assert "New recommendations count for 120 days, not 180." in text
        shown = form(elena)
        assert (shown["icd_mental"], shown["allow_override"], shown["version"]) == ("F33, F20", "yes", "2")
    assert version(clinic) == 2
    # The form now stands over version 2: what it would take back is said before it is saved.
    assert "New recommendations count for 180 days, not 120." in elena.post("/policy/preview", form(elena))


def test_a_preview_that_is_not_true_any_more_is_shown_again(
    elena: Desk, clinic: ClinicFixture, resting: Order
) -> None:
    elena.post("/policy/preview", change(elena, eligible_psychologist=""))
    with clinic.transaction() as session:
        orders.set_status(session, resting.id, "revoked")
    text = elena.post("/policy", REASON)
    assert elena.status == 412
    assert "Orders or answers have changed since you looked" in text
    assert "0 orders would close" in text
    assert REASON["reason"] in elena.page
    assert version(clinic) == 1
    elena.post("/policy", REASON)
    assert version(clinic) == 2


def test_a_double_click_saves_once(elena: Desk, clinic: ClinicFixture) -> None:
    elena.post("/policy/preview", change(elena, validity_days="90"))
    sent = {**elena.hidden(), **REASON}
    first = elena.client.post("/policy", data=sent)
    second = elena.client.post("/policy", data=sent)
    assert (first.status_code, second.status_code) == (200, 412)
    assert version(clinic) == 2


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.CLINICIAN, Role.ADMIN, Role.AUDITOR])
def test_everybody_else_reads_it_and_changes_nothing(
    clinic: ClinicFixture, open_desk: OpenDesk, elena: Desk, role: Role
) -> None:
    sent = change(elena, validity_days="90")
    person = open_desk(clinic, role)
    text = person.get("/policy")
    assert "Psychiatrist, psychologist or family/primary care physician. Any one of them is enough." in text
    assert "Only the medical director can change it." in text
    assert "Change the policy" not in text
    token = person.hidden()["csrf_token"]
    assert person.client.get("/policy/edit").status_code == 403
    for door in ("/policy/edit", "/policy/preview", "/policy"):
        assert person.client.post(door, data={**sent, **REASON, "csrf_token": token}).status_code == 403
    assert version(clinic) == 1


def test_history_is_read_on_page_by_page(clinic: ClinicFixture, open_desk: OpenDesk) -> None:
    with clinic.transaction() as session:
        pass
    for days in range(1, 23):
        with clinic.transaction() as session:
            now_in_force = clinics.policy_in_force(session)[0]
            changed = replace(now_in_force, validity=Policy().validity + days * (NOW - NOW.replace(day=2)))
            clinics.add_policy(session, changed, Ladder(), "nobody", f"reason {days}")
    robin = open_desk(clinic)
    text = robin.get("/policy")
    assert "reason 22" in text
    assert "reason 1 " not in f"{text} "
    (older,) = set(re.findall(r'href="(/policy\?below=\d+)#history"', robin.page))
    text = robin.get(older)
    assert "The first policy of this clinic." in text
    assert "Version 23. It decides" in text
    for odd in ("x", "-1", "0", "1", "٣", "99999999999"):
        robin.get(f"/policy?below={odd}")
        assert robin.status == 200


def test_who_looked_at_the_preview_and_who_saved_is_in_the_audit(elena: Desk, clinic: ClinicFixture) -> None:
    elena.post("/policy/preview", change(elena, validity_days="90"))
    elena.post("/policy", REASON)
    with clinic.transaction() as session:
        rows = [row for row in audit.find(session, limit=50) if row.actor_id == elena.user_id]
    assert [row.subtype for row in rows if row.subtype.startswith("policy")] == [
        "policy-change",
        "policy-preview",
    ]
