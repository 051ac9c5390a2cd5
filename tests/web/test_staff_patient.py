"""The page of a patient at the desk: how they are reached, what they said, and what left the clinic."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from referral.domain.consent import ConsentScope
from referral.domain.outgoing import MessageKind
from referral.domain.records import Referral
from referral.services import note_delivery
from referral.services.queue_message import queue_message
from referral.storage import audit, consents, contacts, outbox, referrals
from tests.database import NOW, ClinicFixture
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
