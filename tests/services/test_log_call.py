"""Calls: who has to make one, and what each outcome does to the request and its ladder."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from referral.domain.calls import CallLog, CallOutcome, CallReason, CallState
from referral.domain.codes import Channel, TaskStatus
from referral.domain.errors import Forbidden, InvalidInput, NotFound, StaleVersion, TransitionRefused
from referral.domain.outgoing import MessageKind
from referral.domain.records import Bar, Contact, Referral
from referral.services.ask_clinic import ask_clinic
from referral.services.attention import Reason
from referral.services.close_referral import cancel_referral
from referral.services.find_calls import find_calls, list_calls, open_call
from referral.services.find_orders import States
from referral.services.find_today import find_today
from referral.services.keep_directory import verify_contact
from referral.services.log_call import log_call, log_own_call
from referral.services.queue_call import queue_call
from referral.services.send_reminders import send_reminders
from referral.storage import audit, calls, directory, outbox, referrals, waiting
from referral.storage.calls import CallTask
from referral.storage.db import Session
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.services.sending import asked, reached

MONDAY = datetime(2026, 11, 9, 16, 0, tzinfo=UTC)  # 9:00 in Denver


@pytest.fixture
def referral(clinic: ClinicFixture) -> Referral:
    return asked(clinic, phone="303-555-0177")


@pytest.fixture
def task(clinic: ClinicFixture, referral: Referral) -> CallTask:
    """The ladder has put a call on the list."""
    with clinic.transaction() as session:
        queue_call(session, referral, CallReason.LADDER, NOW)
        return only(session, referral)


def only(session: Session, referral: Referral) -> CallTask:
    (found,) = calls.of_referral(session, referral.id)
    return found


def log(
    clinic: ClinicFixture, task: CallTask, outcome: CallOutcome, now: datetime = NOW, **more: object
) -> CallTask:
    with clinic.transaction() as session:
        given = CallLog(outcome=outcome, **more)  # type: ignore[arg-type]
        return log_call(session, clinic.actor, task.id, task.version, given, now)


def state(clinic: ClinicFixture, referral: Referral) -> Referral:
    with clinic.transaction() as session:
        return referrals.get(session, referral.id)


def events(clinic: ClinicFixture, referral: Referral) -> list[tuple[str, object]]:
    with clinic.transaction() as session:
        found = referrals.events(session, referral.id)
    return [(event.event, event.detail.get("outcome")) for event in found]


def number(clinic: ClinicFixture, referral: Referral, channel: Channel = Channel.PHONE) -> Contact:
    with clinic.transaction() as session:
        contacts = directory.get_clinician(session, referral.clinician_id).contacts
    return next(contact for contact in contacts if contact.channel is channel)


def test_the_rung_of_the_ladder_puts_one_call_on_the_list(clinic: ClinicFixture, referral: Referral) -> None:
    reached(clinic, referral)
    due = NOW
    for _ in range(3):
        with clinic.transaction() as session:
            due = referrals.get(session, referral.id).next_step_at or NOW
            assert find_calls(session, States(session, due)) == []
            send_reminders(session, due)
    with clinic.transaction() as session:
        (call,) = find_calls(session, States(session, due))
        send_reminders(session, due)
        assert len(find_calls(session, States(session, due))) == 1
        assert (call.task.why, call.task.due_at) == (CallReason.LADDER, due)
        assert call.number is not None
        assert call.number.address.endswith("3035550177")


def test_a_call_that_an_outage_has_skipped_is_still_to_be_made(
    clinic: ClinicFixture, referral: Referral
) -> None:
    with clinic.transaction() as session:
        send_reminders(session, datetime(2026, 11, 16, 16, 0, tzinfo=UTC))  # business day 8
        assert [call.task.why for call in find_calls(session, States(session, NOW))] == [CallReason.LADDER]


def test_a_clinician_who_asks_for_a_call_is_on_the_list_and_not_among_the_questions(
    clinic: ClinicFixture, referral: Referral
) -> None:
    with clinic.transaction() as session:
        ask_clinic(session, people.portal_actor(clinic), referral.id, "call", "", NOW)
    with clinic.transaction() as session:
        board = find_today(session, clinic.actor, NOW.date(), NOW)
    assert [call.task.why for call in board.calls] == [CallReason.ASKED]
    assert Reason.QUESTION not in [item.reason for item in board.attention]


def test_a_clinician_with_a_telephone_alone_is_asked_by_a_call(clinic: ClinicFixture) -> None:
    made = asked(clinic, email="", fax="", address=(), phone="303-555-0178")
    with clinic.transaction() as session:
        assert outbox.find(session, referral_id=made.id) == []
        assert only(session, made).why is CallReason.ONLY_CONTACT
    with pytest.raises(InvalidInput, match="has no telephone"):
        asked(clinic, email="", fax="", address=(), npi="", family="Nobody")


def test_the_list_goes_by_infusion_date_then_by_days_waited(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        made = []
        for days, infusion in ((2, None), (5, None), (0, date(2026, 12, 1))):
            order = people.order(session, clinic, people.patient(session, clinic))
            one = people.clinician(session, clinic, npi="", family=f"Waits {days}")
            (referral,) = people.ask(session, clinic, order, one)
            started = NOW - timedelta(days=days)
            session.connection.exec_driver_sql(
                "UPDATE referral SET started_at = %s WHERE id = %s", (started, referral.id)
            )
            session.connection.exec_driver_sql(
                "UPDATE infusion_order SET first_infusion_on = %s WHERE id = %s", (infusion, order.id)
            )
            queue_call(session, referral, CallReason.LADDER, NOW)
            made.append(referral.id)
    with clinic.transaction() as session:
        found = [call.followed.referral.id for call in find_calls(session, States(session, NOW))]
    assert found == [made[2], made[1], made[0]]


def test_will_answer_ends_the_call_and_leaves_the_ladder(
    clinic: ClinicFixture, referral: Referral, task: CallTask
) -> None:
    done = log(clinic, task, CallOutcome.WILL_ANSWER)
    assert (done.state, done.done_by, done.done_at) == (CallState.DONE, clinic.actor.id, NOW)
    after = state(clinic, referral)
    assert after.next_step_at == referral.next_step_at
    assert after.delivered_at == NOW  # they have it by word of mouth
    assert ("called", "will-answer") in events(clinic, referral)
    with clinic.transaction() as session:
        entry = next(
            r for r in audit.find(session, patient_id=referral.patient_id) if r.subtype == "log-call"
        )
        assert find_calls(session, States(session, NOW)) == []
    assert entry.detail["outcome"] == "will-answer"


def test_who_has_asked_for_a_call_and_got_it_is_reminded_again(
    clinic: ClinicFixture, referral: Referral
) -> None:
    with clinic.transaction() as session:
        ask_clinic(session, people.portal_actor(clinic), referral.id, "call", "", NOW)
        task = only(session, referral)
    assert state(clinic, referral).next_step_at is None
    log(clinic, task, CallOutcome.WILL_ANSWER)
    after = state(clinic, referral)
    assert after.held_at is None
    assert after.next_step_at == referral.next_step_at


def test_another_channel_sends_it_again(clinic: ClinicFixture, referral: Referral, task: CallTask) -> None:
    with pytest.raises(InvalidInput, match="how it is sent again"):
        log(clinic, task, CallOutcome.OTHER_CHANNEL)
    log(clinic, task, CallOutcome.OTHER_CHANNEL, channel=Channel.FAX)
    with clinic.transaction() as session:
        sent = outbox.find(session, referral_id=referral.id)
    assert sorted((m.kind, m.channel) for m in sent) == [
        (MessageKind.REQUEST, Channel.EMAIL),
        (MessageKind.REQUEST, Channel.FAX),
    ]


def test_a_channel_that_is_not_on_file_changes_nothing(
    clinic: ClinicFixture, referral: Referral, task: CallTask
) -> None:
    with pytest.raises(InvalidInput, match="no such contact"):
        log(clinic, task, CallOutcome.OTHER_CHANNEL, channel=Channel.SMS)
    with clinic.transaction() as session:
        assert only(session, referral).state is CallState.OPEN


def test_nobody_reached_is_tried_on_three_business_days_and_then_a_person_decides(
    clinic: ClinicFixture, referral: Referral, task: CallTask
) -> None:
    friday = datetime(2026, 11, 6, 20, 0, tzinfo=UTC)
    again = log(clinic, task, CallOutcome.NO_ANSWER, friday)
    assert (again.state, again.tries, again.due_at) == (CallState.OPEN, 1, MONDAY)
    with clinic.transaction() as session:
        assert waiting.read(session, friday).calls == 0
        assert waiting.read(session, MONDAY).calls == 1
    again = log(clinic, again, CallOutcome.NO_ANSWER, MONDAY)
    last = log(clinic, again, CallOutcome.NO_ANSWER, again.due_at)
    assert (last.state, last.outcome, last.tries) == (CallState.DONE, CallOutcome.NOT_REACHED, 3)
    with clinic.transaction() as session:
        board = find_today(session, clinic.actor, NOW.date(), last.due_at)
    assert Reason.NOT_REACHED in [item.reason for item in board.attention]
    assert board.calls == ()
    assert state(clinic, referral).next_step_at == referral.next_step_at


def test_back_on_a_day_pauses_the_ladder_and_the_call_until_then(
    clinic: ClinicFixture, referral: Referral, task: CallTask
) -> None:
    for wrong in (None, NOW.date(), NOW.date() + timedelta(days=181)):
        with pytest.raises(InvalidInput, match="they are back"):
            log(clinic, task, CallOutcome.BACK_ON, back_on=wrong)
    moved = log(clinic, task, CallOutcome.BACK_ON, back_on=date(2026, 11, 16))
    after = state(clinic, referral)
    assert after.next_step_at is not None
    assert after.next_step_at >= datetime(2026, 11, 16, 16, 0, tzinfo=UTC)
    assert after.due_at > referral.due_at
    assert (moved.state, moved.due_at) == (CallState.OPEN, datetime(2026, 11, 16, 16, 0, tzinfo=UTC))


def test_a_wrong_number_is_marked_and_the_call_stays(
    clinic: ClinicFixture, referral: Referral, task: CallTask
) -> None:
    after = log(clinic, task, CallOutcome.WRONG_NUMBER)
    assert after.state is CallState.OPEN
    assert number(clinic, referral).barred_for is Bar.BAD_ADDRESS


def test_not_their_patient_ends_the_request_as_a_refusal(
    clinic: ClinicFixture, referral: Referral, task: CallTask
) -> None:
    log(clinic, task, CallOutcome.NOT_THEIR_PATIENT)
    after = state(clinic, referral)
    assert (after.status, after.status_reason) == (TaskStatus.REJECTED, "not-my-patient")
    assert after.next_step_at is None


def test_who_asks_not_to_be_contacted_hears_nothing_more(
    clinic: ClinicFixture, referral: Referral, task: CallTask
) -> None:
    log(clinic, task, CallOutcome.DO_NOT_CONTACT)
    after = state(clinic, referral)
    assert (after.status, after.status_reason) == (TaskStatus.REJECTED, "do-not-contact")
    with clinic.transaction() as session:
        sent = outbox.find(session, referral_id=referral.id)
    assert [(m.kind, m.state) for m in sent] == [(MessageKind.REQUEST, "cancelled")]
    with clinic.transaction() as session:
        order = people.order(session, clinic, people.patient(session, clinic))
        asked = directory.get_clinician(session, referral.clinician_id)
    with clinic.transaction() as session, pytest.raises(InvalidInput, match="not to be contacted"):
        people.ask(session, clinic, order, asked, now=NOW)
    with clinic.transaction() as session:
        later = NOW + timedelta(days=1)
        verify_contact(session, people.colleague(clinic), asked.id, asked.contacts[0].id, later)
        people.ask(session, clinic, order, asked, now=later)


def test_an_answer_on_the_telephone_keeps_the_call_until_it_is_written_down(
    clinic: ClinicFixture, referral: Referral, task: CallTask
) -> None:
    after = log(clinic, task, CallOutcome.ANSWER_GIVEN)
    assert after.state is CallState.OPEN
    with clinic.transaction() as session:
        people.respond_with(session, clinic, referral)
    with clinic.transaction() as session:
        closed = calls.get(session, task.id)
        assert closed is not None
        assert closed.state is CallState.CANCELLED
        assert find_calls(session, States(session, NOW)) == []


def test_a_number_is_confirmed_by_somebody_who_did_not_enter_it(clinic: ClinicFixture) -> None:
    referral = asked(clinic, verified=False)
    fax = number(clinic, referral, Channel.FAX)
    with clinic.transaction() as session:
        queue_call(session, referral, CallReason.CONFIRM_NUMBER, NOW, contact_id=fax.id)
        task = only(session, referral)
    with pytest.raises(InvalidInput, match="speak with"):
        log(clinic, task, CallOutcome.NUMBER_RIGHT)
    with pytest.raises(Forbidden, match="entered this clinician yourself"):
        log(clinic, task, CallOutcome.NUMBER_RIGHT, spoke_with="Reception")
    given = CallLog(outcome=CallOutcome.NUMBER_RIGHT, spoke_with="Reception")
    with clinic.transaction() as session:
        log_call(session, people.colleague(clinic), task.id, task.version, given, NOW)
    assert number(clinic, referral, Channel.FAX).verified_at == NOW


def test_a_number_that_turns_out_wrong_is_not_used_again(clinic: ClinicFixture, referral: Referral) -> None:
    fax = number(clinic, referral, Channel.FAX)
    with clinic.transaction() as session:
        queue_call(session, referral, CallReason.CONFIRM_NUMBER, NOW, contact_id=fax.id)
        task = only(session, referral)
    with pytest.raises(InvalidInput, match="what came of the call"):
        log(clinic, task, CallOutcome.NOT_THEIR_PATIENT)
    log(clinic, task, CallOutcome.NUMBER_WRONG)
    assert number(clinic, referral, Channel.FAX).barred_for is Bar.WRONG_RECIPIENT


def test_the_same_call_is_on_the_list_once(clinic: ClinicFixture, referral: Referral, task: CallTask) -> None:
    fax = number(clinic, referral, Channel.FAX)
    with clinic.transaction() as session:
        assert not queue_call(session, referral, CallReason.LADDER, NOW)
        assert queue_call(session, referral, CallReason.CONFIRM_NUMBER, NOW, contact_id=fax.id)
        assert not queue_call(session, referral, CallReason.CONFIRM_NUMBER, NOW, contact_id=fax.id)
    log(clinic, task, CallOutcome.WILL_ANSWER)
    with clinic.transaction() as session:
        assert queue_call(session, referral, CallReason.LADDER, NOW)


def test_a_second_click_is_told_that_the_first_one_counted(
    clinic: ClinicFixture, referral: Referral, task: CallTask
) -> None:
    log(clinic, task, CallOutcome.NO_ANSWER)
    with pytest.raises(StaleVersion):
        log(clinic, task, CallOutcome.NO_ANSWER)
    done = log(clinic, replace(task, version=2), CallOutcome.WILL_ANSWER)
    with pytest.raises(TransitionRefused, match="logged already"):
        log(clinic, done, CallOutcome.WILL_ANSWER)


def test_calls_end_with_their_request(clinic: ClinicFixture, referral: Referral, task: CallTask) -> None:
    with clinic.transaction() as session:
        cancel_referral(session, clinic.actor, referral.id, referral.version, "not-needed", NOW)
    with clinic.transaction() as session:
        assert find_calls(session, States(session, NOW)) == []
        with pytest.raises(NotFound):
            open_call(session, clinic.actor, task.id, NOW)


def test_a_call_that_nobody_had_to_make_is_logged_as_well(clinic: ClinicFixture, referral: Referral) -> None:
    given = CallLog(outcome=CallOutcome.NO_ANSWER)
    with clinic.transaction() as session:
        log_own_call(session, clinic.actor, referral.id, referral.version, given, NOW)
    with clinic.transaction() as session:
        assert only(session, referral).why is CallReason.OWN
        with pytest.raises(StaleVersion):
            log_own_call(session, clinic.actor, referral.id, referral.version, given, NOW)


def test_a_call_from_the_request_page_is_the_one_of_the_list(
    clinic: ClinicFixture, referral: Referral, task: CallTask
) -> None:
    given = CallLog(outcome=CallOutcome.WILL_ANSWER)
    with clinic.transaction() as session:
        made = log_own_call(session, clinic.actor, referral.id, referral.version, given, NOW)
    assert (made.id, made.state) == (task.id, CallState.DONE)


def test_another_clinics_call_is_not_there(
    clinic: ClinicFixture, other_clinic: ClinicFixture, task: CallTask
) -> None:
    with other_clinic.transaction() as session:
        assert list_calls(session, other_clinic.actor, NOW).rows == ()
        given = CallLog(outcome=CallOutcome.WILL_ANSWER)
        for id in (task.id, "no-such-call"):
            with pytest.raises(NotFound):
                open_call(session, other_clinic.actor, id, NOW)
            with pytest.raises(NotFound):
                log_call(session, other_clinic.actor, id, task.version, given, NOW)


def test_a_look_at_the_list_names_every_patient(
    clinic: ClinicFixture, referral: Referral, task: CallTask
) -> None:
    with clinic.transaction() as session:
        list_calls(session, clinic.actor, NOW)
    with clinic.transaction() as session:
        found = [row.subtype for row in audit.find(session, patient_id=referral.patient_id)]
    assert "list-calls" in found
