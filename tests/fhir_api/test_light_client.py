"""The workflow as a light fulfiller and a placer do it through FHIR alone (fhir.md, sections 3 and 5)."""

from __future__ import annotations

import json

import pytest

from referral.fhir.systems import BASE, TASK_CODE
from tests.database import ClinicFixture
from tests.fhir_api.client import Answer, FhirClient, Json
from tests.fhir_api.people import (
    Referred,
    condition,
    order,
    patient,
    practitioner,
    request,
    role,
    transaction,
)
from tests.fhir_api.test_access import limited


def step(fhir: FhirClient, task: str, *operations: Json, **headers: str) -> Answer:
    body = json.dumps(operations).encode()
    return fhir.call("PATCH", f"/fhir/{task}", body, Content_Type="application/json-patch+json", **headers)


def to(status: str) -> Json:
    return {"op": "replace", "path": "/status", "value": status}


def test_a_light_client_works_from_the_list_to_the_answer(referred: Referred, clinic: ClinicFixture) -> None:
    scopes = (
        f"system/Task.rus?owner={referred.role}",
        *(
            "system/ServiceRequest.r",
            "system/Patient.r",
            "system/Condition.r",
            "system/QuestionnaireResponse.cr",
        ),
    )
    fhir = limited(clinic, referred.fhir, *scopes)
    (found,) = fhir.get(
        f"Task?owner={referred.role}&status=requested&_count=10&focus={referred.request}"
    ).resources
    task = f"Task/{found['id']}"
    asked = fhir.get(found["focus"]["reference"]).body
    assert fhir.get(asked["reasonReference"][0]["reference"]).status == 200
    assert fhir.get(asked["subject"]["reference"]).status == 200
    accepted = step(fhir, task, to("accepted"), If_Match=f'W/"{found["meta"]["versionId"]}"')
    assert (accepted.status, accepted.body["status"]) == (200, "accepted")
    stale = step(fhir, task, to("in-progress"), If_Match='W/"1"')
    assert stale.status == 412
    begun = step(fhir, task, to("in-progress"))
    assert (begun.status, begun.body["status"]) == (200, "in-progress")
    early = step(fhir, task, to("completed"))
    assert (early.status, early.expressions) == (422, ["Task.status"])
    assert "QuestionnaireResponse" in early.text
    made = fhir.post("QuestionnaireResponse", referred.answer())
    assert made.status == 201, made.body
    now = fhir.get(task).body
    assert now["status"] == "completed"
    assert now["businessStatus"]["coding"][0]["code"] == "recommended"
    answer = {"reference": f"QuestionnaireResponse/{made.id}"}
    assert answer in [row["valueReference"] for row in now["output"]]
    # Closing what its answer has closed already changes nothing.
    mine = {
        **begun.body,
        "status": "completed",
        "output": [row for row in now["output"] if row["valueReference"] == answer],
    }
    closed = fhir.put(task, mine)
    assert (closed.status, closed.body["output"]) == (200, now["output"])
    assert closed.body["meta"]["versionId"] == now["meta"]["versionId"]
    late = step(fhir, task, to("in-progress"))
    assert (late.status, late.expressions) == (422, ["Task.status"])
    history = referred.fhir.get(f"{task}/_history").body["entry"]
    statuses = [row["resource"]["status"] for row in reversed(history)]
    assert list(dict.fromkeys(statuses)) == ["requested", "accepted", "in-progress", "completed"]


def test_the_task_of_the_form_is_completed_by_the_response(referred: Referred) -> None:
    fhir, main = referred.fhir, referred.task
    (form,) = fhir.get(f"Task?part-of=Task/{main['id']}").resources
    assert form["code"]["coding"][0]["code"] == "complete-questionnaire"
    assert form["input"][0]["valueCanonical"].startswith(f"{BASE}/Questionnaire/ketamine-recommendation-")
    assert form["owner"] == main["owner"]
    by_hand = step(fhir, f"Task/{form['id']}", to("completed"))
    assert (by_hand.status, by_hand.expressions) == (422, ["Task.status"])
    made = fhir.create(referred.answer())
    done = fhir.get(f"Task/{form['id']}").body
    assert done["status"] == "completed"
    assert {"reference": f"QuestionnaireResponse/{made['id']}"} in [
        o["valueReference"] for o in done["output"]
    ]


def test_a_placer_aborts_what_has_begun(referred: Referred) -> None:
    fhir, task = referred.fhir, referred.task
    assert step(fhir, f"Task/{task['id']}", to("in-progress")).status == 200
    abort = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": {"coding": [{"system": TASK_CODE, "code": "abort"}]},
        "focus": {"reference": f"Task/{task['id']}"},
        "reasonCode": {"text": "The patient has moved away."},
    }
    wrong = fhir.post("Task", {**abort, "for": {"reference": "Patient/other"}})
    assert (wrong.status, wrong.expressions) == (422, ["Task.for"])
    made = fhir.create(abort)
    assert (made["status"], made["for"]) == ("completed", {"reference": referred.patient})
    ended = fhir.get(f"Task/{task['id']}").body
    assert ended["status"] == "cancelled"
    assert ended["statusReason"]["text"] == "The patient has moved away."
    assert fhir.get(referred.request).body["status"] == "revoked"
    again = fhir.post("Task", abort)
    assert (again.status, again.expressions) == (422, ["Task.focus"])
    assert fhir.post("QuestionnaireResponse", referred.answer()).status == 422
    # An abort of something that is none of our requests is a Task like any other.
    other = fhir.create({**abort, "focus": {"reference": "Task/elsewhere"}})
    assert other["status"] == "requested"


def test_a_request_itself_can_be_the_focus_of_an_abort(referred: Referred) -> None:
    abort = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "proposal",
        "code": {"coding": [{"system": TASK_CODE, "code": "abort"}]},
        "focus": {"reference": referred.request},
    }
    done = referred.fhir.post("Task", {**abort, "status": "completed"})
    assert (done.status, done.expressions) == (422, ["Task.status"])
    before = referred.task
    assert referred.fhir.create(abort)["status"] == "completed"
    ended = referred.fhir.get(f"Task/{before['id']}").body
    assert ended["status"] == "cancelled"
    assert ended["statusReason"]["coding"][0]["code"] == "cancelled-by-clinic"


THO = "http://terminology.hl7.org/CodeSystem/"


def test_eight_resources_in_one_transaction_start_a_referral(fhir: FhirClient) -> None:
    consent = {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"system": f"{THO}consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": f"{THO}v3-ActCode", "code": "IDSCL"}]}],
        "patient": {"reference": "who"},
        "policyRule": {"text": "Written consent on file"},
    }
    note = {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "11488-4"}]},
        "subject": {"reference": "who"},
        "content": [{"attachment": {"contentType": "text/plain", "data": "SGVsbG8="}}],
    }
    bundle = transaction(
        asked=request(
            "who",
            "works",
            basedOn=[{"reference": "placed"}],
            supportingInfo=[{"reference": "agreed"}, {"reference": "note"}],
        ),
        note=note,
        agreed=consent,
        placed=order("who", "why"),
        why=condition("who"),
        works=role("person"),
        person=practitioner(),
        who=patient(),
    )
    answer = fhir.post("", bundle)
    assert answer.status == 200, answer.body
    assert [row["response"]["status"] for row in answer.body["entry"]] == ["201 Created"] * 8
    asked, note_, agreed, placed, why, works, _, who = answer.references
    stored = fhir.get(asked).body
    assert {"reference": agreed} in stored["supportingInfo"]
    assert {"reference": note_} in stored["supportingInfo"]
    assert stored["performer"][0]["reference"] == works
    assert fhir.get(placed).body["reasonReference"] == [{"reference": why}]
    (task,) = fhir.get(f"Task?focus={asked}").resources
    assert (task["status"], task["for"]["reference"]) == ("requested", who)
    # The whole record hangs together.
    record = fhir.get(f"{who}/$everything").references
    assert {asked, note_, agreed, placed, why, works, who, f"Task/{task['id']}"} <= set(record)


@pytest.mark.parametrize(
    ("type", "change", "expression"),
    [
        ("Task", {"status": "draft"}, "Task.status"),
        ("Task", {"status": "ready"}, "Task.status"),
        ("Task", {"status": "rejected"}, "Task.statusReason"),
        ("ServiceRequest", {"status": "completed"}, "ServiceRequest.status"),
        ("ServiceRequest", {"status": "draft"}, "ServiceRequest.status"),
    ],
)
def test_illegal_steps_say_where_by_put_patch_and_bundle(
    referred: Referred, type: str, change: Json, expression: str
) -> None:
    fhir = referred.fhir
    before = referred.task if type == "Task" else fhir.get(referred.request).body
    path = f"{type}/{before['id']}"
    by_put = fhir.put(path, {**before, **change})
    by_patch = step(fhir, path, to(change["status"]))
    for answer in (by_put, by_patch):
        assert (answer.status, answer.expressions) == (422, [expression])
    entry = {"resource": {**before, **change}, "request": {"method": "PUT", "url": path}}
    bundle = fhir.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    assert (bundle.status, bundle.expressions) == (
        422,
        [f"Bundle.entry[0].resource{expression[len(type) :]}"],
    )
    assert fhir.get(path).body == before
