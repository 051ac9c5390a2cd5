"""Searches that reach beyond the type they search: chains, `_has`, and what comes along."""

from __future__ import annotations

from typing import Any

import pytest

from referral.storage import audit, resources, search, search_includes
from referral.storage.search_includes import MAX_INCLUDED
from tests.database import NOW, ClinicFixture
from tests.fhir_api.client import Answer, FhirClient
from tests.fhir_api.people import Referred, condition, patient
from tests.fhir_api.test_access import limited
from tests.fhir_api.test_search import ids, link


def matched(answer: Answer) -> list[str]:
    return sorted(row["resource"]["resourceType"] for row in answer.body.get("entry", []))


def test_chains_lead_to_what_is_pointed_at(fhir: FhirClient, referred: Referred) -> None:
    stranger = f"Patient/{fhir.create(patient(name=[{'family': 'Berg'}], birthDate='1950-01-01'))['id']}"
    fhir.create(condition(stranger))
    own = [referred.condition.removeprefix("Condition/")]
    for query in (
        "patient.name=nguy",
        "patient.identifier=http://ehr.example/mrn|MRN-1&patient.birthdate=gt1980",
        "subject:Patient.birthdate=1986-04",
        "patient.name:exact=Nguyễn",
        f"patient._id={referred.patient.removeprefix('Patient/')}",
    ):
        assert ids(fhir.get(f"Condition?{query}")) == own, query
    assert ids(fhir.get("Condition?patient.name=nobody")) == []
    task, role = [referred.task["id"]], referred.role
    assert ids(fhir.get("Task?owner:PractitionerRole.specialty=2084P0800X&focus:missing=false")) == task
    assert ids(fhir.get(f"Task?focus:ServiceRequest.performer={role}")) == task
    # An owner may be of several types; those without the parameter are not asked.
    assert ids(fhir.get("Task?owner.specialty=2084P0800X&focus:missing=false")) == task


def test_has_asks_what_points_here(fhir: FhirClient, referred: Referred) -> None:
    fhir.create(patient(name=[{"family": "Berg"}]))
    me = [referred.patient.removeprefix("Patient/")]
    assert ids(fhir.get("Patient?_has:Condition:patient:code=F33.2")) == me
    assert ids(fhir.get("Patient?_has:Task:patient:status=requested&gender=female")) == me
    assert ids(fhir.get("Patient?_has:Task:patient:status=completed")) == []
    request = [referred.request.removeprefix("ServiceRequest/")]
    assert ids(fhir.get("ServiceRequest?_has:Task:focus:business-status=sent")) in ([], request)
    assert ids(fhir.get(f"ServiceRequest?_has:Task:focus:owner={referred.role}")) == request


def test_a_condition_of_a_write_may_be_a_chain(fhir: FhirClient, referred: Referred) -> None:
    made = fhir.post(
        "Condition",
        condition(referred.patient),
        If_None_Exist="patient.identifier=http://ehr.example/mrn|MRN-1&code=F33.2",
    )
    assert (made.status, made.id) == (200, referred.condition.removeprefix("Condition/"))


def test_what_may_not_be_searched_cannot_be_asked_about(
    clinic: ClinicFixture, fhir: FhirClient, referred: Referred
) -> None:
    narrow = limited(clinic, fhir, "system/Condition.crs", "system/Patient.r")
    part = limited(clinic, fhir, "system/Condition.rs", "system/Patient.rs?gender=female")
    for client in (narrow, part):
        for query in ("Condition?patient.name=a", "Condition?patient.name=zzz"):
            assert client.get(query).status == 403, query
        assert client.get("Condition?patient.name=a", Prefer="handling=strict").status == 403
        assert client.get(f"Condition?patient={referred.patient}").status == 200
    assert narrow.get("Condition?_has:Provenance:target:recorded=gt2020").status == 403
    written = narrow.post("Condition", condition(referred.patient), If_None_Exist="patient.name=a")
    assert written.status == 403
    entry = {"request": {"method": "GET", "url": "Condition?patient.name=a"}}
    batch = narrow.post("", {"resourceType": "Bundle", "type": "batch", "entry": [entry]})
    assert batch.body["entry"][0]["response"]["status"] == "403 Forbidden"
    # An owner may be of several types: all of them, or the one that is meant.
    tasks = limited(clinic, fhir, "system/Task.rs", "system/PractitionerRole.s")
    assert tasks.get("Task?owner.identifier=x").status == 403
    assert tasks.get("Task?owner:PractitionerRole.identifier=x").status == 200


def test_a_chain_is_noted_for_each_patient_whose_record_it_looked_at(
    clinic: ClinicFixture, fhir: FhirClient, referred: Referred
) -> None:
    """A clinician has no record, but who points at one does."""
    role = referred.role.removeprefix("PractitionerRole/")
    assert ids(fhir.get("PractitionerRole?_has:Task:owner:status=requested")) == [role]
    with clinic.transaction() as session:
        rows = audit.find(session, patient_id=referred.patient.removeprefix("Patient/"), limit=1)
    assert [(row.subtype, row.detail["count"], row.detail["parameters"]) for row in rows] == [
        ("search", 0, ["_has:Task:owner:status"])
    ]
    fhir.get("Task?patient.name=nguy")
    with clinic.transaction() as session:
        (row,) = audit.find(session, patient_id=referred.patient.removeprefix("Patient/"), limit=1)
    assert row.detail == {"type": "Task", "parameters": ["patient.name"], "count": 2}


def test_more_patients_than_can_be_noted_are_not_looked_at(
    fhir: FhirClient, referred: Referred, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_includes, "MAX_LOOKED_AT", 0)
    refused = fhir.get("PractitionerRole?_has:Task:owner:status=requested")
    assert (refused.status, refused.issues[0]["code"]) == (400, "too-costly")
    assert fhir.get(f"PractitionerRole?practitioner={referred.practitioner}").status == 200


def test_a_chain_that_is_met_in_memory_is_bounded(
    fhir: FhirClient, referred: Referred, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "AuditEvent?patient.name=nguy"
    assert fhir.get(query).resources
    assert (
        fhir.get(f"AuditEvent?_has:Provenance:target:recorded=ge2020&entity={referred.request}").status == 200
    )
    monkeypatch.setattr(search, "_MOST_RESOLVED", 0)
    refused = fhir.get(query)
    assert (refused.status, refused.issues[0]["code"]) == (400, "too-costly")


def observations(fhir: FhirClient, count: int) -> list[str]:
    """Each derived from the one before, and the first from the last: a circle."""
    made = [
        fhir.create({"resourceType": "Observation", "status": "final", "code": {"text": f"{place}"}})
        for place in range(count)
    ]
    for place, row in enumerate(made):
        before = {"reference": f"Observation/{made[place - 1]['id']}"}
        assert fhir.put(f"Observation/{row['id']}", {**row, "derivedFrom": [before]}).status == 200
    return [row["id"] for row in made]


def test_iterate_follows_references_until_nothing_is_new(fhir: FhirClient) -> None:
    circle = observations(fhir, 4)
    once = fhir.get(f"Observation?_id={circle[0]}&_include=Observation:derived-from")
    assert ids(once) == [circle[0], circle[3]]
    for way in ("_include", "_revinclude"):
        around = fhir.get(f"Observation?_id={circle[0]}&{way}:iterate=Observation:derived-from")
        assert sorted(ids(around)) == sorted(circle)
        assert [row["search"]["mode"] for row in around.body["entry"]] == ["match", *["include"] * 3]


def test_iterate_goes_through_types(fhir: FhirClient, referred: Referred) -> None:
    found = fhir.get(
        f"Task?_id={referred.task['id']}&_include=Task:owner"
        "&_include:iterate=PractitionerRole:practitioner&_include=Task:focus:ServiceRequest"
    )
    assert matched(found) == ["Practitioner", "PractitionerRole", "ServiceRequest", "Task"]
    back = fhir.get(
        f"Practitioner?_id={referred.practitioner.removeprefix('Practitioner/')}"
        "&_revinclude=PractitionerRole:practitioner&_revinclude:iterate=Task:owner"
    )
    assert matched(back)[:3] == ["Practitioner", "PractitionerRole", "Task"]


def test_a_star_brings_every_reference_along(fhir: FhirClient, referred: Referred) -> None:
    for star in ("*", "ServiceRequest:*"):
        found = fhir.get(f"ServiceRequest?_id={referred.request.split('/')[1]}&_include={star}")
        assert set(matched(found)) >= {"Patient", "PractitionerRole", "ServiceRequest"}, star
    only = fhir.get(f"ServiceRequest?_id={referred.request.split('/')[1]}&_include=ServiceRequest:*:Patient")
    assert matched(only) == ["Patient", "ServiceRequest"]
    back = fhir.get(f"Patient?_id={referred.patient.split('/')[1]}&_revinclude=Condition:*")
    assert matched(back) == ["Condition", "Patient"]


def test_what_may_not_be_read_does_not_come_along_nor_leads_on(
    clinic: ClinicFixture, fhir: FhirClient, referred: Referred
) -> None:
    client = limited(clinic, fhir, "system/Task.rs", "system/Practitioner.rs", "system/Provenance.r")
    found = client.get(
        f"Task?_id={referred.task['id']}&_include=Task:*&_revinclude=Provenance:target"
        "&_include:iterate=PractitionerRole:practitioner"
    )
    assert found.status == 200
    assert set(matched(found)) <= {"Task", "Practitioner"}
    assert "Practitioner" not in matched(found)


def test_too_much_is_cut_and_told(fhir: FhirClient, clinic: ClinicFixture) -> None:
    who = f"Patient/{fhir.create(patient())['id']}"
    rows: list[dict[str, Any]] = [
        {"resourceType": "Observation", "id": f"o-{place}", "status": "final", "code": {"text": "x"},
         "subject": {"reference": who}}
        for place in range(MAX_INCLUDED + 5)
    ]  # fmt: skip
    with clinic.transaction() as session:
        resources.create(session, rows, NOW)
    found = fhir.get(f"Patient?_id={who.split('/')[1]}&_revinclude=Observation:patient")
    assert len(found.body["entry"]) == 1 + MAX_INCLUDED + 1
    told = found.body["entry"][-1]
    assert told["search"]["mode"] == "outcome"
    assert told["resource"]["issue"][0]["code"] == "too-costly"


SELF = [
    "name:contains=a&_count=1&_sort=-birthdate,_id&_total=accurate",
    "_has:Condition:patient:code=http://hl7.org/fhir/sid/icd-10-cm|F33.2,F32.1",
    "general-practitioner:PractitionerRole.specialty=a\\,b&birthdate=ap1986-04-12&_lastUpdated=ge2020",
    "_revinclude:iterate=Task:owner&_include=*&_elements=name&family:exact=Nguyễn%20é",
    "identifier:of-type=http://s|MR|1&gender:in=http://hl7.org/fhir/ValueSet/administrative-gender",
]


@pytest.mark.parametrize("query", SELF)
def test_the_self_link_asks_the_same_again(fhir: FhirClient, referred: Referred, query: str) -> None:
    first = fhir.get(f"Patient?{query}&shoesize=43")
    assert first.status == 200
    address = link(first, "self")
    assert address is not None
    again = fhir.call("GET", address, Prefer="handling=strict")
    assert again.status == 200
    assert link(again, "self") == address
    assert ids(again) == ids(first)


def test_pages_hold_still_while_resources_change(fhir: FhirClient) -> None:
    """By `_id`, and by a key, nobody is told twice and nobody is left out, whatever is written meanwhile."""
    made = [fhir.create(patient(name=[{"family": f"Kim{place}"}])) for place in range(4)]
    for sort in ("_id", "gender,-family"):
        page = fhir.get(f"Patient?_sort={sort}&_count=2")
        seen = ids(page)
        while (url := link(page, "next")) is not None:
            for row in made:
                assert fhir.put(f"Patient/{row['id']}", {**row, "active": True}).status == 200
            fhir.create(patient(name=[{"family": "Aaa"}], active=False))
            page = fhir.call("GET", url)
            seen += ids(page)
        assert len(seen) == len(set(seen)), sort
        assert {row["id"] for row in made} <= set(seen), sort
