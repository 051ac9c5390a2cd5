"""The main job and its refusals, through the services and the real database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from referral.domain.codes import BusinessStatus, Strength, TaskStatus, Verdict
from referral.domain.errors import (
    CredentialUnusable,
    DuplicateRequest,
    GateClosed,
    InvalidInput,
    StaleVersion,
    TransitionRefused,
)
from referral.domain.outgoing import MessageKind, MessageState
from referral.domain.policy import ICD_10_CM, Indication
from referral.services import doctor
from referral.services.ask_clinic import ask_clinic
from referral.services.close_referral import cancel_referral
from referral.services.judge_recommendation import (
    confirm_by_phone,
    review_recommendation,
    revoke_recommendation,
)
from referral.services.lapse_orders import lapse_orders
from referral.services.move_ladder import pause_request, resume_request
from referral.services.refresh_gate import read_decision
from referral.services.respond_to_referral import Response, note_identity, respond
from referral.services.treat import record_consultation, start_treatment
from referral.storage import audit, clinics, outbox, recommendations, referrals, resources
from referral.storage.db import Session
from tests.database import NOW, ClinicFixture
from tests.services import people


def present() -> datetime:
    return datetime.now(UTC)


def gate_open(session: Session, clinic: ClinicFixture, order_id: str) -> bool:
    return read_decision(session, clinic.actor, order_id, NOW).open


def consult(session: Session, clinic: ClinicFixture, order_id: str) -> None:
    record_consultation(session, clinic.actor, order_id, NOW - timedelta(days=1), NOW)


def test_asking_makes_the_whole_graph_and_one_letter(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
    with clinic.transaction() as session:
        request = resources.read(session, "ServiceRequest", referral.id).document
        order = resources.read(session, "ServiceRequest", referral.order_id).document
        task = resources.read(session, "Task", referral.task_id).document
        messages = outbox.find(session, referral_id=referral.id)
        assert (request["status"], request["performer"][0]["reference"]) == (
            "active",
            f"PractitionerRole/{referral.clinician_id}",
        )
        assert order["status"] == "on-hold"
        assert order["supportingInfo"] == [{"reference": f"ServiceRequest/{referral.id}"}]
        assert (task["status"], task["focus"]["reference"]) == ("requested", f"ServiceRequest/{referral.id}")
        assert [(m.kind, m.state, m.channel) for m in messages] == [(MessageKind.REQUEST, "queued", "email")]
        assert (
            resources.read(session, "Communication", str(messages[0].id)).document["status"] == "preparation"
        )
        assert {"ask", "place-order"} <= {
            row.subtype for row in audit.find(session, patient_id=referral.patient_id)
        }


def test_a_recommendation_opens_the_order_and_treatment_starts(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
        consult(session, clinic, referral.order_id)
        assert not gate_open(session, clinic, referral.order_id)
    with pytest.raises(GateClosed, match="valid recommendation"), clinic.transaction() as session:
        start_treatment(session, clinic.actor, referral.order_id, referral.patient_id, present())
    with clinic.transaction() as session:
        receipt = people.respond_with(session, clinic, referral, now=present())
        assert not receipt.needs_review
    with clinic.transaction() as session:
        after = referrals.get(session, referral.id)
        assert (after.status, after.business_status) == (TaskStatus.COMPLETED, BusinessStatus.RECOMMENDED)
        assert after.next_step_at is None
        assert resources.read(session, "ServiceRequest", referral.order_id).document["status"] == "active"
        procedure = start_treatment(session, clinic.actor, referral.order_id, referral.patient_id, present())
        assert resources.read(session, "Procedure", procedure).document["status"] == "in-progress"


def test_voiding_closes_the_order_again(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
        consult(session, clinic, referral.order_id)
        people.respond_with(session, clinic, referral, now=present())
    with clinic.transaction() as session:
        revoke_recommendation(session, clinic.actor, referral.id, reason="the office called", now=present())
    with clinic.transaction() as session:
        assert resources.read(session, "ServiceRequest", referral.order_id).document["status"] == "on-hold"
        answer = recommendations.find(session, referral_id=referral.id)
        assert resources.read(session, "Observation", answer.id).document["status"] == "cancelled"
    with pytest.raises(GateClosed), clinic.transaction() as session:
        start_treatment(session, clinic.actor, referral.order_id, referral.patient_id, present())
    with pytest.raises(TransitionRefused, match="voided already"), clinic.transaction() as session:
        revoke_recommendation(session, clinic.actor, referral.id, reason="once more", now=present())


def test_an_answer_counts_once(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
        people.respond_with(session, clinic, referral)
    with pytest.raises(TransitionRefused, match="answered"), clinic.transaction() as session:
        people.respond_with(
            session, clinic, referral, people.answers("not-recommended", reason="x", reason_code="other")
        )
    with clinic.transaction() as session:
        assert recommendations.find(session, referral_id=referral.id).decision == "recommended"


def test_one_good_answer_cancels_the_siblings(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        placed = people.order(session, clinic, people.patient(session, clinic))
        first, second = people.ask(
            session,
            clinic,
            placed,
            people.clinician(session, clinic),
            people.clinician(
                session,
                clinic,
                given="Hannah",
                family="Lee",
                npi="",
                email="lee@lee.example",
                fax="",
                kind="psychologist",
            ),
        )
        assert first.requisition == second.requisition
        consult(session, clinic, placed.id)
        people.respond_with(session, clinic, first)
    with clinic.transaction() as session:
        sibling = referrals.get(session, second.id)
        assert (sibling.status, sibling.status_reason) == (TaskStatus.CANCELLED, "not-needed")
        assert resources.read(session, "ServiceRequest", second.id).document["status"] == "revoked"
        assert {m.state for m in outbox.find(session, referral_id=second.id)} == {MessageState.CANCELLED}


def test_red_flags_wait_for_the_medical_director(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
        consult(session, clinic, referral.order_id)
        assert people.respond_with(session, clinic, referral, people.answers(mania="unknown")).needs_review
        assert (
            read_decision(session, clinic.actor, referral.order_id, NOW).verdict
            is Verdict.ANSWERED_NEEDS_REVIEW
        )
    with pytest.raises(InvalidInput, match="reason"), clinic.transaction() as session:
        review_recommendation(
            session, people.director(clinic), referral.id, accepted=True, reason=" ", now=NOW
        )
    with clinic.transaction() as session:
        review_recommendation(
            session, people.director(clinic), referral.id, accepted=True, reason="on lithium", now=NOW
        )
        assert gate_open(session, clinic, referral.order_id)
    with clinic.transaction() as session:
        review_recommendation(
            session, people.director(clinic), referral.id, accepted=False, reason="reconsidered", now=NOW
        )
        assert not gate_open(session, clinic, referral.order_id)


def test_a_weak_proof_of_identity_waits_for_a_call(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
        consult(session, clinic, referral.order_id)
        people.respond_with(session, clinic, referral, strength=Strength.SINGLE_CHANNEL)
        assert not gate_open(session, clinic, referral.order_id)
    with clinic.transaction() as session:
        confirm_by_phone(
            session,
            people.colleague(clinic),
            referral.id,
            spoke_with="office manager",
            called_number="303-555-0121",
            now=NOW,
        )
        assert gate_open(session, clinic, referral.order_id)


def test_a_refusal_is_recorded_and_the_gate_stays_closed(clinic: ClinicFixture) -> None:
    refusal = people.answers("not-recommended", reason_code="unstable", reason="not stable")
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
        consult(session, clinic, referral.order_id)
        people.respond_with(session, clinic, referral, refusal)
        decision = read_decision(session, clinic.actor, referral.order_id, NOW)
        assert (decision.open, decision.verdict) == (False, Verdict.DECLINED)
        assert referrals.get(session, referral.id).status is TaskStatus.COMPLETED


def test_needing_to_see_the_patient_pauses_the_ladder(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
        people.respond_with(
            session, clinic, referral, people.answers("needs-information", visit_planned="2026-11-10")
        )
        after = referrals.get(session, referral.id)
    assert after.is_open
    assert (after.status, after.business_status) == (
        TaskStatus.IN_PROGRESS,
        BusinessStatus.AWAITING_INFORMATION,
    )
    assert after.next_step_at is not None
    # The reminder of day 2, moved by six business days; the 11th is Veterans Day.
    assert after.next_step_at.date().isoformat() == "2026-11-16"


def test_not_my_patient_gives_the_request_back(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
        people.respond_with(session, clinic, referral, people.answers("not-my-patient"))
        after = referrals.get(session, referral.id)
        assert (after.status, after.status_reason) == (TaskStatus.REJECTED, "not-my-patient")
        assert "misdirected" in {row.subtype for row in audit.find(session, patient_id=referral.patient_id)}
        assert resources.read(session, "ServiceRequest", referral.id).document["status"] == "active"


def test_chronic_pain_alone_needs_no_recommendation(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        placed = people.order(session, clinic, people.patient(session, clinic), people.PAIN)
        consult(session, clinic, placed.id)
        assert gate_open(session, clinic, placed.id)
    with (
        pytest.raises(TransitionRefused, match="No recommendation is needed"),
        clinic.transaction() as session,
    ):
        people.ask(session, clinic, placed, people.clinician(session, clinic))


def test_an_unknown_indication_stays_closed_whatever_is_answered(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        unknown = Indication(ICD_10_CM, "Z99.9", "something else")
        placed = people.order(session, clinic, people.patient(session, clinic), unknown)
        consult(session, clinic, placed.id)
        decision = read_decision(session, clinic.actor, placed.id, NOW)
        assert decision.verdict is Verdict.UNCLASSIFIED
        assert "not classified" in decision.reasons[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"email": "", "fax": "", "address": ()}, "no e-mail address, fax number or postal address"),
        ({"kind": "nurse-practitioner", "npi": ""}, "does not count under the clinic's policy"),
    ],
)
def test_a_clinician_who_cannot_be_asked_is_refused_before_anything_is_written(
    clinic: ClinicFixture, change: dict[str, object], words: str
) -> None:
    with clinic.transaction() as session:
        placed = people.order(session, clinic, people.patient(session, clinic))
        asked = people.clinician(session, clinic, **change)
    with pytest.raises(InvalidInput, match=words), clinic.transaction() as session:
        people.ask(session, clinic, placed, asked)
    with clinic.transaction() as session:
        assert referrals.find(session, order_id=placed.id) == []


def test_the_same_clinician_is_not_asked_twice(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        placed = people.order(session, clinic, people.patient(session, clinic))
        asked = people.clinician(session, clinic)
        first = people.ask(session, clinic, placed, asked)[0]
    with pytest.raises(DuplicateRequest) as caught, clinic.transaction() as session:
        people.ask(session, clinic, placed, asked)
    assert caught.value.referral_id == first.id


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"birth_date": "12.4.1986"}, "birth_date"),
        ({"birth_date": "2046-04-12"}, "birth_date"),
        ({"family": " "}, "family"),
        ({"telephone": "12"}, "patient_phone"),
        ({"email": "nobody"}, "patient_email"),
    ],
)
def test_an_unusable_patient_names_its_field(
    clinic: ClinicFixture, change: dict[str, str], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught, clinic.transaction() as session:
        people.patient(session, clinic, **change)
    assert [issue.expression for issue in caught.value.issues] == [(field,)]


def test_an_invalid_npi_is_refused(clinic: ClinicFixture) -> None:
    with pytest.raises(InvalidInput, match="NPI is not valid"), clinic.transaction() as session:
        people.clinician(session, clinic, npi="1234567890")


def test_staff_cancel_pause_and_resume_on_a_fresh_page_only(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
        paused = pause_request(
            session, clinic.actor, referral.id, referral.version, NOW.date() + timedelta(days=7), NOW
        )
        assert paused.next_step_at is not None
        assert referral.next_step_at is not None
        assert paused.next_step_at > referral.next_step_at
    with pytest.raises(StaleVersion), clinic.transaction() as session:
        cancel_referral(session, clinic.actor, referral.id, referral.version, "changed plans", NOW)
    with clinic.transaction() as session:
        asked = ask_clinic(session, people.portal_actor(clinic), referral.id, "question", "Which dose?", NOW)
        assert asked.next_step_at is None
    with clinic.transaction() as session:
        resumed = resume_request(session, clinic.actor, referral.id, asked.version, NOW + timedelta(days=1))
        assert resumed.next_step_at is not None
        closed = cancel_referral(session, clinic.actor, referral.id, resumed.version, "changed plans", NOW)
        assert closed.status is TaskStatus.CANCELLED
    with pytest.raises(TransitionRefused), clinic.transaction() as session:
        note_identity(session, people.portal_actor(clinic), referral.id, NOW)


def test_an_answer_by_a_dead_link_is_refused(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
    response = Response(
        referral_id=referral.id, answers=people.answers(), strength=Strength.TWO_CHANNEL, selector="unknown"
    )
    with pytest.raises(CredentialUnusable), clinic.transaction() as session:
        respond(session, people.portal_actor(clinic), response, NOW)


def test_rows_and_resources_agree_after_all_of_it(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
        consult(session, clinic, referral.order_id)
        people.respond_with(session, clinic, referral)
    with clinic.transaction() as session:
        audit.chain(session)
        slug = clinics.current(session).slug
        findings = [finding for finding in doctor.examine(session) if finding.text.startswith(slug)]
    assert [finding.ok for finding in findings] == [True, True, True]
    assert "1 requests and 1 orders agree" in findings[0].text


def test_an_order_goes_back_on_hold_when_its_recommendation_runs_out(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
        consult(session, clinic, referral.order_id)
        people.respond_with(session, clinic, referral)
    later = NOW + timedelta(days=180)
    with clinic.transaction() as session:
        assert lapse_orders(session, later - timedelta(seconds=1)) == 0
        assert resources.read(session, "ServiceRequest", referral.order_id).document["status"] == "active"
        assert lapse_orders(session, later) == 1
        assert lapse_orders(session, later) == 0
    with clinic.transaction() as session:
        assert resources.read(session, "ServiceRequest", referral.order_id).document["status"] == "on-hold"
