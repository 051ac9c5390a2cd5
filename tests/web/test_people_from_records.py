"""What connected records say about people: odd lengths, and contacts that are withdrawn."""

from __future__ import annotations

import secrets

import pytest

from referral.storage import directory
from tests.database import ClinicFixture
from tests.fhir_api.client import FhirClient, Json, connect
from tests.fhir_api.people import patient, practitioner, role

LONG = secrets.token_hex(4000)


@pytest.fixture
def fhir(clinic: ClinicFixture) -> FhirClient:
    return connect(clinic)


def email(address: str) -> Json:
    return {"system": "email", "value": address}


def reachable_nowhere(fhir: FhirClient) -> Json:
    return fhir.create({name: v for name, v in practitioner().items() if name != "telecom"})


def addresses(clinic: ClinicFixture, role_id: str) -> list[str]:
    with clinic.transaction() as session:
        return sorted(contact.address for contact in directory.get_clinician(session, role_id).contacts)


def test_names_of_any_length_are_kept_and_found_by_their_beginning(fhir: FhirClient) -> None:
    made = fhir.create(patient(name=[{"family": LONG}]))
    assert made["name"][0]["family"] == LONG
    assert fhir.get(f"Patient?family={LONG[:40]}").references == [f"Patient/{made['id']}"]
    person = fhir.create(practitioner(name=[{"family": LONG}]))
    fhir.create(role(f"Practitioner/{person['id']}"))


def test_an_address_that_is_too_long_to_be_one_is_no_contact(clinic: ClinicFixture, fhir: FhirClient) -> None:
    person = reachable_nowhere(fhir)
    telecom = [email(f"{LONG}@x.example"), email("short@x.example")]
    made = fhir.create(role(f"Practitioner/{person['id']}", telecom=telecom))
    assert addresses(clinic, made["id"]) == ["short@x.example"]


def test_a_contact_that_the_record_withdraws_is_not_written_to_any_more(
    clinic: ClinicFixture, fhir: FhirClient
) -> None:
    person = reachable_nowhere(fhir)
    old, new = email("old@x.example"), email("new@x.example")
    made = fhir.create(role(f"Practitioner/{person['id']}", telecom=[old]))
    path = f"PractitionerRole/{made['id']}"
    assert fhir.put(path, {**made, "telecom": [new]}).status == 200
    assert addresses(clinic, made["id"]) == ["new@x.example"]
    assert fhir.put(path, {**made, "telecom": [old, new]}).status == 200
    assert addresses(clinic, made["id"]) == ["new@x.example", "old@x.example"]


def test_a_contact_that_people_have_entered_stays(clinic: ClinicFixture, fhir: FhirClient) -> None:
    person = reachable_nowhere(fhir)
    made = fhir.create(role(f"Practitioner/{person['id']}", telecom=[email("desk@x.example")]))
    with clinic.transaction() as session:
        directory.set_contact_source(session, made["id"], "front-desk")
    without = {name: value for name, value in made.items() if name != "telecom"}
    assert fhir.put(f"PractitionerRole/{made['id']}", without).status == 200
    assert addresses(clinic, made["id"]) == ["desk@x.example"]


def zone(clinic: ClinicFixture, role_id: str) -> str:
    with clinic.transaction() as session:
        return directory.get_clinician(session, role_id).time_zone


def at(city: str, state: str, code: str) -> Json:
    return {"address": [{"line": ["1 Example Road"], "city": city, "state": state, "postalCode": code}]}


def test_the_time_zone_follows_the_state_of_the_practice(clinic: ClinicFixture, fhir: FhirClient) -> None:
    nowhere = fhir.create(role(f"Practitioner/{fhir.create(practitioner())['id']}"))
    assert zone(clinic, nowhere["id"]) == "America/Denver"
    practice = fhir.create(
        {"resourceType": "Organization", "name": "Example Practice", **at("Ann Arbor", "MI", "48109")}
    )
    person = fhir.create(practitioner())
    made = fhir.create(
        role(f"Practitioner/{person['id']}", organization={"reference": f"Organization/{practice['id']}"})
    )
    assert zone(clinic, made["id"]) == "America/New_York"
    moved = {**practice, **at("Sacramento", "CA", "94203")}
    assert fhir.put(f"Organization/{practice['id']}", moved).status == 200
    assert zone(clinic, made["id"]) == "America/Los_Angeles"


def test_a_time_zone_that_staff_have_chosen_stays(clinic: ClinicFixture, fhir: FhirClient) -> None:
    person = fhir.create(practitioner(**at("Houghton", "MI", "49931")))
    made = fhir.create(role(f"Practitioner/{person['id']}"))
    with clinic.transaction() as session:
        directory.set_time_zone(session, made["id"], "America/Chicago")
    assert fhir.put(f"Practitioner/{person['id']}", {**person, "gender": "female"}).status == 200
    assert zone(clinic, made["id"]) == "America/Chicago"


def test_a_number_is_understood_however_it_is_written_and_comes_back_as_it_was_sent(
    clinic: ClinicFixture, fhir: FhirClient
) -> None:
    telecom = [
        {"system": "fax", "value": "tel:+1 (303) 555-0120", "rank": 2},
        {"system": "fax", "value": "303-555-0121 x5"},
        email("Praxis@B\u00fccher.example"),
        email("office@practice.example\r\nBcc: all@evil.example"),
        {"system": "phone", "value": "911"},
        {"system": "phone", "value": "303-555-0122 ext. 4"},
    ]
    person = reachable_nowhere(fhir)
    made = fhir.create(role(f"Practitioner/{person['id']}", telecom=telecom))
    assert fhir.get(f"PractitionerRole/{made['id']}").body["telecom"] == telecom
    assert addresses(clinic, made["id"]) == [
        "+13035550120",
        "+13035550122;ext=4",
        "praxis@xn--bcher-kva.example",
    ]


def test_a_patient_is_reached_by_what_can_be_reached(clinic: ClinicFixture, fhir: FhirClient) -> None:
    telecom = [
        {"system": "phone", "value": "ask the mother", "rank": 1},
        {"system": "phone", "value": "(303) 555-0110", "rank": 2},
        email("\u202emoc.elpmaxe@seni"),
    ]
    made = fhir.create(patient(telecom=telecom))
    assert made["telecom"] == telecom
    with clinic.transaction() as session:
        known = directory.get_patient(session, made["id"])
    assert (known.telephone, known.email) == ("+13035550110", None)
