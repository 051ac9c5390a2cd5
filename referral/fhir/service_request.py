"""ServiceRequest: the infusion order, and the recommendation request to one clinician."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from referral.domain.codes import ClinicianKind, RequestStatus, Requirement, TaskStatus
from referral.domain.npi import KIND_LABEL
from referral.domain.policy import SNOMED_CT, Indication
from referral.domain.records import Clinician, Order, Referral
from referral.fhir.elements import (
    Ref,
    Resource,
    coding,
    codings,
    concept,
    every,
    instant,
    reference,
    references,
)
from referral.fhir.systems import DEFAULT, IDENTIFIER_TYPE, NUCC, RXNORM, STATUS_REASON, LocalSystems

_PLACER: Final = concept(IDENTIFIER_TYPE, "PLAC", "Placer Identifier")
_INFUSION: Final = coding(SNOMED_CT, "14152002", "Intravenous infusion")
_KETAMINE: Final = concept(SNOMED_CT, "373464007", "Ketamine")
_EVALUATION: Final = concept(SNOMED_CT, "386053000", "Evaluation procedure")
# Members of the value set "Referral" that CMS50 counts (VSAC 2.16.840.1.113883.3.464.1003.101.12.1046).
_BY_ADDRESSEE: Final = {
    ClinicianKind.PSYCHIATRIST: coding(SNOMED_CT, "308477009", "Referral to psychiatrist"),
    ClinicianKind.PSYCHOLOGIST: coding(SNOMED_CT, "308459004", "Referral to psychologist"),
    ClinicianKind.PRIMARY_CARE: coding(SNOMED_CT, "183561008", "Referral to general practitioner"),
}
_TO_SPECIALIST: Final = coding(SNOMED_CT, "103696004", "Patient referral to specialist")
_STATUS_OF: Final = {
    TaskStatus.DRAFT: RequestStatus.DRAFT,
    TaskStatus.COMPLETED: RequestStatus.COMPLETED,
    TaskStatus.CANCELLED: RequestStatus.REVOKED,
    TaskStatus.FAILED: RequestStatus.REVOKED,
    TaskStatus.ENTERED_IN_ERROR: RequestStatus.ENTERED_IN_ERROR,
}
_KETAMINE_CODES: Final = frozenset({(SNOMED_CT, "373464007"), (RXNORM, "6130")})
_KETAMINE_WORD: Final = re.compile(r"\bketamine\b", re.IGNORECASE)
PLANNED_SESSIONS: Final = "planned-sessions"


def infusion_order(
    order: Order,
    *,
    condition_ids: Sequence[str] = (),
    requester: Ref | None = None,
    waits_for: Sequence[Requirement] = (),
    supporting: Sequence[Ref] = (),
    local: LocalSystems = DEFAULT,
) -> Resource:
    """The order; on-hold it says why (`waits_for`). `supporting` are its requests, consents and answers."""
    resource: Resource = {
        "resourceType": "ServiceRequest",
        "id": order.id,
        "identifier": [{"type": _PLACER, **local.identifier("infusion-order", order.id)}],
        "status": order.status,
        "intent": "order",
        "category": [local.concept("request-category", "infusion-order")],
        "code": {
            "coding": [local.coding("request-code", "ketamine-infusion"), _INFUSION],
            "text": "Ketamine infusion",
        },
        "orderDetail": [_KETAMINE],
        "subject": {"reference": f"Patient/{order.patient_id}"},
        "authoredOn": instant(order.created_at),
    }
    if order.status == RequestStatus.ON_HOLD:
        resource["extension"] = [_status_reason(waits_for, local)]
    resource.update(_planned(order))
    resource.update(_reasons(condition_ids, order.indications))
    if requester is not None:
        resource["requester"] = reference(requester)
    if supporting:
        resource["supportingInfo"] = references(supporting)
    return resource


def order_changes(
    status: RequestStatus, waits_for: Sequence[Requirement] = (), *, local: LocalSystems = DEFAULT
) -> Resource:
    """What changes with the gate, to be laid over the order: its status, and why it is on-hold."""
    reason = _status_reason(waits_for, local) if status is RequestStatus.ON_HOLD else {"url": STATUS_REASON}
    return {"status": status.value, "extension": [reason]}


def _status_reason(waits_for: Sequence[Requirement], local: LocalSystems) -> Resource:
    """R4 has no ServiceRequest.statusReason; this is HL7's extension for it."""
    codes = [local.coding("gate-requirement", requirement.value) for requirement in waits_for]
    if not codes:
        return {"url": STATUS_REASON, "valueCodeableConcept": {"text": "Waits for the gate"}}
    text = f"Waits for: {', '.join(code['display'].lower() for code in codes)}"
    return {"url": STATUS_REASON, "valueCodeableConcept": {"coding": codes, "text": text}}


def _planned(order: Order) -> Resource:
    if order.planned_sessions is None:
        first = order.first_infusion_on
        return {"occurrenceDateTime": first.isoformat()} if first else {}
    repeat: dict[str, Any] = {"count": order.planned_sessions}
    if order.first_infusion_on:
        repeat["boundsPeriod"] = {"start": order.first_infusion_on.isoformat()}
    return {"occurrenceTiming": {"repeat": repeat}}


def _reasons(condition_ids: Sequence[str], indications: Iterable[Indication]) -> Resource:
    """Conditions where there are any, else codes with their wording."""
    if condition_ids:
        return {"reasonReference": [{"reference": f"Condition/{id_}"} for id_ in condition_ids]}
    codes = [
        concept(i.system, i.code, i.display, i.label) if i.system else {"text": i.display}
        for i in indications
    ]
    return {"reasonCode": codes} if codes else {}


def recommendation_request(
    referral: Referral,
    clinician: Clinician,
    *,
    requester: Ref | None = None,
    condition_ids: Sequence[str] = (),
    indications: Sequence[Indication] = (),
    supporting: Sequence[Ref] = (),
    replaces: str | None = None,
    local: LocalSystems = DEFAULT,
) -> Resource:
    """The request to one clinician. `replaces` is the id of the request that this one re-issues."""
    asked = _BY_ADDRESSEE.get(clinician.kind, _TO_SPECIALIST)
    resource: Resource = {
        "resourceType": "ServiceRequest",
        "id": referral.id,
        "identifier": [{"type": _PLACER, **local.identifier("request-number", referral.number)}],
        "requisition": local.identifier("requisition", referral.requisition),
        "intent": "order",
        "category": [local.concept("request-category", "recommendation-request"), _EVALUATION],
        "code": {
            "coding": [local.coding("request-code", "ketamine-recommendation"), asked],
            "text": "Recommendation before ketamine infusions",
        },
        "subject": {"reference": f"Patient/{referral.patient_id}"},
        "authoredOn": instant(referral.created_at),
        "performerType": performer_type(clinician),
        "performer": [{"reference": f"PractitionerRole/{clinician.id}", "display": clinician.name}],
        "supportingInfo": [
            {"reference": f"ServiceRequest/{referral.order_id}", "display": "Infusion order"},
            *references(supporting),
        ],
        **request_changes(referral),
        **_reasons(condition_ids, indications),
    }
    if requester is not None:
        resource["requester"] = reference(requester)
    if replaces is not None:
        resource["replaces"] = [{"reference": f"ServiceRequest/{replaces}"}]
    return resource


def performer_type(clinician: Clinician) -> Resource:
    """What kind of clinician is asked, in words, and by NUCC code where it is known."""
    label = KIND_LABEL[clinician.kind].capitalize()
    return concept(NUCC, clinician.taxonomy, None, label) if clinician.taxonomy else {"text": label}


def request_changes(referral: Referral) -> Resource:
    """What changes while a request runs, to be laid over it: the requester's status and needed-by.

    A rejected Task leaves the request active (COW); whoever finds that nobody is left revokes it.
    """
    return {
        "status": _STATUS_OF.get(referral.status, RequestStatus.ACTIVE).value,
        "occurrencePeriod": {"end": instant(referral.due_at)},
    }


def is_recommendation_request(resource: Mapping[str, Any], local: LocalSystems = DEFAULT) -> bool:
    """Whether a ServiceRequest asks for a recommendation: by our category or our code, nothing looser."""
    if resource.get("resourceType") != "ServiceRequest":
        return False
    wanted = (
        (local.system("request-category"), "recommendation-request"),
        (local.system("request-code"), "ketamine-recommendation"),
    )
    return any(c[:2] in wanted for c in codings(*every(resource, "category"), resource.get("code")))


def is_infusion_order(resource: Mapping[str, Any], local: LocalSystems = DEFAULT) -> bool:
    """Whether a ServiceRequest orders ketamine: by our code, by the substance, or by the word.

    Loose on purpose: an order that is not recognised would not be gated.
    """
    if resource.get("resourceType") != "ServiceRequest" or is_recommendation_request(resource, local):
        return False
    concepts = [resource.get("code"), *every(resource, "orderDetail"), *every(resource, "category")]
    ours = {
        (local.system("request-code"), "ketamine-infusion"),
        (local.system("request-category"), "infusion-order"),
    }
    found = list(codings(*concepts))
    if any(c[:2] in ours or c[:2] in _KETAMINE_CODES for c in found):
        return True
    words = [display for _, _, display in found]
    words += [str(c.get("text") or "") for c in concepts if isinstance(c, Mapping)]
    return any(_KETAMINE_WORD.search(text) for text in words)
