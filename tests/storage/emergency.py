"""Emergency access for tests of the gate: people with sessions, and what they ask and decide."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import psycopg

from referral.domain.audit import Actor
from referral.domain.codes import OverrideReason, Role
from referral.domain.credential import digest, random_token
from referral.domain.records import Order
from referral.storage import accounts, clinics, orders, overrides
from referral.storage.accounts import StaffUser
from referral.storage.db import Session
from tests.database import ClinicFixture
from tests.storage.gate_rows import add_order, add_patient, unique

REASON = "The psychiatrist is on a plane; suicidal since this morning."


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the clinic with a running session, who has given the password again just now."""

    actor: Actor
    token: bytes


def person(session: Session, clinic: ClinicFixture, role: Role = Role.MEDICAL_DIRECTOR) -> Person:
    user = StaffUser(
        clinic_id=clinic.id,
        id=str(uuid.uuid4()),
        email=f"{uuid.uuid4().hex}@clinic.example",
        name="Robin Test",
        role=role,
        password_hash="!",
        active=True,
        failed_sign_ins=0,
        locked_until=None,
    )
    token = random_token()
    accounts.add_user(session, user)
    accounts.open_session(session, token, user, random_token(size=18), datetime.now(UTC))
    accounts.mark_reauthenticated(session, digest(token))
    return Person(Actor(clinic.id, "staff", user.id, role), digest(token))


def allow(session: Session, *, on: bool = True) -> None:
    """The next version of the clinic's policy, with or without emergency access."""
    policy, ladder = clinics.policy_in_force(session)
    clinics.add_policy(session, replace(policy, allow_override=on), ladder, created_by="test")


def blocked(session: Session, now: datetime) -> Order:
    """An order that lacks nothing but the recommendation."""
    order = add_order(session, add_patient(session), now)
    orders.add_consultation(
        session, encounter_id=unique("encounter"), order=order, held_at=now, recorded_by="user-1"
    )
    return order


def ask(session: Session, by: Person, order: Order, reason: str = REASON) -> str:
    id = str(uuid.uuid4())
    overrides.ask(
        session,
        by.actor,
        by.token,
        id=id,
        order=order,
        reason_code=OverrideReason.EMERGENCY,
        reason=reason,
    )
    return id


def give(session: Session, clinic: ClinicFixture, order: Order) -> str:
    """Asked by a clinician and approved by a medical director, both just now."""
    id = ask(session, person(session, clinic, Role.CLINICIAN), order)
    director = person(session, clinic)
    overrides.decide(session, director.actor, director.token, id, approve=True)
    return id


_AGE_DECISION = """
UPDATE override_decision SET reauthenticated_at = reauthenticated_at - %(by)s::interval,
    decided_at = decided_at - %(by)s::interval, expires_at = expires_at - %(by)s::interval
    WHERE request_id = %(id)s
"""
_AGE_REQUEST = """
UPDATE override_request SET reauthenticated_at = reauthenticated_at - %(by)s::interval,
    requested_at = requested_at - %(by)s::interval WHERE id = %(id)s
"""


def age(admin_url: str, id: str, by: str) -> None:
    """As if it had been asked and decided this much earlier; only a superuser can do that."""
    with psycopg.connect(admin_url.replace("+psycopg", "")) as connection:
        for statement in (_AGE_DECISION, _AGE_REQUEST):
            connection.execute(statement, {"by": by, "id": id})


_WRITE_REQUEST = """
INSERT INTO override_request (clinic_id, id, patient_id, order_id, reason_code, sealed_reason, requested_by,
                              reauthenticated_at, requested_at)
    SELECT clinic_id, %(id)s, %(patient)s, %(order)s, 'emergency-clinician-decision',
           decode(repeat('00', 60), 'hex'), %(first)s, now() - %(age)s::interval, now() - %(age)s::interval
    FROM clinic WHERE clinic_id = %(clinic)s
"""
_WRITE_DECISION = """
INSERT INTO override_decision (clinic_id, request_id, patient_id, order_id, requested_by, decided_by, outcome,
                               reauthenticated_at, decided_at, expires_at)
    SELECT clinic_id, id, patient_id, order_id, requested_by, %(second)s, %(outcome)s, requested_at,
           requested_at, CASE %(outcome)s WHEN 'approved' THEN requested_at + interval '60 minutes' END
    FROM override_request WHERE id = %(id)s
"""
_WRITE_START = """
INSERT INTO treatment_start (clinic_id, id, patient_id, order_id, override_id, gate_version, started_by,
                             started_at)
    SELECT clinic_id, 'start-' || request_id, patient_id, order_id, request_id, 1, 'user-1', now()
    FROM override_decision WHERE request_id = %(id)s
"""


def write(admin_url: str, clinic: ClinicFixture, order: Order, kind: str) -> None:
    """The rows of an override that is usable, used, expired or declined, whatever the gate says to it."""
    with clinic.transaction() as session:
        first, second = person(session, clinic), person(session, clinic)
    values = {
        "clinic": clinic.id,
        "id": str(uuid.uuid4()),
        "patient": order.patient_id,
        "order": order.id,
        "first": first.actor.id,
        "second": second.actor.id,
        "age": "61 minutes" if kind == "expired" else "1 minute",
        "outcome": "declined" if kind == "declined" else "approved",
    }
    with psycopg.connect(admin_url.replace("+psycopg", "")) as connection:
        # Triggers off: a start that used it is written although the order may be closed by now.
        connection.execute("SET session_replication_role = replica")
        connection.execute(_WRITE_REQUEST, values)
        connection.execute(_WRITE_DECISION, values)
        if kind == "used":
            connection.execute(_WRITE_START, values)
