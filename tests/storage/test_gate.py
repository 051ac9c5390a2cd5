"""The gate in the database: the rulebook's rule, and no way round it for the application's role."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from referral.domain.codes import ClinicianKind, Decision, Strength
from referral.domain.errors import GateClosed, TransitionRefused
from referral.domain.gate import decide
from referral.domain.policy import ICD_10_CM, SNOMED_CT, Indication
from referral.domain.records import Order
from referral.services import doctor
from referral.storage import clinics, orders, recommendations
from referral.storage.db import Session
from tests.database import ClinicFixture
from tests.storage import emergency
from tests.storage.gate_rows import add_order, add_patient, add_referral, open_order, recommendation, unique


def present() -> datetime:
    """The database judges by its own clock, so rows that must be valid now are dated by the real one."""
    return datetime.now(UTC) - timedelta(minutes=1)


def start(clinic: ClinicFixture, order_id: str, patient_id: str) -> None:
    with clinic.transaction() as session:
        orders.start_treatment(session, clinic.actor, unique("procedure"), order_id, patient_id)


def count_starts(clinic: ClinicFixture, order_id: str) -> int:
    with clinic.transaction() as session:
        return len(orders.starts(session, order_id))


def test_an_open_order_starts_and_leaves_its_audit_row(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        order, given_answer = open_order(session, present())
    start(clinic, order.id, order.patient_id)
    with clinic.transaction() as session:
        assert [s.recommendation_id for s in orders.starts(session, order.id)] == [given_answer.id]
        rows = session.connection.execute(
            text(
                "SELECT entity, patient_id, detail FROM audit_event"
                " WHERE subtype = 'gate-start' AND entity = :entity"
            ),
            {"entity": f"ServiceRequest/{order.id}"},
        ).all()
    assert [(row.patient_id, row.detail["recommendation"]) for row in rows] == [
        (order.patient_id, given_answer.id)
    ]


def test_a_voided_recommendation_closes_the_order_again(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        order, given_answer = open_order(session, present())
    start(clinic, order.id, order.patient_id)
    with clinic.transaction() as session:
        recommendations.remark(
            session, given_answer.id, "void", "user-1", "changed her mind", cause="revoked"
        )
    with pytest.raises(GateClosed, match="valid recommendation"):
        start(clinic, order.id, order.patient_id)
    assert count_starts(clinic, order.id) == 1


def test_a_recommendation_that_ends_before_the_commit_refuses_the_start_in_a_sentence(
    clinic: ClinicFixture,
) -> None:
    with clinic.transaction() as session:
        order, given_answer = open_order(session, present())
        recommendations.remark(session, given_answer.id, "void", "user-1", "asked again", cause="revoked")
        now = session.connection.scalar(text("SELECT clock_timestamp()"))
        assert now is not None
        ends = now + timedelta(seconds=1)
        again = recommendation(add_referral(session, order, present()), present(), valid_until=ends)
        recommendations.add(session, again)
    committed = False

    def begin_and_wait() -> None:
        nonlocal committed
        with clinic.transaction() as session:
            orders.start_treatment(session, clinic.actor, unique("procedure"), order.id, order.patient_id)
            session.connection.execute(text("SELECT pg_sleep(1.1)"))
            committed = True

    with pytest.raises(GateClosed, match="valid recommendation"):
        begin_and_wait()
    assert committed  # it was the commit that was refused, not the start
    assert count_starts(clinic, order.id) == 0


def test_another_patients_order_is_refused(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        order, _ = open_order(session, present())
        other = add_patient(session)
    with pytest.raises(GateClosed, match="no such infusion order of this patient"):
        start(clinic, order.id, other)


def test_the_same_start_cannot_be_recorded_twice(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        order, _ = open_order(session, present())
        orders.start_treatment(session, clinic.actor, "procedure-x", order.id, order.patient_id)
    with pytest.raises(TransitionRefused, match="started already"), clinic.transaction() as session:
        orders.start_treatment(session, clinic.actor, "procedure-x", order.id, order.patient_id)


INDICATIONS = [
    Indication(ICD_10_CM, "F33.2", "depression"),
    Indication(ICD_10_CM, "f43.10", "PTSD"),
    Indication(ICD_10_CM, "F45.42", "pain disorder"),
    Indication(ICD_10_CM, "G89.4", "chronic pain"),
    Indication(SNOMED_CT, "370143000", "MDD"),
    Indication(SNOMED_CT, "82423001", "chronic pain"),
    Indication(ICD_10_CM, "Z99.9", "unknown"),
    Indication("urn:elsewhere", "F33.2", "unknown system"),
]
answers = st.fixed_dictionaries(
    {
        "decision": st.sampled_from(
            [Decision.RECOMMENDED, Decision.RECOMMENDED_WITH_CONDITIONS, Decision.NOT_RECOMMENDED]
        ),
        "clinician_kind": st.sampled_from(
            [ClinicianKind.PSYCHIATRIST, ClinicianKind.PRIMARY_CARE, ClinicianKind.SOCIAL_WORKER]
        ),
        "strength": st.sampled_from(list(Strength)),
        "red_flags": st.sampled_from([(), ("mania",)]),
        "covers": st.lists(st.sampled_from([i.code for i in INDICATIONS]), unique=True).map(tuple),
        "days_left": st.sampled_from([-1, 1, 180]),
        "review": st.sampled_from([None, True, False]),
        "confirmed": st.booleans(),
        "voided": st.booleans(),
    }
)


def write_answer(session: Session, order: Order, drawn: dict[str, object], now: datetime) -> None:
    answer = dict(drawn)
    remarks = {name: answer.pop(name) for name in ("review", "confirmed", "voided")}
    valid_until = now + timedelta(days=int(str(answer.pop("days_left"))))
    made = recommendation(add_referral(session, order, now), now, valid_until=valid_until, **answer)
    recommendations.add(session, made)
    if remarks["review"] is not None:
        recommendations.remark(
            session, made.id, "review", "director", "looked at it", accepted=remarks["review"]
        )
    if remarks["confirmed"]:
        recommendations.remark(session, made.id, "confirmation", "desk", "called", spoke_with="the office")
    if remarks["voided"]:
        recommendations.remark(session, made.id, "void", "desk", "void", cause="revoked")


def with_overrides(*kinds: str, allowed: bool = True) -> example:
    """Drawn seldom: an order that lacks nothing but the recommendation, and these overrides."""
    return example(
        indications=INDICATIONS[:1],
        consulted=True,
        drawn=[],
        status="on-hold",
        given_overrides=list(kinds),
        allowed=allowed,
    )


@with_overrides("usable")
@with_overrides("usable", allowed=False)
@with_overrides("used")
@with_overrides("expired")
@with_overrides("declined")
@with_overrides("used", "usable")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    indications=st.lists(st.sampled_from(INDICATIONS), min_size=1, max_size=3, unique=True),
    consulted=st.booleans(),
    drawn=st.lists(answers, max_size=3),
    status=st.sampled_from(["on-hold", "active", "revoked", "completed"]),
    given_overrides=st.lists(st.sampled_from(["usable", "used", "expired", "declined"]), max_size=2),
    allowed=st.booleans(),
)
def test_the_database_and_the_rulebook_agree(
    clinic: ClinicFixture,
    engines: Any,
    indications: list[Indication],
    consulted: bool,
    drawn: list[dict[str, object]],
    status: str,
    given_overrides: list[str],
    allowed: bool,
) -> None:
    now = present()
    with clinic.transaction() as session:
        order = add_order(session, add_patient(session), now, *indications)
        if consulted:
            orders.add_consultation(
                session, encounter_id=unique("e"), order=order, held_at=now, recorded_by="user-1"
            )
        for answer in drawn:
            write_answer(session, order, answer, now)
        orders.set_status(session, order.id, status)
        emergency.allow(session, on=allowed)
    for kind in given_overrides:
        emergency.write(engines.admin_url, clinic, order, kind)
    with clinic.transaction() as session:
        policy, _ = clinics.policy_in_force(session)
        decision = decide(orders.facts(session, order.id).facts, policy, datetime.now(UTC))
    try:
        start(clinic, order.id, order.patient_id)
        started = True
    except GateClosed:
        started = False
    assert started == decision.open, decision


def test_the_doctor_finds_every_protection_in_place(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        findings = doctor.examine(session)
    wrong = [f.text for f in findings if not f.ok and "rows and FHIR" not in f.text]
    assert wrong == []


def test_one_clinic_never_sees_or_touches_another(clinic: ClinicFixture, other_clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        order, _ = open_order(session, present())
    with other_clinic.transaction() as session:
        for table in ("infusion_order", "recommendation", "patient", "audit_event", "clinician"):
            seen = session.connection.scalar(
                text(f"SELECT count(*) FROM {table} WHERE clinic_id = CAST(:clinic AS uuid)"),
                {"clinic": clinic.id},
            )
            assert seen == 0, table
        assert orders.set_status(session, order.id, "revoked") is False
    with pytest.raises(GateClosed), other_clinic.transaction() as session:
        orders.start_treatment(session, other_clinic.actor, "x", order.id, order.patient_id)
    with clinic.database.transaction() as session:
        assert session.connection.scalar(text("SELECT count(*) FROM patient")) == 0
