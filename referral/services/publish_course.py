"""The FHIR side of a course: each recorded version becomes the next version of its resource."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from referral.domain.audit import Actor
from referral.domain.course import (
    Decided,
    Dose,
    Ended,
    MedicationChange,
    Plan,
    SideEffect,
    Stamp,
    TreatmentSession,
    Vital,
)
from referral.domain.records import Order
from referral.fhir import course as mapping
from referral.fhir import medication_change
from referral.fhir.elements import Resource, coding
from referral.fhir.provenance import Agent, provenance
from referral.fhir.service_request import PLANNED_SESSIONS
from referral.fhir.systems import DATA_OPERATION, DEFAULT, STATUS_REASON
from referral.fhir.vital_signs import observation
from referral.services.publish import clinic_ref
from referral.storage import resources
from referral.storage.course import Recorded
from referral.storage.db import Session

_CREATE: Final = coding(DATA_OPERATION, "CREATE", "create")
_UPDATE: Final = coding(DATA_OPERATION, "UPDATE", "revise")


def type_of(recorded: Recorded) -> str:
    """The type of the resource that says it."""
    return {
        Plan: "ServiceRequest",
        Decided: "Encounter",
        TreatmentSession: "Procedure",
        Dose: "MedicationAdministration",
        Vital: "Observation",
        SideEffect: "AdverseEvent",
        MedicationChange: "Observation",
        Ended: "ServiceRequest",
    }[type(recorded)]


def course(
    session: Session,
    actor: Actor,
    order: Order,
    made: list[Recorded],
    now: datetime,
    *,
    in_error: bool = False,
) -> None:
    """Write what these say, with one Provenance that says who has recorded it and why it was changed."""
    new, changed = [], []
    for one in made:
        kind, id = type_of(one), str(getattr(one, "id", order.id))
        before = resources.find(session, kind, id)
        if before is None and isinstance(one, TreatmentSession):
            continue  # a system has started it by an Encounter or an administration alone
        if before is None:
            stored = resources.create(session, [_document(one, order, in_error)], now)[0]
            new.append(stored.reference)
        else:
            changes = _changes(one, order, in_error)
            stored = resources.amend(session, kind, id, changes, now)
            changed.append(f"{stored.reference}/_history/{stored.version}")
    _sign(session, actor, order, new, _CREATE, None, now)
    _sign(session, actor, order, changed, _UPDATE, made[0].stamp, now)


def _document(one: Recorded, order: Order, in_error: bool) -> Resource:
    """What has a resource of its own: doses, vital signs, side effects and changes of medication."""
    if isinstance(one, Dose):
        made = mapping.administration(one, order.patient_id)
    elif isinstance(one, Vital):
        made = observation(one, order.patient_id)
    elif isinstance(one, MedicationChange):
        made = medication_change.observation(one, order.id, order.patient_id)
    elif isinstance(one, SideEffect):
        made = mapping.adverse_event(one, order.patient_id)
    else:
        raise ValueError("This belongs to a resource that is there already.")
    if not in_error:
        return made
    return made | (mapping.error_mark() if isinstance(one, SideEffect) else {"status": "entered-in-error"})


def _changes(one: Recorded, order: Order, in_error: bool) -> dict[str, Any]:
    if isinstance(one, Decided):
        return mapping.decision_changes(one)
    if isinstance(one, TreatmentSession):
        return mapping.session_changes(one, in_error=in_error)
    if isinstance(one, Plan):
        return plan_changes(one)
    if isinstance(one, Ended):
        return end_changes(one)
    made = _document(one, order, in_error)
    changes = {name: value for name, value in made.items() if name not in ("resourceType", "id")}
    # Words of a client that were corrected here are not what counts any more.
    return changes | {"valueString": None} if isinstance(one, MedicationChange) else changes


def plan_changes(plan: Plan) -> dict[str, Any]:
    """How many, and how far apart. Our own extension says the number alone."""
    repeat = {"count": plan.planned_sessions, "frequency": 1, "period": plan.spacing_days, "periodUnit": "d"}
    extension = {"url": DEFAULT.extension(PLANNED_SESSIONS), "valuePositiveInt": plan.planned_sessions}
    return {"occurrenceTiming": {"repeat": repeat}, "extension": [extension]}


def end_changes(end: Ended) -> dict[str, Any]:
    """Why a course was stopped early; HL7's extension for the reason of a status."""
    row: Resource = {"url": STATUS_REASON}
    if end.reason is not None:
        row["valueCodeableConcept"] = DEFAULT.concept("course-stop-reason", end.reason)
    return {"extension": [row]}


def _sign(
    session: Session,
    actor: Actor,
    order: Order,
    targets: list[str],
    what: Resource,
    stamp: Stamp | None,
    now: datetime,
) -> None:
    # What a client writes gets its Provenance at the end of its transaction.
    if not targets or actor.kind == "client":
        return
    activity: Resource = {"coding": [what]}
    if stamp is not None and stamp.why is not None:
        activity["coding"].append(DEFAULT.coding("course-change-reason", stamp.why))
    signed = provenance(
        resources.new_id(),
        targets,
        [Agent("author", DEFAULT.staff(actor.id), clinic_ref(session))],
        recorded_at=now,
        activity=activity,
        patient_id=order.patient_id,
    )
    resources.create(session, [signed], now)
