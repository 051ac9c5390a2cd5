"""The main job through FHIR: order, request, Task, answer, gate, treatment."""

from __future__ import annotations

import pytest

from referral.fhir.systems import BASE
from referral.services import publish
from referral.services.judge_recommendation import confirm_by_phone, revoke_recommendation
from referral.storage import documents, outbox, referrals
from tests.database import NOW
from tests.fhir_api.client import FhirClient, Json
from tests.fhir_api.people import (
    INFUSION,
    RECOMMENDATION,
    Referred,
    condition,
    order,
    patient,
    practitioner,
    request,
    role,
    transaction,
)


def procedure(referred: Referred, **more: object) -> Json:
    return {
        "resourceType": "Procedure",
        "status": "in-progress",
        "code": INFUSION,
        "subject": {"reference": referred.patient},
        "basedOn": [{"reference": referred.order}],
        **more,
    }


def test_an_order_waits_whatever_status_it_was_sent_with(referred: Referred) -> None:
    stored = referred.fhir.get(referred.order).body
    assert stored["status"] == "on-hold"
    assert stored["code"] == INFUSION
    assert {"reference": referred.request} in stored["supportingInfo"]
    gate = referred.gate()
    assert gate["parameter"][0] == {"name": "open", "valueBoolean": False}
    reasons = [part["valueString"] for part in gate["parameter"] if part["name"] == "reason"]
    assert any("consultation" in reason for reason in reasons)
    assert any("F33.2" in reason for reason in reasons)


def test_a_request_starts_the_workflow(referred: Referred) -> None:
    task = referred.task
    assert task["status"] == "requested"
    assert task["owner"]["reference"] == referred.role
    id = referred.request.partition("/")[2]
    with referred.fhir.clinic.transaction() as session:
        row = referrals.get(session, id)
        assert row.task_id == task["id"]
        assert row.order_id == referred.order.partition("/")[2]
        assert len(outbox.find(session, referral_id=id)) == 1
    assert referred.fhir.get(f"Communication?based-on={referred.request}").resources
    assert referred.fhir.get(f"Provenance?target={referred.request}").resources


def test_one_transaction_brings_patient_condition_order_and_request(fhir: FhirClient) -> None:
    bundle = transaction(
        asked=request("who", "person", basedOn=[{"reference": "placed"}]),
        placed=order("who", "why"),
        why=condition("who"),
        who=patient(),
        person=practitioner(),
    )
    answer = fhir.post("", bundle)
    assert answer.status == 200, answer.body
    assert answer.body["type"] == "transaction-response"
    assert [row["response"]["status"] for row in answer.body["entry"]] == ["201 Created"] * 5
    made = {row["resourceType"]: row for row in answer.resources if row["resourceType"] != "ServiceRequest"}
    asked, placed = answer.resources[0], answer.resources[1]
    assert asked["subject"]["reference"] == f"Patient/{made['Patient']['id']}"
    assert placed["reasonReference"] == [{"reference": f"Condition/{made['Condition']['id']}"}]
    assert {"reference": f"ServiceRequest/{asked['id']}"} in placed["supportingInfo"]
    assert placed["status"] == "on-hold"
    assert fhir.get(f"Task?focus=ServiceRequest/{asked['id']}").resources[0]["status"] == "requested"
    assert asked["performer"][0]["reference"].startswith("PractitionerRole/")


def test_a_single_request_places_the_order_that_it_is_about(fhir: FhirClient) -> None:
    who = f"Patient/{fhir.create(patient())['id']}"
    why = f"Condition/{fhir.create(condition(who))['id']}"
    person = f"Practitioner/{fhir.create(practitioner())['id']}"
    asked = fhir.create(request(who, person, reasonReference=[{"reference": why}]))
    placed = asked["supportingInfo"][0]["reference"]
    assert fhir.get(placed).body["status"] == "on-hold"
    assert fhir.get(f"{placed}/$gate").status == 200
    second = practitioner("9000000023", name=[{"family": "Silva"}])
    other = f"Practitioner/{fhir.create(second)['id']}"
    more = fhir.create(request(who, other, reasonReference=[{"reference": why}]))
    assert more["supportingInfo"][0]["reference"] == placed


def test_several_performers_fan_out(fhir: FhirClient, referred: Referred) -> None:
    who = f"Patient/{fhir.create(patient())['id']}"
    why = f"Condition/{fhir.create(condition(who))['id']}"
    people = [
        f"PractitionerRole/{fhir.create(role(referred.practitioner, telecom=[telecom(n)]))['id']}"
        for n in (1, 2, 3)
    ]
    asked = fhir.create(request(who, *people, reasonReference=[{"reference": why}], note=[{"text": "Soon"}]))
    assert asked["performer"][0]["reference"] == people[0]
    found = fhir.get(f"ServiceRequest?requisition={asked['requisition']['value']}").resources
    assert sorted(row["performer"][0]["reference"] for row in found) == sorted(people)
    assert all(row["note"] == [{"text": "Soon"}] for row in found)
    assert len({row["id"] for row in found}) == 3


def telecom(number: int) -> Json:
    return {"system": "email", "value": f"office{number}@beaconhill.example"}


@pytest.mark.parametrize(
    ("change", "expression", "words"),
    [
        ({"performer": []}, "ServiceRequest", ""),
        (
            {"performer": [{"reference": "PractitionerRole/nobody"}]},
            "ServiceRequest.performer[0]",
            "no Pract",
        ),
        ({"performer": [{"reference": "Practitioner/nobody"}]}, "ServiceRequest.performer[0]", "no Pract"),
        ({"performer": [{"reference": "CareTeam/1"}]}, "ServiceRequest.performer[0]", "team"),
        ({"subject": {"reference": "Patient/nobody"}}, "ServiceRequest.subject", "no Patient"),
        ({"subject": {"reference": "Group/1"}}, "ServiceRequest.subject", "Patient"),
        ({"basedOn": [{"reference": "ServiceRequest/1"}]}, "ServiceRequest.basedOn[0]", "no infusion order"),
    ],
)
def test_a_request_that_cannot_be_sent_says_why(
    referred: Referred, change: Json, expression: str, words: str
) -> None:
    before = referred.fhir.get("ServiceRequest?_summary=count").body["total"]
    body = {**request(referred.patient, referred.role), **change}
    answer = referred.fhir.post("ServiceRequest", body)
    assert answer.status in (400, 422), answer.body
    assert answer.expressions[0].startswith(expression), answer.body
    assert words in answer.text
    assert referred.fhir.get("ServiceRequest?_summary=count").body["total"] == before


def test_whoever_cannot_be_reached_or_does_not_count_is_refused(fhir: FhirClient) -> None:
    who = f"Patient/{fhir.create(patient())['id']}"
    why = f"Condition/{fhir.create(condition(who))['id']}"
    reasons = {"reasonReference": [{"reference": why}]}
    silent = fhir.create(
        practitioner(telecom=[]) | {"telecom": [{"system": "url", "value": "http://x.example"}]}
    )
    refused = fhir.post("ServiceRequest", request(who, f"Practitioner/{silent['id']}", **reasons))
    assert refused.status == 422
    assert "e-mail" in refused.text
    nurse = {"code": {"coding": [{"system": "http://nucc.org/provider-taxonomy", "code": "363LP0808X"}]}}
    other = fhir.create(practitioner("9000000023", qualification=[nurse]))
    refused = fhir.post("ServiceRequest", request(who, f"Practitioner/{other['id']}", **reasons))
    assert refused.status == 422
    assert "nurse practitioner" in refused.text


def test_pain_alone_needs_no_recommendation(referred: Referred) -> None:
    who = f"Patient/{referred.fhir.create(patient())['id']}"
    pain = f"Condition/{referred.fhir.create(condition(who, 'G89.4'))['id']}"
    body = request(who, referred.role, reasonReference=[{"reference": pain}])
    answer = referred.fhir.post("ServiceRequest", body)
    assert answer.status == 422
    assert answer.expressions == ["ServiceRequest.reasonCode"]
    assert referred.fhir.get(f"ServiceRequest?subject={who}").resources == []


def test_the_same_request_twice_is_a_duplicate(referred: Referred) -> None:
    answer = referred.fhir.post("ServiceRequest", request(referred.patient, referred.role))
    assert answer.status == 409
    assert answer.issues[0]["code"] == "duplicate"


def test_a_reason_of_another_patient_is_refused(referred: Referred) -> None:
    other = f"Patient/{referred.fhir.create(patient())['id']}"
    answer = referred.fhir.post("ServiceRequest", order(other, referred.condition))
    assert answer.status == 422
    assert answer.expressions == ["ServiceRequest.reasonReference[0]"]
    answer = referred.fhir.post("ServiceRequest", order(other))
    assert answer.status == 400  # an empty array is no FHIR
    without = {name: value for name, value in order(other).items() if name != "reasonReference"}
    assert referred.fhir.post("ServiceRequest", without).status == 422


# ---- The Task


def test_a_light_client_accepts_and_works(referred: Referred) -> None:
    fhir, task = referred.fhir, referred.task
    accepted = fhir.put(f"Task/{task['id']}", {**task, "status": "accepted", "note": [{"text": "Seen"}]})
    assert accepted.status == 200, accepted.body
    assert accepted.body["status"] == "accepted"
    assert accepted.body["note"] == [{"text": "Seen"}]
    assert accepted.body["executionPeriod"]["start"]
    begun = fhir.put(f"Task/{task['id']}", {**accepted.body, "status": "in-progress"})
    assert (begun.status, begun.body["status"]) == (200, "in-progress")
    again = fhir.put(f"Task/{task['id']}", begun.body)
    assert again.body["meta"]["versionId"] == begun.body["meta"]["versionId"]
    back = fhir.put(f"Task/{task['id']}", {**begun.body, "status": "accepted"})
    assert (back.status, back.expressions) == (422, ["Task.status"])


def test_a_rejected_task_says_why_and_is_over(referred: Referred) -> None:
    fhir, task = referred.fhir, referred.task
    unsaid = fhir.put(f"Task/{task['id']}", {**task, "status": "rejected"})
    assert (unsaid.status, unsaid.expressions) == (422, ["Task.statusReason"])
    reason = {"text": "I do not know this patient."}
    rejected = fhir.put(f"Task/{task['id']}", {**task, "status": "rejected", "statusReason": reason})
    assert rejected.body["status"] == "rejected"
    assert rejected.body["statusReason"]["text"] == reason["text"]
    late = fhir.put(f"Task/{task['id']}", {**task, "status": "accepted"})
    assert (late.status, late.expressions) == (422, ["Task.status"])
    assert fhir.post("QuestionnaireResponse", referred.answer()).status == 422


@pytest.mark.parametrize("status", ["completed", "failed", "on-hold", "draft", "ready", "entered-in-error"])
def test_steps_that_a_client_cannot_take_are_refused(referred: Referred, status: str) -> None:
    task = referred.task
    answer = referred.fhir.put(f"Task/{task['id']}", {**task, "status": status})
    assert (answer.status, answer.expressions) == (422, ["Task.status"])
    assert referred.task == task


def test_what_the_workflow_manages_on_a_task_stays(referred: Referred) -> None:
    task = referred.task
    moved = {**task, "owner": {"reference": "Practitioner/me"}, "for": {"reference": "Patient/you"}}
    answer = referred.fhir.put(f"Task/{task['id']}", {**moved, "description": "Mine"})
    assert answer.body["owner"] == task["owner"]
    assert answer.body["for"] == task["for"]
    assert answer.body["description"] == "Mine"


def test_a_client_makes_no_task_for_a_request_of_ours(referred: Referred) -> None:
    task = {name: value for name, value in referred.task.items() if name not in ("id", "meta")}
    assert referred.fhir.post("Task", task).status == 422
    free = {"resourceType": "Task", "status": "requested", "intent": "order", "description": "Call back"}
    assert referred.fhir.post("Task", free).status == 201


# ---- The answer, the gate and the treatment


def settle(referred: Referred) -> None:
    """What a client sends counts after the clinic has called the clinician's office."""
    with referred.fhir.clinic.transaction() as session:
        confirm_by_phone(
            session,
            referred.fhir.clinic.actor,
            referred.request.partition("/")[2],
            spoke_with="Front desk",
            called_number="303-555-0120",
            now=NOW,
        )


def test_consultation_and_answer_open_the_gate(referred: Referred) -> None:
    fhir = referred.fhir
    encounter = referred.consult()
    answered = fhir.post("QuestionnaireResponse", referred.answer())
    assert answered.status == 201, answered.body
    assert answered.body["status"] == "completed"
    task = referred.task
    assert task["status"] == "completed"
    assert fhir.get(referred.request).body["status"] == "completed"
    assert referred.gate()["parameter"][0]["valueBoolean"] is False
    settle(referred)
    gate = referred.gate()
    assert gate["parameter"][0]["valueBoolean"] is True
    assert f"Encounter/{encounter['id']}" in str(gate)
    assert fhir.get(referred.order).body["status"] == "active"
    observations = fhir.get(f"Observation?derived-from=QuestionnaireResponse/{answered.id}").resources
    assert observations[0]["valueCodeableConcept"]["coding"][0]["code"] == "recommended"


def test_a_start_is_refused_while_the_gate_is_closed_and_the_refusal_is_kept(referred: Referred) -> None:
    refused = referred.fhir.post("Procedure", procedure(referred))
    assert refused.status == 422
    assert {issue["code"] for issue in refused.issues} == {"business-rule"}
    assert set(refused.expressions) == {"Procedure.status"}
    assert referred.fhir.get("Procedure").resources == []
    events = referred.fhir.get("AuditEvent?_count=200").resources
    assert any("refused" in str(event["subtype"]) and event["outcome"] == "8" for event in events)


def test_treatment_starts_when_the_gate_is_open_and_not_after_voiding(referred: Referred) -> None:
    fhir = referred.fhir
    referred.consult()
    fhir.create(referred.answer())
    settle(referred)
    started = fhir.post("Procedure", procedure(referred))
    assert started.status == 201, started.body
    with fhir.clinic.transaction() as session:
        revoke_recommendation(
            session,
            fhir.clinic.actor,
            referred.request.partition("/")[2],
            reason="The patient has changed medication",
            now=NOW,
        )
    assert fhir.post("Procedure", procedure(referred)).status == 422
    ended = fhir.put(f"Procedure/{started.id}", {**started.body, "status": "completed"})
    assert ended.status == 200, ended.body
    unbegun = fhir.put(f"Procedure/{started.id}", {**ended.body, "status": "not-done"})
    assert unbegun.status == 422


def ways_to_start(referred: Referred) -> dict[str, Json]:
    subject = {"reference": referred.patient}
    based_on = [{"reference": referred.order}]
    encounter = {
        "resourceType": "Encounter",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": subject,
        "basedOn": based_on,
    }
    prepared = referred.fhir.create(procedure(referred, status="preparation"))
    given = {
        "resourceType": "MedicationAdministration",
        "medicationCodeableConcept": INFUSION,
        "subject": subject,
        "effectiveDateTime": "2026-11-03T16:00:00Z",
        "partOf": [{"reference": f"Procedure/{prepared['id']}"}],
    }
    return {
        "procedure in progress": procedure(referred),
        "procedure completed": procedure(referred, status="completed"),
        "procedure stopped": procedure(referred, status="stopped"),
        "procedure on hold": procedure(referred, status="on-hold"),
        "procedure unknown": procedure(referred, status="unknown"),
        "procedure under the request": procedure(
            referred, basedOn=None, partOf=[{"reference": f"Procedure/{prepared['id']}"}]
        ),
        "procedure in preparation, begun": {**prepared, "status": "in-progress"},
        "administration": {**given, "status": "in-progress"},
        "administration completed": {**given, "status": "completed"},
        "encounter": {**encounter, "status": "in-progress"},
        "encounter finished": {**encounter, "status": "finished"},
        "encounter unknown": {**encounter, "status": "unknown"},
        "encounter on leave": {**encounter, "status": "onleave"},
        "booking": {
            "resourceType": "Appointment",
            "status": "booked",
            "start": "2026-12-01T16:00:00Z",
            "end": "2026-12-01T17:00:00Z",
            "basedOn": based_on,
            "participant": [{"actor": subject, "status": "accepted"}],
        },
    }


def send(fhir: FhirClient, document: Json) -> int:
    document = {name: value for name, value in document.items() if value is not None}
    type = document["resourceType"]
    if "id" in document:
        return fhir.put(f"{type}/{document['id']}", document).status
    return fhir.post(type, document).status


def test_no_way_to_say_started_passes_a_closed_gate(referred: Referred) -> None:
    for name, document in ways_to_start(referred).items():
        assert send(referred.fhir, document) == 422, name
        type = document["resourceType"]
        entry = {"resource": {k: v for k, v in document.items() if v is not None}}
        entry["request"] = {"method": "POST", "url": type}
        if "id" in document:
            entry["request"] = {"method": "PUT", "url": f"{type}/{document['id']}"}
        for kind in ("transaction", "batch"):
            answer = referred.fhir.post("", {"resourceType": "Bundle", "type": kind, "entry": [entry]})
            status = answer.status if kind == "transaction" else answer.body["entry"][0]["response"]["status"]
            assert str(status).startswith("422"), (name, kind)


def test_every_way_to_say_started_passes_an_open_gate(referred: Referred) -> None:
    referred.consult()
    referred.fhir.create(referred.answer())
    settle(referred)
    for name, document in ways_to_start(referred).items():
        assert send(referred.fhir, document) in (200, 201), name


def test_treatment_without_an_order_or_for_another_patient_is_refused(referred: Referred) -> None:
    fhir = referred.fhir
    referred.consult()
    fhir.create(referred.answer())
    settle(referred)
    alone = procedure(referred)
    del alone["basedOn"]
    answer = fhir.post("Procedure", alone)
    assert (answer.status, answer.expressions) == (422, ["Procedure.basedOn"])
    other = f"Patient/{fhir.create(patient())['id']}"
    answer = fhir.post("Procedure", procedure(referred, subject={"reference": other}))
    assert (answer.status, answer.expressions) == (422, ["Procedure.subject"])
    unknown = procedure(referred, basedOn=[{"reference": "ServiceRequest/nothing"}])
    assert fhir.post("Procedure", unknown).status == 422


def test_the_client_does_not_open_the_gate_by_changing_the_order(referred: Referred) -> None:
    fhir = referred.fhir
    stored = fhir.get(referred.order).body
    opened = fhir.put(referred.order, {**stored, "status": "active"})
    assert (opened.status, opened.expressions) == (422, ["ServiceRequest.status"])
    pain = f"Condition/{fhir.create(condition(referred.patient, 'G89.4'))['id']}"
    cured = fhir.put(referred.order, {**stored, "reasonReference": [{"reference": pain}]})
    assert (cured.status, cured.expressions) == (422, ["ServiceRequest.reasonReference"])
    moved = fhir.put(referred.order, {**stored, "subject": {"reference": "Patient/1"}})
    assert (moved.status, moved.expressions) == (422, ["ServiceRequest.subject"])
    renamed = fhir.put(referred.order, {**stored, "code": {"text": "Vitamins"}, "orderDetail": None})
    assert renamed.status in (400, 422)
    noted = fhir.put(referred.order, {**stored, "note": [{"text": "Bring water"}], "supportingInfo": []})
    assert noted.status == 400
    noted = fhir.put(referred.order, {**stored, "note": [{"text": "Bring water"}]})
    assert noted.status == 200
    assert noted.body["supportingInfo"] == stored["supportingInfo"]
    assert noted.body["note"] == [{"text": "Bring water"}]


def test_one_more_indication_can_close_the_gate(fhir: FhirClient) -> None:
    who = f"Patient/{fhir.create(patient())['id']}"
    pain = f"Condition/{fhir.create(condition(who, 'G89.4'))['id']}"
    placed = fhir.create(order(who, pain))
    low = f"Condition/{fhir.create(condition(who, 'F32.1'))['id']}"
    reasons = [{"reference": pain}, {"reference": low}]
    changed = fhir.put(f"ServiceRequest/{placed['id']}", {**placed, "reasonReference": reasons})
    assert changed.status == 200, changed.body
    gate = fhir.get(f"ServiceRequest/{placed['id']}/$gate").body
    assert "F32.1" in str(gate)


def test_an_order_that_ends_takes_its_requests_with_it(referred: Referred) -> None:
    fhir = referred.fhir
    stored = fhir.get(referred.order).body
    ended = fhir.put(referred.order, {**stored, "status": "revoked"})
    assert ended.status == 200, ended.body
    assert ended.body["status"] == "revoked"
    assert referred.task["status"] == "cancelled"
    assert "not in use" in str(referred.gate())
    assert fhir.put(referred.order, {**ended.body, "status": "on-hold"}).status == 422


def test_a_request_is_revoked_by_its_requester(referred: Referred) -> None:
    fhir = referred.fhir
    stored = fhir.get(referred.request).body
    assert fhir.put(referred.request, {**stored, "status": "completed"}).status == 422
    revoked = fhir.put(referred.request, {**stored, "status": "revoked"})
    assert revoked.status == 200, revoked.body
    assert revoked.body["status"] == "revoked"
    assert referred.task["status"] == "cancelled"


def test_an_answer_that_is_incomplete_names_the_items(referred: Referred) -> None:
    answer = referred.answer()
    answer["item"] = [item for item in answer["item"] if item["linkId"] != "attestation"]
    refused = referred.fhir.post("QuestionnaireResponse", answer)
    assert refused.status == 422
    assert refused.expressions == ["QuestionnaireResponse.item.where(linkId='attestation')"]
    draft = referred.fhir.post("QuestionnaireResponse", {**referred.answer(), "status": "in-progress"})
    assert draft.expressions == ["QuestionnaireResponse.status"]
    stranger = referred.answer(source={"reference": "Practitioner/stranger"})
    assert referred.fhir.post("QuestionnaireResponse", stranger).status == 422
    assert referred.task["status"] == "requested"


def test_an_answer_is_given_once_and_not_rewritten(referred: Referred) -> None:
    made = referred.fhir.create(referred.answer("not-recommended", item=not_recommended(referred)))
    assert referred.task["businessStatus"]["coding"][0]["code"] == "not-recommended"
    assert referred.fhir.put(f"QuestionnaireResponse/{made['id']}", made).status == 422
    observation = referred.fhir.get(f"Observation?based-on={referred.request}").resources[0]
    assert referred.fhir.put(f"Observation/{observation['id']}", observation).status == 422


def test_a_second_answer_is_kept_beside_the_first_which_stands(referred: Referred) -> None:
    fhir = referred.fhir
    first = fhir.create(referred.answer("not-recommended", item=not_recommended(referred)))
    late = fhir.create(referred.answer())
    assert fhir.get(f"QuestionnaireResponse/{late['id']}").body["item"] == late["item"]
    assert fhir.put(f"QuestionnaireResponse/{late['id']}", late).status == 422
    assert referred.task["businessStatus"]["coding"][0]["code"] == "not-recommended"
    (opinion,) = fhir.get(f"Observation?based-on={referred.request}").resources
    assert opinion["derivedFrom"] == [{"reference": f"QuestionnaireResponse/{first['id']}"}]
    topic = f"{BASE}/CodeSystem/gate-topic|late-answer"
    (issue,) = fhir.get(f"DetectedIssue?patient={referred.patient}&code={topic}").resources
    named = [target["reference"] for target in issue["implicated"]]
    assert {f"Observation/{opinion['id']}", f"QuestionnaireResponse/{late['id']}"} <= set(named)


def not_recommended(referred: Referred) -> list[Json]:
    items: list[Json] = referred.answer("not-recommended")["item"]
    return [
        *items,
        {"linkId": "reason-code", "answer": [{"valueCoding": {"code": "unstable"}}]},
        {"linkId": "reason", "answer": [{"valueString": "Too early."}]},
    ]


def test_a_consultation_in_progress_counts_when_it_is_finished(referred: Referred) -> None:
    fhir = referred.fhir
    running = {
        "resourceType": "Encounter",
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "type": [{"coding": [{"system": "http://snomed.info/sct", "code": "11429006"}]}],
        "subject": {"reference": referred.patient},
        "basedOn": [{"reference": referred.order}],
    }
    made = fhir.create(running)
    assert "consultation has not" in str(referred.gate())
    period = {"start": "2026-11-03T15:00:00Z", "end": "2026-11-03T16:00:00Z"}
    ended = fhir.put(f"Encounter/{made['id']}", {**made, "status": "finished", "period": period})
    assert ended.status == 200, ended.body
    assert "consultation has not" not in str(referred.gate())
    undone = fhir.put(f"Encounter/{made['id']}", {**ended.body, "status": "cancelled"})
    assert undone.status == 422
    future = {**running, "status": "finished", "period": {"end": "2030-01-01T00:00:00Z"}}
    assert fhir.post("Encounter", future).status == 422


def test_a_patient_of_another_clinic_is_not_there(referred: Referred, other_fhir: FhirClient) -> None:
    for path in (referred.patient, referred.order, f"{referred.order}/$gate", f"{referred.patient}/_history"):
        assert other_fhir.get(path).status == 404, path
    assert other_fhir.get("Patient").resources == []
    assert other_fhir.get("AuditEvent?patient=" + referred.patient).resources == []
    assert other_fhir.put(referred.patient, patient(id=referred.patient[8:])).status == 405
    stolen = other_fhir.post("Procedure", procedure(referred))
    assert stolen.status == 422
    who = f"Patient/{other_fhir.create(patient())['id']}"
    assert other_fhir.post("ServiceRequest", order(who, referred.condition)).status == 422
    asked = request(who, referred.role, reasonCode=[{"text": "x"}])
    assert other_fhir.post("ServiceRequest", asked).status == 422


def test_the_recommendation_code_is_ours(fhir: FhirClient) -> None:
    other = {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "code": {"text": "Blood count"},
        "subject": {"reference": "Patient/elsewhere"},
    }
    made = fhir.create(other)
    assert made["status"] == "active"
    turned = fhir.put(f"ServiceRequest/{made['id']}", {**made, "code": RECOMMENDATION})
    assert (turned.status, turned.expressions) == (422, ["ServiceRequest.code"])


@pytest.mark.parametrize(
    "planned",
    [
        {"occurrencePeriod": {"start": "2026-12-01", "end": "2027-01-15"}},
        {"occurrenceTiming": {"repeat": {"count": 6, "boundsPeriod": {"start": "2026-12-01"}}}},
        {"occurrenceDateTime": "2026-12-01"},
        {"quantityQuantity": {"value": 6}, "occurrenceDateTime": "2026-12-01"},
    ],
)
def test_what_the_client_planned_stays_as_it_was_written(referred: Referred, planned: Json) -> None:
    body = order(referred.patient, referred.condition, **planned)
    made = referred.fhir.create(body)
    choices = {name: v for name, v in made.items() if name.startswith(("occurrence", "quantity"))}
    assert choices == planned
    changed = referred.fhir.put(f"ServiceRequest/{made['id']}", made)
    assert changed.status == 200, changed.body


def test_the_due_date_of_a_request_is_that_of_the_ladder(fhir: FhirClient, referred: Referred) -> None:
    who = f"Patient/{fhir.create(patient())['id']}"
    why = f"Condition/{fhir.create(condition(who))['id']}"
    body = request(who, referred.role, reasonReference=[{"reference": why}], occurrenceDateTime="2026-11-20")
    made = fhir.create(body)
    assert "occurrenceDateTime" not in made
    assert made["occurrencePeriod"]["end"]


def test_the_sealed_record_is_read_as_a_binary(referred: Referred) -> None:
    referred.fhir.create(referred.answer())
    request_id = referred.request.partition("/")[2]
    clinic = referred.fhir.clinic
    with clinic.transaction() as session:
        ours = [("record", "receipt"), ("letter", "request-letter")]
        for id, kind in ours:
            documents.add(
                session,
                id=id,
                kind=kind,
                content_type="application/pdf",
                content=b"%PDF-1.7 of an invented person",
                now=NOW,
                patient_id=referred.patient.partition("/")[2],
                referral_id=request_id,
            )
        publish.receipt(session, request_id, "record", NOW)
    reference = referred.fhir.get(f"DocumentReference?patient={referred.patient}").resources[0]
    url = reference["content"][0]["attachment"]["url"]
    assert referred.fhir.get(url, Accept="application/pdf").content.startswith(b"%PDF")
    assert referred.fhir.get(url).body["contentType"] == "application/pdf"
    events = referred.fhir.get(f"AuditEvent?patient={referred.patient}&entity={url}").resources
    assert len(events) == 2
    # What no DocumentReference stands for is no Binary.
    assert referred.fhir.get("Binary/letter").status == 404
    changed = referred.fhir.put(f"DocumentReference/{reference['id']}", reference)
    assert changed.status == 422
