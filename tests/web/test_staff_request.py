"""The page of one request: what it shows to whom, and the steps that people take on it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from referral.domain.codes import Role, Strength
from referral.domain.outgoing import MessageState
from referral.domain.records import Referral
from referral.services.ask_clinic import ask_clinic
from referral.storage import audit, orders, outbox, referrals
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.web.desk import Desk, OpenDesk


@pytest.fixture
def referral(clinic: ClinicFixture) -> Referral:
    with clinic.transaction() as session:
        return people.asked_once(session, clinic)


@pytest.fixture
def robin(clinic: ClinicFixture, open_desk: OpenDesk, referral: Referral) -> Desk:
    """The front desk, looking at the request."""
    made = open_desk(clinic)
    made.get(f"/requests/{referral.id}")
    return made


def state(clinic: ClinicFixture, referral: Referral) -> Referral:
    with clinic.transaction() as session:
        return referrals.get(session, referral.id)


def answer(
    clinic: ClinicFixture, referral: Referral, decision: str = "recommended", **given: str | Strength
) -> None:
    strength = Strength(given.pop("strength", Strength.TWO_CHANNEL))
    with clinic.transaction() as session:
        answers = people.answers(decision, **{name: str(value) for name, value in given.items()})
        people.respond_with(session, clinic, referral, answers, strength=strength)


def test_the_page_says_what_happens_next_and_the_look_is_recorded(
    robin: Desk, clinic: ClinicFixture, referral: Referral
) -> None:
    assert f"Request {referral.number}" in robin.text
    assert "Request goes out by e-mail Tue, Nov 3, 10:00 AM" in robin.text
    assert "The letter to Chidi Okafor, MD goes out by e-mail now." in robin.text
    with clinic.transaction() as session:
        message = outbox.find(session, referral_id=referral.id)[0]
        outbox.move(session, message, MessageState.ACCEPTED, finished_at=NOW, sent_for_real=True)
        looks = [
            row
            for row in audit.find(session, patient_id=referral.patient_id)
            if row.actor_id == robin.user_id
        ]
    assert [row.subtype for row in looks] == ["request"]
    assert looks[0].detail == {"narrative": False}
    text = robin.get(f"/requests/{referral.id}")
    assert "Reminder by e-mail Thu, Nov 5, 9:00 AM" in text
    assert "Asked Chidi Okafor, MD today; next: reminder by e-mail on Thursday at 9:00 AM." in text
    assert f'href="/outbox/{message.id}"' in robin.page


def test_it_is_sent_again_by_the_chosen_channel_and_once(
    robin: Desk, clinic: ClinicFixture, referral: Referral
) -> None:
    old_page = robin.hidden()
    assert "It goes out again" in robin.post(f"/requests/{referral.id}/resend", resend_channel="fax")
    robin.post(f"/requests/{referral.id}/resend", old_page, resend_channel="fax")
    assert robin.status == 409
    assert "has changed since the page was opened" in robin.text
    with clinic.transaction() as session:
        sent = outbox.find(session, referral_id=referral.id)
    assert sorted(message.channel for message in sent) == ["email", "fax"]


def test_a_channel_without_a_contact_is_refused_in_words(
    robin: Desk, clinic: ClinicFixture, referral: Referral
) -> None:
    text = robin.post(f"/requests/{referral.id}/resend", resend_channel="sms")
    assert robin.status == 400
    assert "no such contact on file (there is: email, fax, post)" in text
    assert '<details class="action" id="resend" name="action" open' in robin.page


@pytest.mark.parametrize("day", ["", "soon", "2026-11-03", "2026-01-01", "2030-01-01"])
def test_a_pause_needs_a_day_ahead(robin: Desk, clinic: ClinicFixture, referral: Referral, day: str) -> None:
    robin.post(f"/requests/{referral.id}/pause", pause_until=day)
    assert robin.status == 400
    assert 'id="pause_until-error"' in robin.page
    assert state(clinic, referral).shifted_days == 0


def test_a_pause_moves_the_next_step_behind_its_day(
    robin: Desk, clinic: ClinicFixture, referral: Referral
) -> None:
    text = robin.post(f"/requests/{referral.id}/pause", pause_until="2026-11-13")
    assert "The reminders are paused" in text
    assert "until Fri, Nov 13 · by Robin Desk" in text
    moved = state(clinic, referral)
    assert moved.next_step_at is not None
    assert moved.next_step_at.date().isoformat() > "2026-11-13"
    assert moved.due_at > referral.due_at


def test_a_question_is_read_by_clinical_staff_and_resumed_by_the_desk(
    robin: Desk, clinic: ClinicFixture, referral: Referral, open_desk: OpenDesk
) -> None:
    with clinic.transaction() as session:
        ask_clinic(session, people.portal_actor(clinic), referral.id, "question", "Any MAOI?", NOW)
    text = robin.get(f"/requests/{referral.id}")
    assert "The clinician asks the clinic a question" in text
    assert "the words are for clinical staff" in text
    assert "Any MAOI?" not in text
    assert 'id="pause"' not in robin.page
    assert "Any MAOI?" in open_desk(clinic, Role.CLINICIAN).get(f"/requests/{referral.id}")
    assert "The reminders go on" in robin.post(f"/requests/{referral.id}/resume")
    assert state(clinic, referral).held_at is None
    robin.post(f"/requests/{referral.id}/resume")
    assert robin.status == 422
    assert "neither on hold nor paused" in robin.text


def test_cancelling_needs_a_reason_of_the_list(
    robin: Desk, clinic: ClinicFixture, referral: Referral
) -> None:
    for reason in ("", "because"):
        robin.post(f"/requests/{referral.id}/cancel", cancel_reason=reason)
        assert robin.status == 400
        assert 'id="cancel_reason-error"' in robin.page
        assert state(clinic, referral).is_open
    text = robin.post(f"/requests/{referral.id}/cancel", cancel_reason="treated-elsewhere")
    assert "The request is cancelled" in text
    assert "The patient is treated elsewhere" in text
    assert "What you can do" not in text
    assert not state(clinic, referral).is_open


def test_two_people_at_once_do_not_overwrite_each_other(
    robin: Desk, clinic: ClinicFixture, referral: Referral, open_desk: OpenDesk
) -> None:
    other = open_desk(clinic)
    other.get(f"/requests/{referral.id}")
    other.post(f"/requests/{referral.id}/pause", pause_until="2026-11-13")
    robin.post(f"/requests/{referral.id}/cancel", cancel_reason="not-needed")
    assert robin.status == 409
    assert state(clinic, referral).is_open
    robin.post(f"/requests/{referral.id}/cancel", cancel_reason="not-needed")
    assert robin.status == 200
    assert not state(clinic, referral).is_open


def test_the_front_desk_learns_the_outcome_and_not_the_words(
    robin: Desk, clinic: ClinicFixture, referral: Referral, open_desk: OpenDesk
) -> None:
    answer(
        clinic,
        referral,
        "recommended-with-conditions",
        conditions="Blood pressure first.",
        pregnancy="unknown",
    )
    text = robin.get(f"/requests/{referral.id}")
    assert "Recommended with conditions" in text
    assert "Does not count yet" in text
    for words in ("Blood pressure first.", "Pregnancy or breastfeeding", "Review the answer"):
        assert words not in text
    read = open_desk(clinic, Role.CLINICIAN).get(f"/requests/{referral.id}")
    assert "Blood pressure first." in read
    assert "Don’t know Pregnancy or breastfeeding" in read
    assert "Next visit within 4 weeks" in read
    assert "Review the answer" not in read


def test_the_medical_director_accepts_conditions_and_the_gate_opens(
    clinic: ClinicFixture, referral: Referral, open_desk: OpenDesk
) -> None:
    answer(clinic, referral, "recommended-with-conditions", conditions="Blood pressure first.")
    elena = open_desk(clinic, Role.MEDICAL_DIRECTOR)
    path = f"/requests/{referral.id}"
    elena.get(path)
    elena.post(f"{path}/review", decision="decline")
    assert elena.status == 400
    assert 'id="review_reason-error"' in elena.page
    elena.post(f"{path}/review", decision="decline", review_reason="Not with this cardiac history.")
    assert "Not accepted" in elena.text
    elena.post(f"{path}/review", decision="accept")
    assert "The answer is accepted" in elena.text
    assert "needs a recommendation" not in elena.text
    with clinic.transaction() as session:
        found = orders.facts(session, referral.order_id).facts.recommendations[0]
    assert found.review is True


def test_only_the_medical_director_reviews(
    robin: Desk, clinic: ClinicFixture, referral: Referral, open_desk: OpenDesk
) -> None:
    answer(clinic, referral, "recommended-with-conditions", conditions="Blood pressure first.")
    for person in (robin, open_desk(clinic, Role.CLINICIAN)):
        person.get(f"/requests/{referral.id}")
        person.post(f"/requests/{referral.id}/review", decision="accept", review_reason="I say so")
        assert person.status == 403


def test_a_weak_answer_counts_after_a_call_with_name_and_number(
    robin: Desk, clinic: ClinicFixture, referral: Referral
) -> None:
    answer(clinic, referral, strength=Strength.SINGLE_CHANNEL)
    path = f"/requests/{referral.id}"
    assert "Record a confirming call" in robin.get(path)
    robin.post(f"{path}/confirm", outcome="confirmed")
    assert robin.status == 400
    assert all(f'id="{name}-error"' in robin.page for name in ("spoke_with", "called_number"))
    text = robin.post(f"{path}/confirm", outcome="confirmed", spoke_with="Desk", called_number="303-555-0121")
    assert "Confirmed by telephone" in text
    assert "Record a confirming call" not in text
    assert "Counts" in text


def test_an_answer_that_they_did_not_send_is_void(
    robin: Desk, clinic: ClinicFixture, referral: Referral
) -> None:
    answer(clinic, referral, strength=Strength.SINGLE_CHANNEL)
    path = f"/requests/{referral.id}"
    robin.get(path)
    text = robin.post(f"{path}/confirm", outcome="denied", spoke_with="Desk", called_number="303-555-0121")
    assert "The answer does not count" in text
    with clinic.transaction() as session:
        assert orders.facts(session, referral.order_id).facts.recommendations[0].voided


def test_voiding_closes_the_gate_and_needs_a_reason(
    robin: Desk, clinic: ClinicFixture, referral: Referral
) -> None:
    answer(clinic, referral)
    path = f"/requests/{referral.id}"
    robin.get(path)
    robin.post(f"{path}/void", void_reason=" ")
    assert robin.status == 400
    text = robin.post(f"{path}/void", void_reason="She has told us of a pregnancy.")
    assert "The recommendation is void" in text
    assert "the recommendation no longer counts" in text
    assert "Void the recommendation" not in text
    robin.post(f"{path}/void", void_reason="Once more, please.")
    assert robin.status == 409


def test_a_step_that_does_not_exist_is_no_page(robin: Desk, referral: Referral) -> None:
    robin.post(f"/requests/{referral.id}/approve")
    assert robin.status == 404
    robin.get(f"/requests/{referral.id}")
    robin.post("/requests/no-such-request/cancel", cancel_reason="not-needed")
    assert robin.status == 404


def test_times_are_those_of_the_clinic_and_closed_days_are_left_out(
    robin: Desk, clinic: ClinicFixture, referral: Referral
) -> None:
    with clinic.transaction() as session:
        before = referrals.get(session, referral.id)
        message = outbox.find(session, referral_id=referral.id)[0]
        outbox.move(session, message, MessageState.ACCEPTED, finished_at=NOW)
        late = replace(before, climbed=3)
        referrals.change(session, before, climbed=late.climbed, started_at=NOW - timedelta(days=8))
    assert "Waited 6 business days" in robin.get(f"/requests/{referral.id}")
