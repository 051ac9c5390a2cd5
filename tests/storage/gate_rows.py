"""Rows for tests of the gate, written as the application writes them."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

from sqlalchemy import insert

from referral.domain.codes import BusinessStatus, ClinicianKind, Decision, Strength, TaskStatus
from referral.domain.policy import ICD_10_CM, Indication
from referral.domain.records import Order, Referral
from referral.storage import orders, recommendations, referrals, tables
from referral.storage.db import Session

DEPRESSION = Indication(ICD_10_CM, "F33.2", "depression")
_numbers = itertools.count(1)


def unique(prefix: str) -> str:
    return f"{prefix}-{next(_numbers)}"


def add_patient(session: Session) -> str:
    id = unique("patient")
    values = {
        "clinic_id": session.clinic,
        "id": id,
        "family": "Test",
        "given": "Person",
        "search_name": "test person",
    }
    session.connection.execute(insert(tables.patient), values)
    return id


def add_order(session: Session, patient_id: str, now: datetime, *indications: Indication) -> Order:
    order = Order(
        id=unique("order"),
        patient_id=patient_id,
        status="on-hold",
        indications=indications or (DEPRESSION,),
        planned_sessions=6,
        first_infusion_on=None,
        created_at=now,
    )
    orders.add(session, order, "user-1")
    return order


def add_referral(session: Session, order: Order, now: datetime, kind: str = "psychiatrist") -> Referral:
    clinician = unique("role")
    row = {
        "clinic_id": session.clinic,
        "id": clinician,
        "name": "Chidi Okafor",
        "kind": kind,
        "time_zone": "America/Denver",
        "search_name": "chidi okafor",
    }
    session.connection.execute(insert(tables.clinician), row)
    referral = Referral(
        id=unique("request"),
        number=unique("R"),
        requisition=unique("q"),
        task_id=unique("task"),
        patient_id=order.patient_id,
        order_id=order.id,
        clinician_id=clinician,
        status=TaskStatus.REQUESTED,
        business_status=BusinessStatus.SENT,
        status_reason=None,
        version=1,
        created_by="user-1",
        created_at=now,
        started_at=now,
        due_at=now + timedelta(days=14),
        delivered_at=None,
        identified_at=None,
        closed_at=None,
        climbed=0,
        shifted_days=0,
        extended_days=0,
        held_at=None,
        next_step_at=now,
    )
    referrals.add(session, [referral])
    return referral


def recommendation(referral: Referral, now: datetime, **changes: object) -> recommendations.NewRecommendation:
    values: dict[str, object] = {
        "id": unique("recommendation"),
        "patient_id": referral.patient_id,
        "order_id": referral.order_id,
        "referral_id": referral.id,
        "clinician_id": referral.clinician_id,
        "clinician_kind": ClinicianKind.PSYCHIATRIST,
        "decision": Decision.RECOMMENDED,
        "covers": ("F33.2",),
        "red_flags": (),
        "strength": Strength.TWO_CHANNEL,
        "answered_at": now,
        "valid_until": now + timedelta(days=180),
        "response_id": unique("response"),
    }
    return recommendations.NewRecommendation(**(values | changes))  # type: ignore[arg-type]


def open_order(session: Session, now: datetime) -> tuple[Order, recommendations.NewRecommendation]:
    """An order that may be treated, and the recommendation that opens it."""
    order = add_order(session, add_patient(session), now)
    orders.add_consultation(
        session, encounter_id=unique("encounter"), order=order, held_at=now, recorded_by="user-1"
    )
    given = recommendation(add_referral(session, order, now), now)
    recommendations.add(session, given)
    return order, given
