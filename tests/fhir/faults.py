"""Resources with one fault each, and the element that has to be named for it."""

from __future__ import annotations

import copy
from typing import Any

from tests.fhir import examples

ORDER: dict[str, Any] = {
    "resourceType": "ServiceRequest",
    "status": "active",
    "intent": "order",
    "subject": {"reference": "Patient/1"},
}


def order(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy({**ORDER, **changes})


def made(kind: str, **elements: Any) -> dict[str, Any]:
    """A valid resource of a type, with some elements set; None takes one out."""
    found = {**examples.example(kind), **elements}
    return {key: value for key, value in found.items() if value is not None}


STRUCTURE = [
    (order(foo=1), "ServiceRequest.foo", "structure"),
    (order(code={"coding": [{"kode": "1"}]}), "ServiceRequest.code.coding[0].kode", "structure"),
    (order(resourceType="Foo"), "resourceType", "not-supported"),
    ({"status": "active"}, "resourceType", "required"),
    ({"resourceType": "Account", "status": "active"}, "resourceType", "not-supported"),
    ({"resourceType": ["Task"]}, "resourceType", "not-supported"),
    (order(category={"text": "x"}), "ServiceRequest.category", "structure"),
    (order(code=[{"text": "x"}]), "ServiceRequest.code", "structure"),
    (order(category=[]), "ServiceRequest.category", "structure"),
    (order(category=None), "ServiceRequest.category", "structure"),
    (order(code={}), "ServiceRequest.code", "invariant"),
    (order(code=None), "ServiceRequest.code", "structure"),
    (order(note=[{"text": "a"}, None]), "ServiceRequest.note[1]", "structure"),
    (order(priority=None), "ServiceRequest.priority", "value"),
    ({k: v for k, v in ORDER.items() if k != "status"}, "ServiceRequest.status", "required"),
    ({k: v for k, v in ORDER.items() if k != "subject"}, "ServiceRequest.subject", "required"),
    (
        order(occurrenceDateTime="2026", occurrencePeriod={"start": "2026"}),
        "ServiceRequest.occurrence",
        "structure",
    ),
    (made("Observation", valueQuantity={"value": "1.5"}), "Observation.value.value", "value"),
    (made("Patient", active="true"), "Patient.active", "value"),
    (made("Patient", birthDate=0), "Patient.birthDate", "value"),
    (made("Patient", birthDate="1975-02-30"), "Patient.birthDate", "value"),
    (made("Patient", birthDate="1975-04-09T00:00:00Z"), "Patient.birthDate", "value"),
    (order(authoredOn="2026-03-01T10:00:00"), "ServiceRequest.authoredOn", "value"),
    (order(authoredOn="2026-03-01T10:00Z"), "ServiceRequest.authoredOn", "value"),
    (order(id="a" * 65), "ServiceRequest.id", "value"),
    (order(id="a_b"), "ServiceRequest.id", "value"),
    (made("Patient", name=[{"family": ""}]), "Patient.name[0].family", "value"),
    (made("Patient", name=[{"family": " \n"}]), "Patient.name[0].family", "value"),
    (made("Patient", name=[{"given": ["Ana", None]}]), "Patient.name[0].given[1]", "value"),
    (order(patientInstruction="a\u0007b"), "ServiceRequest.patientInstruction", "value"),
    (made("Patient", photo=[{"contentType": "image/png", "data": "###"}]), "Patient.photo[0].data", "value"),
    (order(instantiatesUri=["not a uri"]), "ServiceRequest.instantiatesUri[0]", "value"),
    (made("Patient", identifier=[{"system": "not a uri"}]), "Patient.identifier[0].system", "value"),
    (made("Patient", multipleBirthBoolean=None, multipleBirthInteger="2"), "Patient.multipleBirth", "value"),
    (
        made("Patient", text={"status": "generated", "div": "<div><script>x</script></div>"}),
        "Patient.text.div",
        "value",
    ),
    (
        order(extension=[{"valueString": "x"}]),
        "ServiceRequest.extension[0].url",
        "required",
    ),
]
CODES = [
    (order(status="bogus"), "ServiceRequest.status"),
    (order(intent="bogus"), "ServiceRequest.intent"),
    (order(priority="Urgent"), "ServiceRequest.priority"),
    (made("Task", status="done"), "Task.status"),
    (made("Task", intent="directive"), "Task.intent"),
    (made("Patient", gender="f"), "Patient.gender"),
    (made("Patient", telecom=[{"system": "mail", "value": "x"}]), "Patient.telecom[0].system"),
    (made("Patient", contact=[{"name": {"use": "real"}}]), "Patient.contact[0].name.use"),
    (made("Encounter", status="open"), "Encounter.status"),
    (made("DocumentReference", docStatus="draft"), "DocumentReference.docStatus"),
    (made("Consent", provision={"type": "allow"}), "Consent.provision.type"),
    (made("Consent", provision={"provision": [{"type": "x"}]}), "Consent.provision.provision[0].type"),
    (made("AuditEvent", outcome="1"), "AuditEvent.outcome"),
    (
        made("Appointment", participant=[{"type": [{"text": "x"}], "status": "yes"}]),
        "Appointment.participant[0].status",
    ),
    (made("Condition", clinicalStatus={"coding": [{"code": "active"}]}), "Condition.clinicalStatus.coding"),
    (
        made("Condition", clinicalStatus={"coding": [{"system": "http://x", "code": "active"}]}),
        "Condition.clinicalStatus.coding",
    ),
    (
        order(contained=[made("Patient", id="p", gender="x", text=None)], subject={"reference": "#p"}),
        "ServiceRequest.contained[0].gender",
    ),
    (made("Subscription", channel={"type": "fax"}), "Subscription.channel.type"),
]
TARGETS = [
    (order(subject={"reference": "Practitioner/1"}), "ServiceRequest.subject.reference"),
    (
        order(subject={"reference": "https://ehr.example/fhir/Observation/1"}),
        "ServiceRequest.subject.reference",
    ),
    (order(subject={"reference": "Patient/1", "type": "Group"}), "ServiceRequest.subject.type"),
    (order(subject={"identifier": {"value": "1"}, "type": "Task"}), "ServiceRequest.subject.type"),
    (order(subject={"reference": "any text"}), "ServiceRequest.subject.reference"),
    (order(subject={"reference": "Foo/1"}), "ServiceRequest.subject.reference"),
    (order(subject={"reference": "Patient/a_b"}), "ServiceRequest.subject.reference"),
    (order(basedOn=[{"reference": "Task/1"}]), "ServiceRequest.basedOn[0].reference"),
    (
        made("QuestionnaireResponse", source={"reference": "Organization/1"}),
        "QuestionnaireResponse.source.reference",
    ),
    (
        made("DocumentReference", custodian={"reference": "Practitioner/1"}),
        "DocumentReference.custodian.reference",
    ),
    (
        made("DocumentReference", context={"encounter": [{"reference": "Patient/1"}]}),
        "DocumentReference.context.encounter[0].reference",
    ),
    (
        made("DetectedIssue", mitigation=[{"action": {"text": "x"}, "author": {"reference": "Patient/1"}}]),
        "DetectedIssue.mitigation[0].author.reference",
    ),
    (
        order(contained=[{"resourceType": "Practitioner", "id": "p"}], subject={"reference": "#p"}),
        "ServiceRequest.subject.reference",
    ),
]
CONTAINED = {"resourceType": "Patient", "id": "p"}
INVARIANTS = [
    (made("Task", authoredOn="2026-03-02", lastModified="2026-03-01T00:00:00Z"), "Task.lastModified"),
    (order(orderDetail=[{"text": "x"}]), "ServiceRequest.orderDetail"),
    (
        made(
            "QuestionnaireResponse",
            item=[{"linkId": "1", "answer": [{"valueBoolean": True}], "item": [{"linkId": "2"}]}],
        ),
        "QuestionnaireResponse.item[0].item",
    ),
    (
        made(
            "CareTeam",
            contained=None,
            participant=[
                {"member": {"reference": "Patient/1"}, "onBehalfOf": {"reference": "Organization/1"}}
            ],
        ),
        "CareTeam.participant[0].onBehalfOf",
    ),
    (made("Consent", policy=None, policyRule=None), "Consent"),
    (
        made("Consent", patient=None, scope={"coding": [{"system": "http://x", "code": "patient-privacy"}]}),
        "Consent.patient",
    ),
    (made("Appointment", participant=[{"status": "accepted"}]), "Appointment.participant[0]"),
    (made("Appointment", end=None, status="proposed"), "Appointment.start"),
    (made("Appointment", start=None, end=None, status="booked"), "Appointment.start"),
    (made("Appointment", status="booked", cancelationReason={"text": "x"}), "Appointment.cancelationReason"),
    (made("Observation", dataAbsentReason={"text": "x"}), "Observation.dataAbsentReason"),
    (
        made("Observation", component=[{"code": examples.example("Observation")["code"]}]),
        "Observation.component",
    ),
    (made("Observation", referenceRange=[{"appliesTo": [{"text": "x"}]}]), "Observation.referenceRange[0]"),
    (
        made(
            "Condition",
            abatementString="x",
            clinicalStatus={
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}
                ]
            },
        ),
        "Condition.clinicalStatus",
    ),
    (made("Condition", stage=[{"type": {"text": "x"}}]), "Condition.stage[0]"),
    (made("MedicationAdministration", dosage={"text": "x"}), "MedicationAdministration.dosage"),
    (made("Organization", name=None, identifier=None), "Organization"),
    (made("Organization", address=[{"use": "home", "city": "X"}]), "Organization.address[0].use"),
    (
        made("Organization", telecom=[{"use": "home", "system": "phone", "value": "1"}]),
        "Organization.telecom[0].use",
    ),
    (made("Patient", contact=[{"gender": "male"}]), "Patient.contact[0]"),
    (made("Patient", telecom=[{"value": "555 0100"}]), "Patient.telecom[0].value"),
    (made("Patient", photo=[{"data": "aGVsbG8="}]), "Patient.photo[0].data"),
    (order(occurrencePeriod={"start": "2026-03-02", "end": "2026-03-01"}), "ServiceRequest.occurrence.start"),
    (order(occurrenceTiming={"repeat": {"duration": 1}}), "ServiceRequest.occurrence.repeat.duration"),
    (order(quantityRange={"low": {"value": 2}, "high": {"value": 1}}), "ServiceRequest.quantity.low"),
    (order(quantityQuantity={"value": 1, "code": "mg"}), "ServiceRequest.quantity.code"),
    (order(quantityRatio={"numerator": {"value": 1}}), "ServiceRequest.quantity"),
    (order(supportingInfo=[{"reference": "#x"}]), "ServiceRequest.supportingInfo[0].reference"),
    (order(contained=[CONTAINED]), "ServiceRequest.contained[0]"),
    (
        order(contained=[{**CONTAINED, "meta": {"versionId": "1"}}], subject={"reference": "#p"}),
        "ServiceRequest.contained[0].meta.versionId",
    ),
    (
        order(contained=[{**CONTAINED, "contained": [CONTAINED]}], subject={"reference": "#p"}),
        "ServiceRequest.contained[0].contained",
    ),
    (made("Questionnaire", item=[{"linkId": "1", "type": "group"}]), "Questionnaire.item[0].item"),
    (
        made("Questionnaire", item=[{"linkId": "1", "type": "string"}, {"linkId": "1", "type": "string"}]),
        "Questionnaire.item",
    ),
    (
        made(
            "Questionnaire",
            item=[
                {
                    "linkId": "1",
                    "type": "string",
                    "enableWhen": [
                        {"question": "2", "operator": "exists", "answerBoolean": True},
                        {"question": "3", "operator": "exists", "answerBoolean": True},
                    ],
                }
            ],
        ),
        "Questionnaire.item[0].enableBehavior",
    ),
    (
        made(
            "Questionnaire",
            item=[
                {
                    "linkId": "1",
                    "type": "string",
                    "enableWhen": [{"question": "2", "operator": "exists", "answerString": "x"}],
                }
            ],
        ),
        "Questionnaire.item[0].enableWhen[0].answer",
    ),
    ({"resourceType": "Parameters", "parameter": [{"name": "x"}]}, "Parameters.parameter[0]"),
    ({"resourceType": "Bundle", "type": "batch", "total": 1}, "Bundle.total"),
    (
        {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": ORDER}]},
        "Bundle.entry[0].request",
    ),
    (
        {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [
                {"fullUrl": "urn:uuid:1", "resource": ORDER},
                {"fullUrl": "urn:uuid:1", "resource": ORDER},
            ],
        },
        "Bundle.entry[1].fullUrl",
    ),
    (
        made("CodeSystem", concept=[{"code": "a"}, {"code": "b", "concept": [{"code": "a"}]}]),
        "CodeSystem.concept[1]",
    ),
    (made("ValueSet", compose={"include": [{"version": "1"}]}), "ValueSet.compose.include[0]"),
]
