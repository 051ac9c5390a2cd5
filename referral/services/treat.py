"""The clinic's side of an order: the initial consultation, and starting treatment through the gate."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.course import Candidacy
from referral.domain.errors import GateClosed, InvalidInput, Issue
from referral.domain.gate import GateDecision
from referral.services import publish
from referral.services.follow_gate import fulfil_booking
from referral.services.follow_up import count_visits
from referral.services.refresh_gate import refresh_gate
from referral.storage import audit, course, orders, overrides
from referral.storage.db import Session


def record_consultation(
    session: Session,
    actor: Actor,
    order_id: str,
    held_at: datetime,
    now: datetime,
    document: dict[str, Any] | None = None,
) -> GateDecision:
    """The initial consultation has been held. `document` is a client's own finished Encounter."""
    if held_at > now:
        raise InvalidInput(Issue("The consultation cannot lie in the future.", ("consulted_on",), "value"))
    order = orders.get(session, order_id, lock=True)
    encounter_id = publish.consultation(session, actor, order, held_at, document or {}, now)
    orders.add_consultation(
        session, encounter_id=encounter_id, order=order, held_at=held_at, recorded_by=actor.id
    )
    entry = AuditEntry(
        action=Action.CREATE,
        subtype="consultation",
        entity=f"Encounter/{encounter_id}",
        patient_id=order.patient_id,
    )
    audit.record(session, actor, entry)
    return refresh_gate(session, actor, order_id, now)


def start_treatment(
    session: Session,
    actor: Actor,
    order_id: str,
    patient_id: str,
    now: datetime,
    document: dict[str, Any] | None = None,
) -> str:
    """Start one infusion and return the Procedure's id. The database decides: GateClosed carries its reasons.

    `document` is a client's own Procedure. The time of the start is the database's.
    """
    procedure_id = str((document or {}).get("id") or uuid.uuid4())
    started_at = begin(session, actor, procedure_id, order_id, patient_id, now)
    publish.start(session, actor, procedure_id, order_id, patient_id, document or {}, started_at, now)
    return procedure_id


def begin(
    session: Session, actor: Actor, start_id: str, order_id: str, patient_id: str, now: datetime
) -> datetime:
    """Let the database start, under this id, and return its time.

    The booking of the day is fulfilled by it. A start that uses an override up closes the order again. Whom
    the clinic has found to be no candidate is not treated, whatever the gate says: GateClosed.
    """
    if course.candidacy(session, order_id) not in (None, Candidacy.CANDIDATE):
        reason = "The clinic has decided that the patient is no candidate, or not yet."
        raise GateClosed((reason,), order_id=order_id)
    if overrides.in_force(session, order_id):
        orders.get(session, order_id, lock=True)  # its row is written below, and comes before the gate's
    started = orders.start_treatment(session, actor, start_id, order_id, patient_id)
    fulfil_booking(session, actor, order_id, now)
    count_visits(session, order_id, now)
    if started.override_id is not None:
        refresh_gate(session, actor, order_id, now)
    return started.at
