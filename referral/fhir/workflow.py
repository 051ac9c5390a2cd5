"""The resources of one request: order, request, tasks, communication, provenance, and the answer's observation.

Shapes and codes are those of the resource graph in docs/fhir.md; only our managed elements are built here.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from referral.domain.answers import Answers
from referral.domain.codes import Channel, ClinicianKind, Decision, RequestStatus, TaskStatus
from referral.domain.form import VERSION, Kind, items_for
from referral.domain.outgoing import MessageKind
from referral.domain.records import Clinician, Order, Referral
from referral.fhir.elements import Resource, coding, concept, instant, reference, references
from referral.fhir.systems import (
    COMMUNICATION_CATEGORY,
    COMMUNICATION_NOT_DONE,
    DATA_OPERATION,
    DEFAULT,
    LOINC,
    NUCC,
    PARTICIPATION_MODE,
    PROVENANCE_AGENT,
    SDC_TEMPORARY,
    SDOHCC_TEMPORARY,
    SIGNATURE_TYPE,
    SNOMED_CT,
    STATUS_REASON,
    TASK_CODE,
    LocalSystems,
)

_REFERRAL_CODE: Final = {
    ClinicianKind.PSYCHIATRIST: ("308477009", "Referral to psychiatrist"),
    ClinicianKind.PSYCHOLOGIST: ("308459004", "Referral to psychologist"),
    ClinicianKind.PRIMARY_CARE: ("183561008", "Referral to general practitioner"),
}
_MEDIUM: Final = {
    Channel.EMAIL: "EMAILWRIT",
    Channel.FAX: "FAXWRIT",
    Channel.POST: "MAILWRIT",
    Channel.PHONE: "PHONE",
}
_LATER: Final = timedelta(days=30)


def _on_hold_reason(text: str) -> list[Resource]:
    return [{"url": STATUS_REASON, "valueCodeableConcept": {"text": text}}]


def infusion_order(order: Order, condition_refs: Iterable[str], local: LocalSystems = DEFAULT) -> Resource:
    """SR-I: on-hold with a reason until every requirement is met."""
    resource: Resource = {
        "resourceType": "ServiceRequest",
        "id": order.id,
        "status": order.status,
        "intent": "order",
        "category": [local.concept("request-category", "infusion-order")],
        "code": {
            "coding": [
                local.coding("request-code", "ketamine-infusion"),
                coding(SNOMED_CT, "14152002", "Intravenous infusion"),
            ],
            "text": "Ketamine infusion",
        },
        "subject": reference(f"Patient/{order.patient_id}"),
        "authoredOn": instant(order.created_at),
        "reasonCode": [
            {"coding": [coding(i.system, i.code, i.display)], "text": i.display} for i in order.indications
        ],
    }
    if order.status == RequestStatus.ON_HOLD:
        resource["extension"] = _on_hold_reason("Requirements before treatment are not met yet")
    if refs := list(condition_refs):
        resource["reasonReference"] = references(refs)
    if order.planned_sessions:
        resource["quantityQuantity"] = {"value": order.planned_sessions, "unit": "infusions"}
    if order.first_infusion_on:
        resource["occurrenceDateTime"] = order.first_infusion_on.isoformat()
    return resource


def order_status(status: str, reasons: Iterable[str]) -> Resource:
    """What changes on SR-I when the gate opens or closes."""
    on_hold = status == RequestStatus.ON_HOLD
    text = " ".join(reasons) or "Requirements before treatment are met"
    return {"status": status, "extension": _on_hold_reason(text if on_hold else "Requirements are met")}


def request_status(referral: Referral) -> str:
    """ServiceRequest.status follows the Task (fhir.md 5): a decline leaves it active until staff decide."""
    if referral.status is TaskStatus.COMPLETED:
        return RequestStatus.COMPLETED
    if referral.status in (TaskStatus.CANCELLED, TaskStatus.FAILED):
        return RequestStatus.REVOKED
    if referral.status is TaskStatus.ENTERED_IN_ERROR:
        return RequestStatus.ENTERED_IN_ERROR
    return RequestStatus.ACTIVE


def recommendation_request(
    referral: Referral,
    order: Order,
    clinician: Clinician,
    requester: Resource,
    condition_refs: Iterable[str],
    local: LocalSystems = DEFAULT,
) -> Resource:
    """SR-R: one per addressed clinician; the requisition holds those together that were asked at once."""
    local_code = local.coding("request-code", "ketamine-recommendation")
    codes = [local_code]
    if clinician.kind in _REFERRAL_CODE:
        codes.append(coding(SNOMED_CT, *_REFERRAL_CODE[clinician.kind]))
    resource: Resource = {
        "resourceType": "ServiceRequest",
        "id": referral.id,
        "identifier": [local.identifier("request-number", referral.number)],
        "requisition": local.identifier("requisition", referral.requisition),
        "status": request_status(referral),
        "intent": "order",
        "category": [
            concept(SNOMED_CT, "386053000", "Evaluation procedure"),
            local.concept("request-category", "recommendation-request"),
        ],
        "code": {"coding": codes, "text": "Recommendation before ketamine infusions"},
        "subject": reference(f"Patient/{referral.patient_id}"),
        "authoredOn": instant(referral.created_at),
        "occurrencePeriod": {"start": instant(referral.started_at), "end": instant(referral.due_at)},
        "requester": requester,
        "performer": [{"reference": f"PractitionerRole/{clinician.id}", "display": clinician.name}],
        "reasonCode": [
            {"coding": [coding(i.system, i.code, i.display)], "text": i.display} for i in order.indications
        ],
    }
    if clinician.taxonomy:
        resource["performerType"] = concept(NUCC, clinician.taxonomy)
    if refs := list(condition_refs):
        resource["reasonReference"] = references(refs)
    return resource


def coordination_task(referral: Referral, requester: Resource, local: LocalSystems = DEFAULT) -> Resource:
    """Task-C: what the addressed clinician works on."""
    return {
        "resourceType": "Task",
        "id": referral.task_id,
        "identifier": [local.identifier("task", referral.task_id)],
        "basedOn": references([f"ServiceRequest/{referral.id}"]),
        **task_status(referral, local),
        "intent": "order",
        "code": concept(TASK_CODE, "fulfill", "Fulfill the focal request"),
        "focus": reference(f"ServiceRequest/{referral.id}"),
        "for": reference(f"Patient/{referral.patient_id}"),
        "authoredOn": instant(referral.created_at),
        "requester": requester,
        "owner": reference(f"PractitionerRole/{referral.clinician_id}"),
    }


def task_status(referral: Referral, local: LocalSystems = DEFAULT) -> Resource:
    """What changes on Task-C with every step; None removes an element."""
    reason = referral.status_reason
    known = {"not-needed", "not-my-patient", "expired"}
    period = {"start": instant(referral.identified_at)} if referral.identified_at else {}
    if referral.closed_at and period:
        period["end"] = instant(referral.closed_at)
    return {
        "status": str(referral.status),
        "statusReason": (
            None
            if reason is None
            else local.concept("task-status-reason", reason)
            if reason in known
            else {"text": reason}
        ),
        "businessStatus": local.concept("task-business-status", referral.business_status)
        if referral.business_status
        else None,
        "lastModified": instant(referral.closed_at or referral.identified_at or referral.created_at),
        "executionPeriod": period or None,
        "restriction": {"period": {"end": instant(referral.due_at)}},
    }


def questionnaire_task(
    referral: Referral, task_id: str, requester: Resource, local: LocalSystems = DEFAULT
) -> Resource:
    """Task-Q: fill in the form (SDC keeps it apart from Task-C: no focus beside a questionnaire input)."""
    return {
        "resourceType": "Task",
        "id": task_id,
        "partOf": references([f"Task/{referral.task_id}"]),
        "status": "requested",
        "intent": "order",
        "code": concept(SDC_TEMPORARY, "complete-questionnaire", "Complete questionnaire"),
        "for": reference(f"Patient/{referral.patient_id}"),
        "authoredOn": instant(referral.created_at),
        "lastModified": instant(referral.created_at),
        "requester": requester,
        "owner": reference(f"PractitionerRole/{referral.clinician_id}"),
        "input": [
            {
                "type": concept(SDC_TEMPORARY, "questionnaire", "Questionnaire"),
                "valueCanonical": questionnaire_canonical(local),
            }
        ],
    }


def questionnaire_canonical(local: LocalSystems = DEFAULT) -> str:
    return f"{local.base}/Questionnaire/ketamine-recommendation|{VERSION}"


def communication(
    referral: Referral,
    id: str,
    kind: MessageKind,
    channel: Channel,
    now: datetime,
    local: LocalSystems = DEFAULT,
) -> Resource:
    """One message; `preparation` until it is handed over."""
    medium = (
        concept(PARTICIPATION_MODE, _MEDIUM[channel])
        if channel in _MEDIUM
        else local.concept("communication-medium", str(channel))
    )
    category = "reminder" if kind is MessageKind.REMINDER else "notification"
    return {
        "resourceType": "Communication",
        "id": id,
        "identifier": [local.identifier("message", id)],
        "basedOn": references([f"ServiceRequest/{referral.id}"]),
        "status": "preparation",
        "category": [concept(COMMUNICATION_CATEGORY, category)],
        "medium": [medium],
        "subject": reference(f"Patient/{referral.patient_id}"),
        "topic": {"text": str(kind)},
        "about": references([f"Task/{referral.task_id}"]),
        "recipient": references([f"PractitionerRole/{referral.clinician_id}"]),
    }


def communication_done(now: datetime) -> Resource:
    return {"status": "completed", "sent": instant(now)}


def communication_failed(reason: str) -> Resource:
    coded = concept(COMMUNICATION_NOT_DONE, "system-error", text=reason)
    return {"status": "not-done", "statusReason": coded}


def provenance(
    id: str, targets: Iterable[str], who: Resource, agent: str, now: datetime, **more: Any
) -> Resource:
    """Who made something, when; `more` are further elements such as activity or signature."""
    return {
        "resourceType": "Provenance",
        "id": id,
        "target": references(targets),
        "recorded": instant(now),
        "agent": [{"type": concept(PROVENANCE_AGENT, agent), "who": who}],
        **more,
    }


def signature(who: Resource, now: datetime) -> list[Resource]:
    """An electronic signature by typed name under an attestation; the clinic seals the record."""
    author = coding(SIGNATURE_TYPE, "1.2.840.10065.1.12.1.1", "Author's Signature")
    return [{"type": [author], "when": instant(now), "who": who}]


_VALUE: Final = {
    Kind.DATE: "valueDate",
    Kind.TICK: "valueBoolean",
    Kind.TEXT: "valueString",
    Kind.LINE: "valueString",
}


def questionnaire_response(
    id: str,
    referral: Referral,
    clinician: Clinician,
    answers: Answers,
    author: Resource,
    now: datetime,
    local: LocalSystems = DEFAULT,
) -> Resource:
    """The form as it was answered; source is the clinician, author whoever recorded it."""
    return {
        "resourceType": "QuestionnaireResponse",
        "id": id,
        "basedOn": references([f"ServiceRequest/{referral.id}"]),
        "questionnaire": questionnaire_canonical(local),
        "status": "completed",
        "subject": reference(f"Patient/{referral.patient_id}"),
        "authored": instant(now),
        "author": author,
        "source": reference(f"PractitionerRole/{clinician.id}"),
        "item": [
            {
                "linkId": item.link_id,
                "text": item.text,
                "answer": _answers(item, answers.values[item.link_id], local),
            }
            for item in items_for(clinician.kind)
            if item.link_id in answers.values
        ],
    }


def _answers(item: Any, value: str | tuple[str, ...], local: LocalSystems) -> list[Resource]:
    values = [value] if isinstance(value, str) else list(value)
    if item.options:
        words = {option.code: option.text for option in item.options}
        return [{"valueCoding": local.coding("form-answer", code, words[code])} for code in values]
    if item.kind is Kind.TICK:
        return [{"valueBoolean": True}]
    return [{_VALUE[item.kind]: one} for one in values]


def raw_answers(response: Resource) -> dict[str, list[str]]:
    """A QuestionnaireResponse of a client's, as check_answers() takes it: link id to plain values."""
    found: dict[str, list[str]] = {}
    waiting = list(response.get("item") or [])
    while waiting:
        item = waiting.pop(0)
        if not isinstance(item, dict):
            continue
        waiting.extend(item.get("item") or [])
        found.setdefault(str(item.get("linkId")), []).extend(_plain(a) for a in item.get("answer") or [])
    return found


def _plain(answer: Any) -> str:
    for name, value in answer.items() if isinstance(answer, dict) else ():
        if name == "valueCoding" and isinstance(value, dict):
            return str(value.get("code", ""))
        if name == "valueBoolean":
            return "yes" if value else "no"
        if name.startswith("value"):
            return str(value)
    return ""


def decision_observation(
    id: str,
    referral: Referral,
    decision: Decision,
    response_id: str,
    now: datetime,
    local: LocalSystems = DEFAULT,
) -> Resource:
    """What the clinician decided, readable without the form."""
    return {
        "resourceType": "Observation",
        "id": id,
        "basedOn": references([f"ServiceRequest/{referral.id}"]),
        "status": "final",
        "code": local.concept("observation-code", "recommendation-decision"),
        "subject": reference(f"Patient/{referral.patient_id}"),
        "effectiveDateTime": instant(now),
        "performer": references([f"PractitionerRole/{referral.clinician_id}"]),
        "valueCodeableConcept": local.concept("decision", decision),
        "derivedFrom": references([f"QuestionnaireResponse/{response_id}"]),
    }


def document_reference(
    id: str, referral: Referral, sha1_base64: str, size: int, now: datetime, local: LocalSystems = DEFAULT
) -> Resource:
    """The sealed record of an answer; its bytes are served as Binary under the same id."""
    return {
        "resourceType": "DocumentReference",
        "id": id,
        "identifier": [local.identifier("document", id)],
        "status": "current",
        "docStatus": "final",
        "type": concept(LOINC, "11488-4", "Consult note"),
        "category": [
            concept(
                "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
                "clinical-note",
                "Clinical Note",
            )
        ],
        "subject": reference(f"Patient/{referral.patient_id}"),
        "date": instant(now),
        "author": references([f"PractitionerRole/{referral.clinician_id}"]),
        "content": [
            {
                "attachment": {
                    "contentType": "application/pdf",
                    "url": f"Binary/{id}",
                    "size": size,
                    "hash": sha1_base64,
                    "title": f"Recommendation {referral.number}",
                    "creation": instant(now),
                }
            }
        ],
        "context": {"related": references([f"ServiceRequest/{referral.id}"])},
    }


def consultation(id: str, order: Order, held_at: datetime, local: LocalSystems = DEFAULT) -> Resource:
    """The initial consultation, finished."""
    return {
        "resourceType": "Encounter",
        "id": id,
        "identifier": [local.identifier("encounter", id)],
        "status": "finished",
        "class": coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", "AMB", "ambulatory"),
        "type": [local.concept("encounter-type", "initial-consultation")],
        "subject": reference(f"Patient/{order.patient_id}"),
        "basedOn": references([f"ServiceRequest/{order.id}"]),
        "period": {"start": instant(held_at), "end": instant(held_at)},
    }


def infusion(
    id: str, order_id: str, patient_id: str, started_at: datetime, local: LocalSystems = DEFAULT
) -> Resource:
    """A treatment that has been started through the gate."""
    return {
        "resourceType": "Procedure",
        "id": id,
        "basedOn": references([f"ServiceRequest/{order_id}"]),
        "status": "in-progress",
        "code": {
            "coding": [
                local.coding("request-code", "ketamine-infusion"),
                coding(SNOMED_CT, "14152002", "Intravenous infusion"),
            ],
            "text": "Ketamine infusion",
        },
        "subject": reference(f"Patient/{patient_id}"),
        "performedPeriod": {"start": instant(started_at)},
    }
