"""Every write of a patient's record by a client has its Provenance: which versions, who, when."""

from __future__ import annotations

import json

import pytest

from referral.fhir.structure import check_resource
from tests.database import ClinicFixture
from tests.fhir_api.client import FhirClient, Json
from tests.fhir_api.people import Referred, condition, order, patient, practitioner, request, transaction
from tests.fhir_api.test_access import limited

OWN: Json = {
    "resourceType": "Provenance",
    "recorded": "2026-11-03T16:00:00.000Z",
    "agent": [{"who": {"display": "Somebody of the ward"}}],
}


def told(fhir: FhirClient, query: str) -> list[Json]:
    """Newest first; each is valid."""
    found = fhir.get(f"Provenance?{query}").resources
    assert [check_resource(row) for row in found] == [[]] * len(found)
    return found


def targets(row: Json) -> list[str]:
    return [target["reference"] for target in row["target"]]


def activity(row: Json) -> str:
    code: str = row["activity"]["coding"][0]["code"]
    return code


def test_each_version_that_a_client_writes_is_told_of(fhir: FhirClient) -> None:
    made = fhir.create(patient())
    path = f"Patient/{made['id']}"
    (created,) = told(fhir, f"target={path}")
    assert targets(created) == [f"{path}/_history/1"]
    assert activity(created) == "CREATE"
    (agent,) = created["agent"]
    assert agent["type"]["coding"][0]["code"] == "author"
    event = fhir.get(f"AuditEvent?patient={path}&action=C").resources[0]
    assert agent["who"]["identifier"] == event["agent"][1]["who"]["identifier"]
    assert agent["onBehalfOf"]["identifier"]["value"].startswith("clinic-")
    assert created["recorded"] == made["meta"]["lastUpdated"]
    fhir.put(path, {**made, "gender": "other"})
    operations = b'[{"op": "replace", "path": "/gender", "value": "male"}]'
    fhir.call("PATCH", f"/fhir/{path}", operations, Content_Type="application/json-patch+json")
    rows = told(fhir, f"patient={path}")
    assert sorted((targets(row)[0][-1], activity(row)) for row in rows) == [
        ("1", "CREATE"),
        ("2", "UPDATE"),
        ("3", "UPDATE"),
    ]
    brought = fhir.get(f"Patient?_id={made['id']}&_revinclude=Provenance:target").references
    assert sum(name.startswith("Provenance/") for name in brought) == 3


def test_a_transaction_has_one_for_each_patient(fhir: FhirClient) -> None:
    person = f"Practitioner/{fhir.create(practitioner())['id']}"
    bundle = transaction(
        who=patient(),
        why=condition("who"),
        placed=order("who", "why"),
        asked=request("who", person, basedOn=[{"reference": "placed"}]),
        other=patient(),
        nobody=practitioner("9000000023"),
    )
    answer = fhir.post("", bundle)
    assert answer.status == 200, answer.body
    who, why, placed, asked, other, nobody = answer.references
    (row,) = told(fhir, f"target={why}")
    written = {f"{row['resourceType']}/{row['id']}": row["meta"]["versionId"] for row in answer.resources}
    assert set(targets(row)) == {f"{name}/_history/{written[name]}" for name in (who, why, placed, asked)}
    assert activity(row) == "CREATE"
    assert [targets(found) for found in told(fhir, f"patient={other}")] == [[f"{other}/_history/1"]]
    assert told(fhir, f"target={nobody}") == []
    # The workflow tells of what it has made itself.
    assert len(told(fhir, f"patient={who}")) == 2


def test_what_changes_nothing_or_fails_leaves_none(fhir: FhirClient) -> None:
    referred = Referred(fhir)
    before = fhir.get("Provenance?_summary=count").body["total"]
    task = referred.task
    assert fhir.put(f"Task/{task['id']}", task).status == 200
    assert fhir.put(f"Task/{task['id']}", {**task, "status": "completed"}).status == 422
    assert fhir.post("Patient", patient(gender="w")).status == 400
    condition_ = "identifier=http://ehr.example/mrn|MRN-1"
    assert fhir.post("Patient", patient(), If_None_Exist=condition_).status == 200
    assert fhir.get("Provenance?_summary=count").body["total"] == before


def test_a_step_of_the_workflow_names_the_version_that_it_ended_in(fhir: FhirClient) -> None:
    referred = Referred(fhir)
    task = referred.task
    moved = fhir.put(f"Task/{task['id']}", {**task, "status": "accepted", "note": [{"text": "Seen"}]})
    row = next(row for row in told(fhir, f"target=Task/{task['id']}") if row.get("activity"))
    assert targets(row) == [f"Task/{task['id']}/_history/{moved.body['meta']['versionId']}"]
    assert activity(row) == "UPDATE"


def test_a_client_sends_its_own_along(fhir: FhirClient) -> None:
    own = {**OWN, "reason": [{"text": "Moved from paper"}]}
    made = fhir.post("Patient", patient(), X_Provenance=json.dumps(own))
    assert made.status == 201
    (row,) = told(fhir, f"patient=Patient/{made.id}")
    assert {name: row[name] for name in ("recorded", "agent", "reason")} == {
        name: own[name] for name in ("recorded", "agent", "reason")
    }
    assert targets(row) == [f"Patient/{made.id}/_history/1"]
    # Also where the server would have written none.
    nobody = fhir.post("Practitioner", practitioner(), X_Provenance=json.dumps(own))
    assert [targets(row) for row in told(fhir, f"target=Practitioner/{nobody.id}")] == [
        [f"Practitioner/{nobody.id}/_history/1"]
    ]
    assert fhir.get(f"Patient/{made.id}", X_Provenance="nonsense").status == 200


@pytest.mark.parametrize(
    "header",
    [
        "nonsense",
        "[]",
        '{"resourceType": "Patient"}',
        '{"resourceType": "Provenance"}',
        json.dumps({**OWN, "target": [{"reference": "Patient/1"}]}),
        json.dumps({**OWN, "recorded": "today"}),
    ],
)
def test_a_header_that_cannot_be_taken_takes_the_write_back(fhir: FhirClient, header: str) -> None:
    refused = fhir.post("Patient", patient(), X_Provenance=header)
    assert refused.status == 400, refused.body
    assert set(refused.expressions) == {"http.X-Provenance"}
    assert fhir.get("Patient").resources == []


def test_a_header_needs_the_right_to_create_a_provenance(fhir: FhirClient, clinic: ClinicFixture) -> None:
    writer = limited(clinic, fhir, "system/Patient.c")
    assert writer.post("Patient", patient(), X_Provenance=json.dumps(OWN)).status == 403
    assert writer.post("Patient", patient()).status == 201
    assert len(told(fhir, "_count=10")) == 1


def test_a_provenance_that_a_client_creates_says_whose_record_it_tells_of(fhir: FhirClient) -> None:
    who = f"Patient/{fhir.create(patient())['id']}"
    why = f"Condition/{fhir.create(condition(who))['id']}"
    before = len(told(fhir, f"patient={who}"))
    own = {**OWN, "target": [{"reference": f"{why}/_history/1"}]}
    made = fhir.create(own)
    assert len(told(fhir, f"patient={who}")) == before + 1
    assert told(fhir, f"target=Provenance/{made['id']}") == []
    fhir.get(f"Provenance/{made['id']}/_history/1")
    events = fhir.get(f"AuditEvent?patient={who}&entity=Provenance/{made['id']}").resources
    assert {row["action"] for row in events} == {"C", "R"}
    elsewhere = fhir.create({**own, "target": [{"reference": "Condition/elsewhere"}]})
    assert "extension" not in elsewhere
    assert {name: value for name, value in elsewhere.items() if name not in ("id", "meta")} == {
        **own,
        "target": [{"reference": "Condition/elsewhere"}],
    }


@pytest.mark.parametrize("context", ["Patient", "DocumentReference"])
def test_a_binary_belongs_to_the_record_of_what_it_stands_under(fhir: FhirClient, context: str) -> None:
    who = f"Patient/{fhir.create(patient())['id']}"
    note = fhir.create(
        {
            "resourceType": "DocumentReference",
            "status": "current",
            "subject": {"reference": who},
            "content": [{"attachment": {"contentType": "text/plain", "data": "SGVsbG8="}}],
        }
    )
    owner = who if context == "Patient" else f"DocumentReference/{note['id']}"
    binary = {
        "resourceType": "Binary",
        "contentType": "text/plain",
        "securityContext": {"reference": owner},
        "data": "SGVsbG8=",
    }
    made = f"Binary/{fhir.create(binary)['id']}"
    for path in (made, f"{made}/_history/1", f"{made}/_history", "Binary/_history", "Binary"):
        before = len(fhir.get(f"AuditEvent?patient={who}&_count=200").resources)
        assert fhir.get(path).status == 200
        # This look and the one before at the trail.
        assert len(fhir.get(f"AuditEvent?patient={who}&_count=200").resources) == before + 2, path
    assert f"{made}/_history/1" in [name for row in told(fhir, f"patient={who}") for name in targets(row)]
