"""What a client says about procedures, administrations, encounters and appointments: starts pass the gate."""

from __future__ import annotations

from typing import Any, Final

from referral.domain.audit import Action, AuditEntry
from referral.domain.errors import TransitionRefused
from referral.domain.records import Order
from referral.fhir.treatment import held_at, is_consultation, is_harmless
from referral.services import doors
from referral.services.client_write import ClientWrite
from referral.services.refresh_gate import refresh_gate
from referral.services.take_course import note_decision, note_session, take_dose
from referral.services.treat import record_consultation, start_treatment
from referral.storage import audit, orders, workflow_records

_LASTING: Final = ("subject", "basedOn", "partOf", "encounter", "context", "appointment")


def take_treatment(write: ClientWrite) -> None:
    """Store what changes nothing, let the database decide what begins treatment, note a consultation.

    A dose of a session that runs is no second start: the session has passed the gate (docs/adr/0035).
    """
    if take_dose(write):
        return
    if write.current is not None and workflow_records.is_started(write.session, write.id):
        _go_on(write, write.current.document)
        return
    if workflow_records.is_record(write.session, write.type, write.id):
        _keep_consultation(write)
        return
    order = doors.order_to_start(write.session, write.document)
    if order is not None:
        _begin(write, order)
    elif _is_held_consultation(write.document):
        _note_consultation(write)
    else:
        write.store()


def _begin(write: ClientWrite, order: Order) -> None:
    if write.type == "Appointment":
        doors.require_open(write.session, write.document, order, write.now)
        write.store()
    elif write.type == "Procedure" and write.current is None:
        doors.require_same_patient(write.document, order)
        start_treatment(write.session, write.actor, order.id, order.patient_id, write.now, write.document)
        note_session(write)
    else:
        doors.pass_gate(write.session, write.actor, write.document, order, write.now)
        write.store()
        note_session(write)


def _go_on(write: ClientWrite, before: dict[str, Any]) -> None:
    """Treatment that has begun ends, or was an error; it is never unbegun or moved to another order."""
    if is_harmless(write.document) and write.document["status"] != "entered-in-error":
        raise TransitionRefused(
            "This treatment has begun; it can be stopped, completed or marked as entered in error.",
            f"{write.type}.status",
        )
    _require_same(write, before, _LASTING)
    write.store()
    note_session(write)


def _keep_consultation(write: ClientWrite) -> None:
    """The gate counts on this Encounter: what it counts on stays."""
    before = write.current.document if write.current else {}
    _require_same(write, before, ("status", "period", *_LASTING))
    write.store()
    note_decision(write)


def _require_same(write: ClientWrite, before: dict[str, Any], names: tuple[str, ...]) -> None:
    changed = [name for name in names if write.document.get(name) != before.get(name)]
    if changed:
        raise TransitionRefused(
            f"The gate has counted on this {write.type}; {', '.join(changed)} cannot be changed any more.",
            *[f"{write.type}.{name}" for name in changed],
        )


def _is_held_consultation(document: dict[str, Any]) -> bool:
    return (
        document["resourceType"] == "Encounter"
        and document.get("status") == "finished"
        and is_consultation(document)
    )


def _note_consultation(write: ClientWrite) -> None:
    order = doors.order_behind(write.session, write.document)
    if order is None:
        write.store()
        return
    doors.require_same_patient(write.document, order)
    held = held_at(write.document) or write.now
    if write.current is None:
        record_consultation(write.session, write.actor, order.id, held, write.now, write.document)
        note_decision(write)
        return
    if held > write.now:
        raise TransitionRefused("The consultation cannot lie in the future.", "Encounter.period")
    orders.get(write.session, order.id, lock=True)
    write.store()
    orders.add_consultation(
        write.session, encounter_id=write.id, order=order, held_at=held, recorded_by=write.actor.id
    )
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype="consultation",
        entity=f"Encounter/{write.id}",
        patient_id=order.patient_id,
    )
    audit.record(write.session, write.actor, entry)
    refresh_gate(write.session, write.actor, order.id, write.now)
    note_decision(write)
