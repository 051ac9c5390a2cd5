"""The gate's decision: Parameters for `$gate`, and what a closed gate leaves in the record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from referral.domain.codes import Requirement, Verdict
from referral.domain.gate import GateDecision, RequirementState
from referral.domain.records import Order
from referral.fhir.elements import Ref, Resource, coding, concept, instant, reference
from referral.fhir.systems import ACT_CODE, DEFAULT, FLAG_CATEGORY, FLAG_DETAIL, LocalSystems

# What satisfies a requirement: the recommendation is named by its decision Observation.
_TYPE_OF: Final = {
    Requirement.INITIAL_CONSULTATION: "Encounter",
    Requirement.RECOMMENDATION: "Observation",
}
_BUSINESS: Final = coding(ACT_CODE, "BUS", "business constraint violation")
_OVERRIDE: Final = coding(ACT_CODE, "EMAUTH", "emergency authorization override")


def parameters(decision: GateDecision) -> Resource:
    """The answer of `$gate`: open, asOf, one reason per closed requirement, and each requirement.

    Emergency access that stands in for the recommendation is named: open then means open for one start.
    """
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "open", "valueBoolean": decision.open},
            {"name": "asOf", "valueInstant": instant(decision.as_of)},
            *({"name": "reason", "valueString": reason} for reason in decision.reasons),
            *({"name": "requirement", "part": _parts(state)} for state in decision.requirements),
            *_override(decision),
        ],
    }


def _override(decision: GateDecision) -> list[Resource]:
    if decision.override is None:
        return []
    parts: list[Resource] = [
        {"name": "validUntil", "valueDateTime": instant(decision.override.expires_at)},
        {"name": "remark", "valueString": decision.remark},
    ]
    return [{"name": "override", "part": parts}]


def _parts(state: RequirementState) -> list[Resource]:
    parts: list[Resource] = [
        {"name": "code", "valueCode": state.requirement.value},
        {"name": "satisfied", "valueBoolean": state.satisfied},
    ]
    if state.by is not None:
        target = f"{_TYPE_OF[state.requirement]}/{state.by}"
        parts.append({"name": "by", "valueReference": {"reference": target}})
    if state.valid_until is not None:
        parts.append({"name": "validUntil", "valueDateTime": instant(state.valid_until)})
    return parts


def topic(decision: GateDecision) -> str:
    """What is missing first, as a code of our `gate-topic`; a closed gate always has one."""
    if decision.verdict is Verdict.UNCLASSIFIED:
        return "not-classified"
    missing = [state.requirement for state in decision.requirements if not state.satisfied]
    if decision.override is not None:  # it stands in for the recommendation, so something else is missing
        missing.remove(Requirement.RECOMMENDATION)
    return (
        "consultation-missing" if missing == [Requirement.INITIAL_CONSULTATION] else "recommendation-missing"
    )


def detected_issue(
    id: str,
    order: Order,
    decision: GateDecision,
    *,
    author: Ref | None = None,
    task_ids: Sequence[str] = (),
    local: LocalSystems = DEFAULT,
) -> Resource:
    """A refused start or booking: which order, why, and which requests are under way."""
    resource: Resource = {
        "resourceType": "DetectedIssue",
        "id": id,
        "identifier": [local.identifier("detected-issue", id)],
        "status": "final",
        "code": {
            "coding": [_BUSINESS, local.coding("gate-topic", topic(decision))],
            "text": "Treatment is blocked",
        },
        "severity": "high",
        "patient": {"reference": f"Patient/{order.patient_id}"},
        "identifiedDateTime": instant(decision.as_of),
        "implicated": [{"reference": f"ServiceRequest/{order.id}"}],
        "detail": " ".join(decision.reasons),
    }
    if author is not None:
        resource["author"] = reference(author)
    if task_ids:
        resource["evidence"] = [{"detail": [{"reference": f"Task/{task_id}"} for task_id in task_ids]}]
    return resource


def override_mitigation(
    reason_code: str, *, at: datetime, author: Ref, local: LocalSystems = DEFAULT
) -> Resource:
    """The mitigation that an override adds to a DetectedIssue; only the two-person flow may write it."""
    action = {
        "coding": [_OVERRIDE, local.coding("gate-override", reason_code)],
        "text": local.coding("gate-override", reason_code).get("display", reason_code),
    }
    return {"action": action, "date": instant(at), "author": reference(author)}


def flag(
    id: str,
    order: Order,
    decision: GateDecision,
    *,
    since: datetime,
    ended_at: datetime | None = None,
    author: Ref | None = None,
    local: LocalSystems = DEFAULT,
) -> Resource:
    """The banner of a closed gate, active until `ended_at`."""
    period = {"start": instant(since)}
    if ended_at is not None:
        period["end"] = instant(ended_at)
    resource: Resource = {
        "resourceType": "Flag",
        "id": id,
        "extension": [{"url": FLAG_DETAIL, "valueReference": {"reference": f"ServiceRequest/{order.id}"}}],
        "identifier": [local.identifier("flag", id)],
        "status": "active" if ended_at is None else "inactive",
        "category": [concept(FLAG_CATEGORY, "admin", "Administrative")],
        "code": local.concept("gate-topic", topic(decision)),
        "subject": {"reference": f"Patient/{order.patient_id}"},
        "period": period,
    }
    if author is not None:
        resource["author"] = reference(author)
    return resource
