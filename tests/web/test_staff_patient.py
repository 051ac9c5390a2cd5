"""The page of a patient at the desk: how they are reached, what they said, and what left the clinic."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from referral.domain.codes import Channel
from referral.domain.consent import ConsentScope
from referral.domain.outgoing import MessageKind
from referral.domain.records import Referral
from referral.services import note_delivery
from referral.services.account_disclosures import account_disclosures
from referral.services.queue_message import queue_message
from referral.services.tell_patient import tell_patient
from referral.storage import audit, consents, contacts, outbox, referrals, resources
from tests.database import NOW, ClinicFixture
from tests.fhir_api.client import connect
from tests.services import people
from tests.web.desk import Desk, OpenDesk

MAIL = "maria@home.example"


@pytest.fixture
def referral(clinic: ClinicFixture) -> Referral:
    with clinic.transaction() as session:
        patient = people.patient(session, clinic, email=MAIL, telephone="303-555-0144", language="es")
        return people.ask(
            session, clinic, people.order(session, clinic, patient), people.clinician(session, clinic)
        )[0]


@pytest.fixture
def desk(clinic: ClinicFixture, open_desk: OpenDesk) -> Desk:
    return open_desk(clinic)


def handed_over(clinic: ClinicFixture, referral: Referral, *, real: bool = True) -> None:
    """Everything that waits has left."""
    with clinic.transaction() as session:
        for message in outbox.find(session, referral_id=referral.id):
            note_delivery.accepted(session, message, NOW + timedelta(minutes=1), is_real=real)


def test_a_refusal_at_the_desk_ends_the_request_and_can_be_taken_back(
    clinic: ClinicFixture, referral: Referral, desk: Desk
) -> None:
    page = desk.get(f"/patients/{referral.patient_id}")
    assert MAIL in page
    assert "Spanish" in page
    assert "Nothing is on record. Disclosure for treatment needs no written consent" in page
    # A clinic may need a yes on record, so both can be said.
    assert page.index("The patient agrees") < page.index("The patient refuses")
    scope = {"scope": ConsentScope.RECOMMENDER}
    page = desk.post(f"/patients/{referral.patient_id}/consent", {**scope, "decision": "withdrawn"})
    assert "The refusal is recorded" in page
    assert "The patient does not want anybody to be asked." in page
    with clinic.transaction() as session:
        assert consents.has_withdrawn(session, referral.patient_id, ConsentScope.RECOMMENDER)
        assert not referrals.get(session, referral.id).is_open
    assert "The patient has withdrawn consent" in desk.get(f"/requests/{referral.id}")
    # A second click is told, and changes nothing.
    page = desk.post(f"/patients/{referral.patient_id}/consent", {**scope, "decision": "withdrawn"})
    assert desk.status == 400
    assert "This is on record already." in page
    page = desk.post(f"/patients/{referral.patient_id}/consent", {**scope, "decision": "granted"})
    assert "The consent is recorded" in page
    assert "The patient agrees that the clinicians who treat them are asked." in page


@pytest.mark.parametrize(
    "typed",
    [
        {"scope": "", "decision": ""},
        {"scope": "everything", "decision": "withdrawn"},
        {"scope": "patient-messages", "decision": "x"},
    ],
)
def test_what_cannot_be_a_consent_is_said_so(
    clinic: ClinicFixture, referral: Referral, desk: Desk, typed: dict[str, str]
) -> None:
    desk.get(f"/patients/{referral.patient_id}")
    page = desk.post(f"/patients/{referral.patient_id}/consent", typed)
    assert desk.status == 400
    assert "Choose what the patient has" in page
    with clinic.transaction() as session:
        assert consents.of_patients(session, [referral.patient_id])[referral.patient_id] == {}


def test_the_accounting_names_what_left_and_to_whom(
    clinic: ClinicFixture, referral: Referral, desk: Desk
) -> None:
    with clinic.transaction() as session:
        known = contacts.of_patients(session, [referral.patient_id])[referral.patient_id]
        mail = next(one for one in known if one.address == MAIL)
        queue_message(session, referral, MessageKind.PATIENT_STATUS, mail, NOW)
    page = desk.get(f"/patients/{referral.patient_id}/disclosures")
    assert "Nothing has left the clinic about this patient." in page
    handed_over(clinic, referral)
    page = desk.get(f"/patients/{referral.patient_id}/disclosures")
    assert "Chidi Okafor, MD" in page
    assert "Beacon Hill Psychiatry, 22 Myrtle Street, Denver, CO 80203" in page
    assert "Name, year of birth, indication, planned course by e-mail" in page
    assert "Treatment: asking for a recommendation" in page
    assert "To tell the patient" in page
    assert MAIL in page
    assert "Message to the patient: what we wait for" in desk.get(f"/patients/{referral.patient_id}")
    with clinic.transaction() as session:
        rows = audit.find(session, patient_id=referral.patient_id, limit=100)
    assert [row.detail["rows"] for row in rows if row.subtype == "accounting"] == [2, 0]


def test_what_stayed_in_the_house_and_what_is_about_others_is_not_in_it(
    clinic: ClinicFixture, referral: Referral, desk: Desk
) -> None:
    handed_over(clinic, referral, real=False)
    with clinic.transaction() as session:
        other = people.patient(session, clinic, given="Somebody")
        order = people.order(session, clinic, other)
        asked = people.clinician(session, clinic, given="Ada", npi="9000000023", email="ada@lane.example")
        (elsewhere,) = people.ask(session, clinic, order, asked)
    handed_over(clinic, replace(elsewhere))
    page = desk.get(f"/patients/{referral.patient_id}/disclosures")
    assert "Nothing has left the clinic about this patient." in page
    desk.get("/patients/nobody/disclosures")
    assert desk.status == 404


# ---- A mobile number, and a message by hand


def known(clinic: ClinicFixture, referral: Referral) -> dict[str, str]:
    with clinic.transaction() as session:
        found = contacts.of_patients(session, [referral.patient_id])[referral.patient_id]
    return {one.channel: one.address for one in found}


def test_a_mobile_number_goes_into_the_record_and_the_next_one_takes_its_place(
    clinic: ClinicFixture, referral: Referral, desk: Desk
) -> None:
    with clinic.transaction() as session:
        work = {"system": "phone", "value": "720-555-0119", "use": "work", "rank": 2}
        record = resources.read(session, "Patient", referral.patient_id).document
        telecom = [*record["telecom"], work]
        resources.amend(session, "Patient", referral.patient_id, {"telecom": telecom}, NOW)
    path = f"/patients/{referral.patient_id}"
    assert "Add a mobile number" in desk.get(path)
    page = desk.post(f"{path}/mobile", {"mobile": "(303) 555-0188"})
    assert "The number is kept" in page
    assert "Change the mobile number" in page
    assert known(clinic, referral)["sms"] == "+13035550188"
    # One that is on record as a telephone becomes the mobile; what was the mobile is used no more.
    desk.post(f"{path}/mobile", {"mobile": "303 555 0144"})
    assert known(clinic, referral)["sms"] == "+13035550144"
    with clinic.transaction() as session:
        kept = resources.read(session, "Patient", referral.patient_id).document["telecom"]
        looks = [row.subtype for row in audit.find(session, patient_id=referral.patient_id, limit=50)]
    assert work in kept
    assert [point["use"] for point in kept if point["value"] == "+13035550188"] == ["old"]
    assert looks.count("patient-mobile") == 2
    page = desk.post(f"{path}/mobile", {"mobile": "+1 303 555 0144"})
    assert desk.status == 400
    assert "This is on record already" in page
    assert "The number is taken off" in desk.post(f"{path}/mobile", {"mobile": " "})
    assert "sms" not in known(clinic, referral)


@pytest.mark.parametrize(
    "typed", ["12", "call my son", "😀" * 40, "٠٣٣", "303-555-0144 x5", "+1 303 555 01 44 9"]
)
def test_what_is_no_mobile_number_stays_in_its_field_with_a_sentence(
    clinic: ClinicFixture, referral: Referral, desk: Desk, typed: str
) -> None:
    desk.get(f"/patients/{referral.patient_id}")
    before = known(clinic, referral)
    page = desk.post(f"/patients/{referral.patient_id}/mobile", {"mobile": typed})
    assert desk.status == 400
    assert 'id="mobile-error"' in desk.page
    assert html.escape(typed) in desk.page
    assert "This is on record" not in page
    assert known(clinic, referral) == before


def test_the_patient_is_told_by_hand_once_in_their_language_by_what_was_shown(
    clinic: ClinicFixture, referral: Referral, desk: Desk
) -> None:
    path = f"/patients/{referral.patient_id}"
    page = desk.get(path)
    assert "Todavía esperamos un formulario de otro consultorio." in page
    assert f"By e-mail to {MAIL}, in Spanish" in page
    told = {**desk.hidden(), "contact": re.findall(r'name="contact" value="([^"]+)"', desk.page)[0]}
    # The record changes while the page is open: nothing goes where it did not say.
    with clinic.transaction() as session:
        points = [{"system": "email", "value": "new@home.example"}]
        resources.amend(session, "Patient", referral.patient_id, {"telecom": points}, NOW)
    page = desk.post(f"{path}/tell", told)
    assert desk.status == 409
    assert "Something has changed since this page was shown" in page
    assert "By e-mail to new@home.example" in page
    told["contact"] = re.findall(r'name="contact" value="([^"]+)"', desk.page)[0]
    assert "The message to the patient is on its way" in desk.post(f"{path}/tell", told)
    assert "written to within the last three days" in desk.text
    desk.post(f"{path}/tell", told)
    assert desk.status == 409
    with clinic.transaction() as session:
        (sent,) = outbox.to_patient(session, referral.patient_id)
        rows = audit.find(session, patient_id=referral.patient_id, limit=50)
        # A rung of the ladder still has its own place.
        assert tell_patient(session, referral, (Channel.EMAIL,), NOW + timedelta(days=4), ordinal=1) is None
    assert (sent.kind, sent.channel) == (MessageKind.PATIENT_STATUS, Channel.EMAIL)
    assert [row.subtype for row in rows].count("tell-patient") == 1


def test_nobody_is_told_by_hand_who_said_no_or_waits_for_nothing(
    clinic: ClinicFixture, referral: Referral, desk: Desk
) -> None:
    path = f"/patients/{referral.patient_id}"
    desk.get(path)
    told = {**desk.hidden(), "contact": re.findall(r'name="contact" value="([^"]+)"', desk.page)[0]}
    no = {"scope": ConsentScope.PATIENT_MESSAGES, "decision": "withdrawn"}
    page = desk.post(f"{path}/consent", no)
    assert "The patient does not want to be written to. Please call instead." in page
    assert f"{path}/tell" not in desk.page
    desk.post(f"{path}/tell", told)
    assert desk.status == 409
    desk.post(f"{path}/consent", {**no, "decision": "granted"})
    assert f"{path}/tell" in desk.page
    with clinic.transaction() as session:
        people.respond_with(session, clinic, referral)
    desk.get(path)
    assert f"{path}/tell" not in desk.page
    desk.post(f"{path}/tell", told)
    assert desk.status == 409
    with clinic.transaction() as session:
        assert outbox.to_patient(session, referral.patient_id) == []


def test_a_list_that_staff_take_away_is_no_disclosure_and_is_on_record(
    clinic: ClinicFixture, referral: Referral, desk: Desk
) -> None:
    """45 CFR 164.528(a)(1)(i), 160.103: the clinic's own people, for its own work."""
    assert desk.client.get("/patients?format=csv").status_code == 200
    assert desk.client.get("/requests?format=csv").status_code == 200
    page = desk.get(f"/patients/{referral.patient_id}/disclosures")
    assert "Nothing has left the clinic about this patient." in page
    with clinic.transaction() as session:
        rows = audit.find(session, patient_id=referral.patient_id, limit=50)
        found = account_disclosures(session, clinic.actor, referral.patient_id, NOW)
    assert {row.detail["list"] for row in rows if row.subtype == "export-list"} == {"patients", "requests"}
    assert found.rows == ()
    # FHIR says the same: neither an export nor a disclosure.
    (event, *_) = (
        connect(clinic).get(f"AuditEvent?patient=Patient/{referral.patient_id}&subtype=export-list").resources
    )
    assert event["type"]["code"] == "rest"
    assert "disclose" not in {code["code"] for code in event["subtype"]}
