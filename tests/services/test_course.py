"""A whole course by the services: decision, sessions through the gate, corrections, events, the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from referral.domain.course import (
    AbortReason,
    Candidacy,
    CandidacyReason,
    ChangeReason,
    Course,
    Dose,
    Ended,
    Ending,
    Phase,
    SessionState,
    Severity,
    StopReason,
    Vital,
)
from referral.domain.errors import GateClosed, InvalidInput, StaleVersion, TransitionRefused
from referral.domain.records import Order
from referral.services.correct_course import correct
from referral.services.course import course_of
from referral.services.record_course import NewDecision, decide_candidacy, end_course, plan_course
from referral.services.record_session import (
    Finished,
    Measured,
    NewEffect,
    begin_session,
    finish_session,
    give,
    measure,
    notice,
    stop_dose,
)
from referral.storage import course, orders, resources
from referral.storage.db import Session, flush
from tests.database import ClinicFixture
from tests.services.bookings import closed_order, open_order

YES = NewDecision(
    decision=Candidacy.CANDIDATE, risks_discussed=True, benefits_discussed=True, self_pay_notice=True
)
NAUSEA, SEIZURE = "422587007", "91175000"


@pytest.fixture
def order(clinic: ClinicFixture) -> Order:
    return open_order(clinic)


def now() -> datetime:
    """The database decides when an infusion starts, so what follows goes by its clock."""
    return datetime.now(UTC)


@pytest.fixture
def work(clinic: ClinicFixture) -> Iterator[Session]:
    with clinic.transaction() as session:
        yield session


def begun(session: Session, clinic: ClinicFixture, order: Order) -> str:
    return begin_session(session, clinic.actor, order.id, "Elena Whitcombe, MD", now())


def done(state: SessionState = SessionState.COMPLETED, **more: object) -> Finished:
    values = {
        "state": state,
        "ended_at": now(),
        "abort_reason": None,
        "discharge_met": True,
        "ride_home": True,
    }
    return Finished(**(values | more))  # type: ignore[arg-type]


def whole_session(session: Session, clinic: ClinicFixture, order: Order) -> str:
    id = begun(session, clinic, order)
    give(session, clinic.actor, id, Decimal(35), now(), now(), kilograms=Decimal(70))
    finish_session(session, clinic.actor, id, done(), now())
    return id


def read(session: Session, order: Order) -> Course:
    return course_of(session, order.id)


def document(session: Session, reference: str) -> dict[str, Any]:
    return resources.read(session, *reference.split("/")).document


def test_a_course_from_the_decision_to_its_end(work: Session, clinic: ClinicFixture, order: Order) -> None:
    plan_course(work, clinic.actor, order.id, 6, 3, now())
    decide_candidacy(work, clinic.actor, order.id, YES, now())
    before = Measured(
        taken_at=now(),
        phase=Phase.BEFORE,
        systolic=124,
        diastolic=78,
        heart_rate=72,
        saturation=98,
        breaths=14,
    )
    id = begin_session(work, clinic.actor, order.id, "  Elena   Whitcombe, MD ", now(), measured=before)
    dose = give(work, clinic.actor, id, Decimal(35), now(), now(), kilograms=Decimal(70))
    measure(work, clinic.actor, id, Measured(taken_at=now(), phase=Phase.DURING, heart_rate=81), now())
    nausea = NewEffect(code=NAUSEA, severity=Severity.MILD, serious=False, noticed_at=now(), session_id=id)
    notice(work, clinic.actor, order.id, nausea, now())
    stop_dose(work, clinic.actor, dose.id, now(), now())
    finish_session(work, clinic.actor, id, done(), now())
    whole_session(work, clinic, order)

    found = read(work, order)
    assert (found.planned, found.spacing_days) == (6, 3)
    assert found.decision is not None
    assert found.decision.decision is Candidacy.CANDIDATE
    assert [one.state for one in found.sessions] == [SessionState.COMPLETED] * 2
    first = found.sessions[0]
    assert (first.supervisor, first.physician_present) == ("Elena Whitcombe, MD", True)
    assert (first.discharge_met, first.ride_home) == (True, True)
    assert [(d.milligrams, d.per_kilogram) for d in first.doses] == [(Decimal(35), Decimal("0.5"))]
    assert first.doses[0].stopped_at is not None
    assert sorted((v.phase, v.kind, v.value, v.diastolic) for v in first.vitals if v.diastolic) == [
        ("before", "blood-pressure", 124, 78)
    ]
    assert len(first.vitals) == 5
    assert [(e.code, e.serious) for e in found.effects] == [(NAUSEA, False)]
    assert found.end is None


def test_what_is_recorded_is_published_and_says_who(
    work: Session, clinic: ClinicFixture, order: Order
) -> None:
    plan_course(work, clinic.actor, order.id, 6, 3, now())
    decided = decide_candidacy(work, clinic.actor, order.id, YES, now())
    id = begun(work, clinic, order)
    dose = give(work, clinic.actor, id, Decimal("52.50"), now(), now(), kilograms=Decimal(70))
    vital = measure(
        work,
        clinic.actor,
        id,
        Measured(taken_at=now(), phase=Phase.DURING, systolic=150, diastolic=90),
        now(),
    )[0]
    said = document(work, f"Encounter/{decided.id}")["extension"]
    assert {row["url"].rpartition("/")[2]: row.get("valueBoolean") for row in said}["self-pay-notice"]
    given = document(work, f"MedicationAdministration/{dose.id}")
    assert given["dosage"]["dose"]["value"] == Decimal("52.50")
    assert given["dosage"]["text"] == "52.5 mg intravenously (0.75 mg/kg)"
    assert given["medicationCodeableConcept"]["coding"][0]["code"] == "6130"
    assert [
        (part["code"]["coding"][0]["code"], part["valueQuantity"]["value"])
        for part in document(work, f"Observation/{vital.id}")["component"]
    ] == [("8480-6", 150), ("8462-4", 90)]
    finish_session(
        work,
        clinic.actor,
        id,
        done(SessionState.ABORTED, abort_reason=AbortReason.VITALS, discharge_met=False),
        now(),
    )
    procedure = document(work, f"Procedure/{id}")
    assert procedure["status"] == "stopped"
    assert procedure["statusReason"]["coding"][0]["code"] == "vitals-out-of-range"
    assert document(work, f"MedicationAdministration/{dose.id}")["status"] == "completed"
    assert document(work, f"ServiceRequest/{order.id}")["occurrenceTiming"]["repeat"]["period"] == 3


def test_who_is_no_candidate_is_not_treated_until_it_is_decided_anew(
    work: Session, clinic: ClinicFixture, order: Order
) -> None:
    no = NewDecision(decision=Candidacy.DEFERRED, reason=CandidacyReason.INFORMATION_MISSING, words="ECG")
    decide_candidacy(work, clinic.actor, order.id, no, now())
    with pytest.raises(GateClosed, match="no candidate"):
        begun(work, clinic, order)
    with pytest.raises(InvalidInput, match="decided anew"):
        decide_candidacy(work, clinic.actor, order.id, YES, now())
    later = ChangeReason.LATER_KNOWN
    with pytest.raises(StaleVersion):
        decide_candidacy(work, clinic.actor, order.id, YES, now(), why=later, shown=7)
    decide_candidacy(work, clinic.actor, order.id, YES, now(), why=later, shown=1)
    assert begun(work, clinic, order)


@pytest.mark.parametrize("missing", ["risks_discussed", "benefits_discussed", "self_pay_notice"])
def test_a_candidate_was_told_everything(
    work: Session, clinic: ClinicFixture, order: Order, missing: str
) -> None:
    changes: dict[str, Any] = {missing: False}
    told = replace(YES, **changes)
    with pytest.raises(InvalidInput) as refused:
        decide_candidacy(work, clinic.actor, order.id, told, now())
    assert [issue.expression for issue in refused.value.issues] == [(missing,)]


def test_the_decision_needs_the_consultation_and_the_start_needs_the_gate(clinic: ClinicFixture) -> None:
    order = closed_order(clinic)
    with clinic.transaction() as session, pytest.raises(TransitionRefused, match="consultation"):
        decide_candidacy(session, clinic.actor, order.id, YES, now())
    with pytest.raises(GateClosed, match="consultation"), clinic.transaction() as session:
        begun(session, clinic, order)


def test_nothing_is_overwritten(work: Session, clinic: ClinicFixture, order: Order) -> None:
    id = begun(work, clinic, order)
    vital = measure(
        work, clinic.actor, id, Measured(taken_at=now(), phase=Phase.DURING, heart_rate=18 + 60), now()
    )[0]
    typo = ChangeReason.TYPING_ERROR
    with pytest.raises(InvalidInput, match="Why is it changed"):
        correct(work, clinic.actor, Vital, vital.id, None, now(), value=87)
    with pytest.raises(InvalidInput, match="cannot be right"):
        correct(work, clinic.actor, Vital, vital.id, typo, now(), value=870)
    correct(work, clinic.actor, Vital, vital.id, typo, now(), shown=1, value=87)
    with pytest.raises(StaleVersion):
        correct(work, clinic.actor, Vital, vital.id, typo, now(), shown=1, value=88)
    assert [(v.value, v.stamp.why) for v in course.versions(work, Vital, vital.id)] == [
        (78, None),
        (87, typo),
    ]
    assert [v.value for v in read(work, order).sessions[0].vitals] == [87]
    assert document(work, f"Observation/{vital.id}")["status"] == "corrected"
    correct(work, clinic.actor, Vital, vital.id, ChangeReason.WRONG_PLACE, now(), in_error=True)
    assert read(work, order).sessions[0].vitals == ()
    assert document(work, f"Observation/{vital.id}")["status"] == "entered-in-error"
    written = text("SELECT count(*) FROM audit_event WHERE subtype = 'course-changed' AND patient_id = :id")
    flush(work)
    assert work.connection.scalar(written, {"id": order.patient_id}) == 2


@pytest.mark.parametrize(
    "statement", ["UPDATE course_vital SET value = 1", "DELETE FROM course_dose", "TRUNCATE course_end"]
)
def test_the_service_has_no_right_to_rewrite_a_course(clinic: ClinicFixture, statement: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), clinic.transaction() as session:
        session.connection.execute(text(statement))


def test_a_slip_of_the_comma_is_refused(work: Session, clinic: ClinicFixture, order: Order) -> None:
    id = begun(work, clinic, order)
    with pytest.raises(InvalidInput, match="per kilogram"):
        give(work, clinic.actor, id, Decimal(350), now(), now(), kilograms=Decimal(70))
    with pytest.raises(InvalidInput, match="not come yet"):
        give(work, clinic.actor, id, Decimal(35), now() + timedelta(hours=1), now())
    assert read(work, order).sessions[0].doses == ()


def test_a_session_is_completed_only_with_a_dose_and_when_the_patient_may_go(
    work: Session, clinic: ClinicFixture, order: Order
) -> None:
    id = begun(work, clinic, order)
    with pytest.raises(InvalidInput, match="No dose"):
        finish_session(work, clinic.actor, id, done(), now())
    give(work, clinic.actor, id, Decimal(35), now(), now())
    with pytest.raises(InvalidInput, match="criteria for discharge"):
        finish_session(work, clinic.actor, id, done(discharge_met=False), now())
    with pytest.raises(InvalidInput, match="Why was it aborted"):
        finish_session(work, clinic.actor, id, done(SessionState.ABORTED), now())
    with pytest.raises(TransitionRefused, match="under way"):
        begun(work, clinic, order)
    with pytest.raises(TransitionRefused, match="under way"):
        end_course(work, clinic.actor, order.id, Ending.STOPPED, StopReason.PATIENT_WISH, now())
    finish_session(work, clinic.actor, id, done(), now())
    with pytest.raises(TransitionRefused, match="has ended"):
        give(work, clinic.actor, id, Decimal(35), now(), now())


def test_a_serious_event_is_serious_whatever_was_ticked_and_between_sessions_too(
    work: Session, clinic: ClinicFixture, order: Order
) -> None:
    when = now()
    seizure = NewEffect(code=SEIZURE, severity=Severity.SEVERE, serious=False, noticed_at=when)
    made = notice(work, clinic.actor, order.id, seizure, now())
    found = read(work, order)
    assert [(e.id, e.noticed_at, e.session_id) for e in found.serious_events] == [(made.id, when, None)]
    said = document(work, f"AdverseEvent/{made.id}")
    assert said["seriousness"]["coding"][0]["code"] == "Serious"
    correct(work, clinic.actor, type(made), made.id, ChangeReason.WRONG_PLACE, now(), in_error=True)
    assert read(work, order).serious_events == ()
    assert document(work, f"AdverseEvent/{made.id}")["modifierExtension"][0]["valueBoolean"] is True


def test_a_course_is_stopped_early_with_its_reason_and_closes_the_order(
    clinic: ClinicFixture, order: Order
) -> None:
    def end(ending: Ending, reason: StopReason | None = None) -> None:
        with clinic.transaction() as session:
            end_course(session, clinic.actor, order.id, ending, reason, now(), words="after two weeks")

    with pytest.raises(TransitionRefused, match="No session was completed"):
        end(Ending.COMPLETED)
    with pytest.raises(InvalidInput, match="Why was it stopped"):
        end(Ending.STOPPED)
    with clinic.transaction() as session:
        whole_session(session, clinic, order)
    end(Ending.STOPPED, StopReason.NO_RESPONSE)
    with clinic.transaction() as session:
        found = read(session, order)
        assert document(session, f"ServiceRequest/{order.id}")["status"] == "revoked"
    assert found.end is not None
    assert (found.end.ending, found.end.reason) == (Ending.STOPPED, StopReason.NO_RESPONSE)
    assert found.end.stamp.words_id is not None
    with pytest.raises(GateClosed, match="not in use"), clinic.transaction() as session:
        begun(session, clinic, order)


def test_a_course_is_completed_once(clinic: ClinicFixture, order: Order) -> None:
    with clinic.transaction() as session:
        whole_session(session, clinic, order)
    with clinic.transaction() as session:
        end_course(session, clinic.actor, order.id, Ending.COMPLETED, None, now())
    with clinic.transaction() as session:
        assert orders.get(session, order.id).status == "completed"
    with pytest.raises(TransitionRefused, match="has ended"), clinic.transaction() as session:
        end_course(session, clinic.actor, order.id, Ending.COMPLETED, None, now())


def test_no_course_is_seen_by_another_clinic(clinic: ClinicFixture, other_clinic: ClinicFixture) -> None:
    order = open_order(clinic)
    with clinic.transaction() as session:
        whole_session(session, clinic, order)
    with other_clinic.transaction() as session:
        assert course.courses(session, [order])[order.id].sessions == ()
        assert course.newest(session, Dose, order.id) is None


def test_an_end_that_was_mistaken_is_corrected_and_the_order_says_the_same(
    clinic: ClinicFixture, order: Order
) -> None:
    with clinic.transaction() as session:
        whole_session(session, clinic, order)
    with clinic.transaction() as session:
        end_course(session, clinic.actor, order.id, Ending.STOPPED, StopReason.OTHER, now())
    why, ending = ChangeReason.TYPING_ERROR, Ending.COMPLETED
    with clinic.transaction() as session:
        correct(session, clinic.actor, Ended, order.id, why, now(), ending=ending, reason=None)
    with clinic.transaction() as session:
        end = read(session, order).end
        assert end is not None
        assert (end.ending, end.reason, end.stamp.version) == (Ending.COMPLETED, None, 2)
        assert orders.get(session, order.id).status == "completed"
        kept = document(session, f"ServiceRequest/{order.id}")
        assert (kept["status"], "course-stop-reason" in str(kept)) == ("completed", False)
        with pytest.raises(TransitionRefused):
            correct(session, clinic.actor, Ended, order.id, why, now(), in_error=True)
