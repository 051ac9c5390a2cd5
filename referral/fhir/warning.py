"""DetectedIssue: what the medical director has to look at, and how it was settled."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from referral.domain.form import BY_LINK_ID
from referral.domain.late_answer import LateAnswer
from referral.domain.life import Cause, Conflict, Remark, Standing
from referral.domain.records import Referral
from referral.fhir.elements import Resource, coding, instant
from referral.fhir.systems import ACT_CODE, DEFAULT, LocalSystems

_BUSINESS: Final = coding(ACT_CODE, "BUS", "business constraint violation")
_CONFIRMED: Final = coding(ACT_CODE, "21", "authorization confirmed")
# Whoever gave the answer ended it: the mitigation names them, and no member of staff.
_BY_CLINICIAN: Final = frozenset({Cause.WITHDRAWN, Cause.AMENDED})


def to_review(id: str, answer: Standing, *, local: LocalSystems = DEFAULT) -> Resource:
    """Red flags or conditions of a recommendation; `preliminary` until somebody has settled it."""
    topic = "red-flags" if answer.red_flags else "conditions"
    resource = _issue(id, topic, answer, local)
    resource["identifiedDateTime"] = instant(answer.answered_at)
    resource["implicated"].append({"reference": f"Observation/{answer.id}"})
    evidence = [
        {"code": [{"coding": [local.coding("red-flag", flag, text)], "text": text}]}
        for flag in answer.red_flags
        if (text := BY_LINK_ID[flag].text if flag in BY_LINK_ID else flag)
    ]
    if evidence:
        resource["evidence"] = evidence
    return resource


def conflict(id: str, found: Conflict, *, local: LocalSystems = DEFAULT) -> Resource:
    """A recommendation beside the refusal of another clinician."""
    resource = _issue(id, "conflict", found.recommendation, local)
    resource["identifiedDateTime"] = instant(found.since)
    pair = (found.recommendation, found.refusal)
    resource["implicated"] += [{"reference": f"Observation/{answer.id}"} for answer in pair]
    return resource


def late_answer(late: LateAnswer, about: Referral, *, local: LocalSystems = DEFAULT) -> Resource:
    """An answer after the first that says something else; both are implicated, and the first stands."""
    resource = _about(late.id, "late-answer", (about.patient_id, about.order_id), local)
    resource["identifiedDateTime"] = instant(late.received_at)
    resource["implicated"] += [
        {"reference": f"Observation/{late.first_id}"},
        {"reference": f"QuestionnaireResponse/{late.response_id}"},
    ]
    return resource


def late_answer_settled(by: str, at: datetime, *, local: LocalSystems = DEFAULT) -> Resource:
    """Laid over it once somebody has read both."""
    action = {"text": "Read beside the first answer, which stands"}
    return {
        "status": "final",
        "mitigation": [{"action": action, "date": instant(at), "author": local.staff(by)}],
    }


def _issue(id: str, topic: str, answer: Standing, local: LocalSystems) -> dict[str, Any]:
    return _about(id, topic, (answer.patient_id, answer.order_id), local)


def _about(id: str, topic: str, about: tuple[str, str], local: LocalSystems) -> dict[str, Any]:
    patient_id, order_id = about
    topic_coding = local.coding("gate-topic", topic)
    return {
        "resourceType": "DetectedIssue",
        "id": id,
        "identifier": [local.identifier("detected-issue", id)],
        "status": "preliminary",
        "code": {"coding": [_BUSINESS, topic_coding], "text": topic_coding["display"]},
        "severity": "high",
        "patient": {"reference": f"Patient/{patient_id}"},
        "implicated": [{"reference": f"ServiceRequest/{order_id}"}],
    }


def settled(remark: Remark | None, clinician_id: str, *, local: LocalSystems = DEFAULT) -> Resource:
    """What is laid over an issue that has ended; without a remark its time has simply run out."""
    if remark is None:
        return {"status": "cancelled"}
    if remark.cause is Cause.ENTERED_IN_ERROR:
        return {"status": "entered-in-error"}
    action: Resource = {"text": _action_words(remark)}
    if remark.accepted:
        action["coding"] = [_CONFIRMED]
    mitigation: Resource = {"action": action, "date": instant(remark.at)}
    if remark.cause in _BY_CLINICIAN:
        mitigation["author"] = {"reference": f"PractitionerRole/{clinician_id}"}
    elif remark.by != "sweep":
        mitigation["author"] = local.staff(remark.by)
    return {"status": "final", "mitigation": [mitigation]}


def _action_words(remark: Remark) -> str:
    if remark.cause is not None:
        return "The recommendation does not count any more"
    return "Accepted by the medical director" if remark.accepted else "Declined by the medical director"
