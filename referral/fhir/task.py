"""Task: the coordination of one request (fulfill), and the questionnaire to be completed for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from referral.domain.codes import BusinessStatus, TaskStatus
from referral.domain.records import Clinician, Referral
from referral.fhir import questionnaire
from referral.fhir.elements import Ref, Resource, concept, instant, reference
from referral.fhir.service_request import performer_type
from referral.fhir.systems import (
    DEFAULT,
    LOCAL_CODES,
    SDC_TEMPORARY,
    SDOHCC_TEMPORARY,
    TASK_CODE,
    LocalSystems,
)

_FULFILL: Final = concept(TASK_CODE, "fulfill", "Fulfill the focal request")
_COMPLETE: Final = concept(SDC_TEMPORARY, "complete-questionnaire", "Complete Questionnaire")
_QUESTIONNAIRE: Final = concept(SDC_TEMPORARY, "questionnaire", "Questionnaire")
_RESPONSE: Final = concept(SDC_TEMPORARY, "questionnaire-response", "Questionnaire Response")
_CONTENT: Final = concept(SDOHCC_TEMPORARY, "additional-content", "Additional Content")
_REASONS: Final = LOCAL_CODES["task-status-reason"]
# These must say why (SDOHCC); so must a Task that waits for something.
_MUST_SAY_WHY: Final = {
    TaskStatus.REJECTED: "will-not-handle",
    TaskStatus.CANCELLED: "cancelled-by-clinic",
    TaskStatus.FAILED: "expired",
    TaskStatus.ON_HOLD: "patient-first",
}
_ENDED: Final = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.REJECTED})


def coordination_task(
    referral: Referral,
    clinician: Clinician,
    *,
    modified_at: datetime,
    requester: Ref | None = None,
    reason: Ref | None = None,
    begun_at: datetime | None = None,
    outputs: Sequence[str] = (),
    local: LocalSystems = DEFAULT,
) -> Resource:
    """The Task that fulfils a request. `outputs` are "Type/id"; `begun_at` is the first action, if known."""
    focus = {"reference": f"ServiceRequest/{referral.id}"}
    resource: Resource = {
        "resourceType": "Task",
        "id": referral.task_id,
        "identifier": [local.identifier("task", referral.number)],
        "basedOn": [focus],
        "intent": "order",
        "priority": "routine",
        "code": _FULFILL,
        "focus": focus,
    }
    _complete(resource, referral, clinician, requester)
    if reason is not None:
        resource["reasonReference"] = reference(reason)
    changes = coordination_changes(
        referral, modified_at=modified_at, begun_at=begun_at, outputs=outputs, local=local
    )
    resource.update({name: value for name, value in changes.items() if value is not None})
    return resource


def coordination_changes(
    referral: Referral,
    *,
    modified_at: datetime,
    begun_at: datetime | None = None,
    outputs: Sequence[str] = (),
    local: LocalSystems = DEFAULT,
) -> Resource:
    """What changes while a request runs, to be laid over the Task; None takes an element away.

    Without `outputs` those that are there stay.
    """
    changes = _changes(referral, modified_at, local)
    changes["executionPeriod"] = _execution(referral, begun_at)
    changes["restriction"] = {
        "period": {"end": instant(referral.due_at)},
        "recipient": [{"reference": f"PractitionerRole/{referral.clinician_id}"}],
    }
    if outputs:
        changes["output"] = _outputs(outputs)
    return changes


def questionnaire_task(
    id: str,
    referral: Referral,
    clinician: Clinician,
    *,
    modified_at: datetime,
    requester: Ref | None = None,
    outputs: Sequence[str] = (),
    local: LocalSystems = DEFAULT,
) -> Resource:
    """The Task to fill in the form, part of the coordination Task; without a focus (SDC sdc-t1)."""
    resource: Resource = {
        "resourceType": "Task",
        "id": id,
        "identifier": [local.identifier("questionnaire-task", referral.number)],
        "basedOn": [{"reference": f"ServiceRequest/{referral.id}"}],
        "partOf": [{"reference": f"Task/{referral.task_id}"}],
        "intent": "order",
        "priority": "routine",
        "code": _COMPLETE,
        "input": [
            {"type": _QUESTIONNAIRE, "valueCanonical": questionnaire.canonical(clinician.kind, local=local)}
        ],
    }
    _complete(resource, referral, clinician, requester)
    changes = questionnaire_changes(referral, modified_at=modified_at, outputs=outputs, local=local)
    resource.update({name: value for name, value in changes.items() if value is not None})
    return resource


def questionnaire_changes(
    referral: Referral,
    *,
    modified_at: datetime,
    outputs: Sequence[str] = (),
    local: LocalSystems = DEFAULT,
) -> Resource:
    """As `coordination_changes`, for the questionnaire Task."""
    changes = _changes(referral, modified_at, local)
    if outputs:
        changes["output"] = _outputs(outputs)
    return changes


def _complete(resource: Resource, referral: Referral, clinician: Clinician, requester: Ref | None) -> None:
    resource["for"] = {"reference": f"Patient/{referral.patient_id}"}
    resource["authoredOn"] = instant(referral.created_at)
    if requester is not None:
        resource["requester"] = reference(requester)
    resource["performerType"] = [performer_type(clinician)]
    resource["owner"] = {"reference": f"PractitionerRole/{clinician.id}", "display": clinician.name}


def _changes(referral: Referral, modified_at: datetime, local: LocalSystems) -> Resource:
    business_status = referral.business_status
    return {
        "status": referral.status.value,
        "statusReason": _status_reason(referral, local),
        "businessStatus": local.concept("task-business-status", business_status.value)
        if business_status
        else None,
        # inv-1: lastModified is never before authoredOn.
        "lastModified": instant(max(modified_at, referral.created_at)),
    }


def _status_reason(referral: Referral, local: LocalSystems) -> Resource | None:
    """The reason given, as our code where it is one, else in the words of whoever gave it."""
    reason = referral.status_reason
    if reason:
        return local.concept("task-status-reason", reason) if reason in _REASONS else {"text": reason}
    if referral.business_status is BusinessStatus.AWAITING_INFORMATION and referral.is_open:
        return local.concept("task-status-reason", "patient-first")
    code = _MUST_SAY_WHY.get(referral.status)
    return local.concept("task-status-reason", code) if code else None


def _execution(referral: Referral, begun_at: datetime | None) -> Resource | None:
    """First to last action; a Task that ended without a first action we saw began and ended at once."""
    start = begun_at or (referral.identified_at if referral.status is not TaskStatus.REQUESTED else None)
    end = referral.closed_at if referral.status in _ENDED else None
    if end is not None:
        return {"start": instant(min(start or end, end)), "end": instant(end)}
    return {"start": instant(start)} if start else None


def _outputs(targets: Sequence[str]) -> list[Resource]:
    return [
        {
            "type": _RESPONSE if target.startswith("QuestionnaireResponse/") else _CONTENT,
            "valueReference": {"reference": target},
        }
        for target in targets
    ]
