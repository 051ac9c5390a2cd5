"""A promised follow-up visit as a Task: who sees the patient, by when, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from referral.domain.follow_up import FollowUp, Outcome
from referral.fhir.elements import Ref, Resource, instant, reference
from referral.fhir.systems import DEFAULT, LocalSystems

_STATUS: Final = {
    Outcome.SEEN: "completed",
    Outcome.LOST: "failed",
    Outcome.NOT_OURS: "rejected",
    Outcome.SUPERSEDED: "cancelled",
}


def task(promise: FollowUp, *, requester: Ref, local: LocalSystems = DEFAULT) -> Resource:
    """Asked of the clinician who has promised it; without a day before the first session."""
    made: Resource = {
        "resourceType": "Task",
        "id": promise.id,
        "identifier": [local.identifier("follow-up", promise.id)],
        "intent": "plan",
        "priority": "routine",
        "code": local.concept("task-code", "follow-up-visit"),
        "focus": {"reference": f"ServiceRequest/{promise.order_id}"},
        "for": {"reference": f"Patient/{promise.patient_id}"},
        "authoredOn": instant(promise.promised_at),
        "requester": reference(requester),
        "owner": {"reference": f"PractitionerRole/{promise.clinician_id}"},
    }
    changed = changes(promise, promise.promised_at, local=local)
    return made | {name: value for name, value in changed.items() if value is not None}


def changes(promise: FollowUp, at: datetime, *, local: LocalSystems = DEFAULT) -> Resource:
    """What moves while it goes on, to be laid over it; None takes an element away."""
    outcome = promise.outcome
    period = {"end": promise.due_on.isoformat()} if promise.due_on else None
    done: Resource | None = None
    if promise.outcome_on is not None:
        done = {"start": promise.outcome_on.isoformat(), "end": promise.outcome_on.isoformat()}
    return {
        "status": _STATUS[outcome] if outcome else "accepted",
        "statusReason": local.concept("follow-up-outcome", outcome.value) if outcome else None,
        "lastModified": instant(max(at, promise.promised_at)),
        "restriction": {"period": period} if period else None,
        "executionPeriod": done,
    }
