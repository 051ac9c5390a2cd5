"""Whoever is on call is told of a safety task: at once, once, then the next one, until it is seen to."""

from __future__ import annotations

import email
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from email.policy import SMTP
from threading import Barrier

import pytest

from referral.channels.base import Envelope, Fate, Outcome, Progress, Sent
from referral.domain.errors import InvalidInput, TransitionRefused
from referral.domain.on_call import OnCallContact
from referral.domain.outgoing import LEASE, MessageState
from referral.letters.render import Renderer
from referral.services.course_events import serious_event
from referral.services.keep_on_call import add_on_call, remove_on_call, set_wait, tell_first
from referral.services.poll_providers import Polling, poll_providers
from referral.services.raise_safety import raise_safety, settle_safety
from referral.services.record_session import notice
from referral.services.send_safety_calls import send_safety_calls
from referral.services.take_report import Report, take_report
from referral.storage import audit, documents, on_call, orders, provider_events, safety_tasks
from referral.storage.on_call import SafetyCall
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.services.sending import EVENING, Provider, asked, delivery
from tests.services.test_report_back import SEIZURE

# Three in the morning of a Sunday in Denver.
NIGHT = datetime(2026, 11, 8, 10, 0, tzinfo=NOW.tzinfo)
WAIT = timedelta(minutes=15)
DONE = "Spoke with her for half an hour; her sister stays tonight."


class Dying(Provider):
    """It takes the message, and the worker does not live to hear of it."""

    def send(self, envelope: Envelope) -> Sent:
        self.sent.append(envelope)
        raise SystemExit


@pytest.fixture
def first(clinic: ClinicFixture) -> OnCallContact:
    with clinic.transaction() as session:
        return add_on_call(session, clinic.actor, "Dr. Whitcombe", "sms", "(303) 555-0101", NOW)


@pytest.fixture
def second(clinic: ClinicFixture, first: OnCallContact) -> OnCallContact:
    assert first.address == "+13035550101"
    with clinic.transaction() as session:
        return add_on_call(session, clinic.actor, "Night shift", "email", "night@harborlight.example", NOW)


def raised(clinic: ClinicFixture, now: datetime = NIGHT) -> str:
    """A sign of self-harm; the id of its task."""
    with clinic.transaction() as session:
        person = people.patient(session, clinic)
        task = raise_safety(
            session,
            clinic.actor,
            patient_id=person.id,
            order_id=None,
            source="QuestionnaireResponse/q",
            answer=2,
            now=now,
        )
    assert task is not None
    return task.id


def seen_to(clinic: ClinicFixture, task_id: str, now: datetime) -> None:
    with clinic.transaction() as session:
        settle_safety(session, people.director(clinic), task_id, "spoke-safe", DONE, now)


def calls(clinic: ClinicFixture, task_id: str) -> list[SafetyCall]:
    with clinic.transaction() as session:
        return on_call.of_tasks(session, [task_id])[task_id]


Send = Callable[..., int]


@pytest.fixture
def send(clinic: ClinicFixture, renderer: Renderer) -> Send:
    def at(now: datetime, **channels: Provider) -> int:
        return send_safety_calls(delivery(clinic, renderer, now, None, **channels), clinic.id)

    return at


def test_at_night_on_a_sunday_the_first_is_told_at_once_and_nothing_names_anybody(
    clinic: ClinicFixture, first: OnCallContact, second: OnCallContact, send: Send
) -> None:
    task_id, text, mail = raised(clinic), Provider(), Provider()
    assert send(NIGHT, sms=text, email=mail) == 1
    assert send(NIGHT, sms=text, email=mail) == 0
    (sent,) = text.sent
    words = sent.content.decode()
    assert (sent.address, mail.sent) == (first.address, [])
    assert "a safety task waits" in words
    assert "https://portal.example/sign-in" in words
    for secret in ("Nguy", "Maria", task_id, "harm", "PHQ", "etamine"):
        assert secret not in words
    (kept,) = calls(clinic, task_id)
    assert (kept.state, kept.step, kept.sent_for_real) == (MessageState.ACCEPTED, 1, True)
    with clinic.transaction() as session:
        assert documents.get(session, str(kept.envelope_id)).content == sent.content
        assert "safety-called" in {row.subtype for row in audit.find(session, limit=20)}


def test_the_next_is_told_after_a_while_then_the_first_again_until_somebody_has_seen_to_it(
    clinic: ClinicFixture, second: OnCallContact, send: Send
) -> None:
    task_id, text, mail = raised(clinic), Provider(), Provider()
    counts = []
    for minutes in (0, 14, 15, 16, 29, 30):
        send(NIGHT + timedelta(minutes=minutes), sms=text, email=mail)
        counts.append((len(text.sent), len(mail.sent)))
    assert counts == [(1, 0), (1, 0), (1, 1), (1, 1), (1, 1), (2, 1)]
    (letter,) = mail.sent
    read = email.message_from_bytes(letter.content, policy=SMTP)
    assert (read["To"], read["Subject"]) == (second.address, "A safety task waits")
    assert "Nguy" not in letter.content.decode()
    # No two are alike, or a provider that is asked could not tell them apart.
    assert text.sent[0].content != text.sent[1].content
    seen_to(clinic, task_id, NIGHT + timedelta(minutes=31))
    assert send(NIGHT + timedelta(hours=9), sms=text, email=mail) == 0
    assert [one.step for one in calls(clinic, task_id)] == [1, 2, 3]


def test_what_has_not_left_is_stopped_when_somebody_has_seen_to_it(
    clinic: ClinicFixture, first: OnCallContact, send: Send
) -> None:
    task_id, text = raised(clinic), Provider()
    seen_to(clinic, task_id, NIGHT)
    assert send(NIGHT, sms=text) == 0
    assert (text.sent, [one.state for one in calls(clinic, task_id)]) == ([], [MessageState.CANCELLED])


def test_it_is_seen_to_while_the_provider_is_away_and_nothing_goes_out_later(
    clinic: ClinicFixture, first: OnCallContact, send: Send
) -> None:
    task_id, away, text = raised(clinic), Provider(Outcome.LATER), Provider()
    send(NIGHT, sms=away)
    (waiting,) = calls(clinic, task_id)
    assert (waiting.state, waiting.tries) == (MessageState.QUEUED, 1)
    seen_to(clinic, task_id, NIGHT)
    assert send(waiting.not_before, sms=text) == 0
    assert text.sent == []


def test_a_refused_number_is_followed_by_the_next_at_once(
    clinic: ClinicFixture, first: OnCallContact, second: OnCallContact, send: Send
) -> None:
    task_id, text, mail = raised(clinic), Provider(Outcome.REFUSED), Provider()
    assert send(NIGHT, sms=text, email=mail) == 2
    assert [one.state for one in calls(clinic, task_id)] == [MessageState.FAILED, MessageState.ACCEPTED]
    assert (len(text.sent), len(mail.sent)) == (1, 1)


def test_a_worker_that_dies_in_the_call_sends_nothing_twice_and_the_next_is_told(
    clinic: ClinicFixture, first: OnCallContact, second: OnCallContact, send: Send
) -> None:
    """Its provider keeps no keys and cannot be asked: nobody knows whether it was sent."""
    task_id, dying, text, mail = raised(clinic), Dying(), Provider(), Provider()
    with pytest.raises(SystemExit):
        send(NIGHT, sms=dying, email=mail)
    assert [one.state for one in calls(clinic, task_id)] == [MessageState.SENDING]
    # While its lease runs nobody touches it; afterwards it is in doubt for good.
    assert send(NIGHT + timedelta(seconds=30), sms=text, email=mail) == 0
    assert send(NIGHT + LEASE + timedelta(seconds=1), sms=text, email=mail) == 2
    assert [one.state for one in calls(clinic, task_id)] == [MessageState.UNKNOWN, MessageState.ACCEPTED]
    assert (len(dying.sent), text.sent, len(mail.sent)) == (1, [], 1)


def test_a_provider_that_keeps_keys_gets_the_same_one_again(
    clinic: ClinicFixture, first: OnCallContact, send: Send
) -> None:
    task_id, dying, text = raised(clinic), Dying(), Provider()
    dying.repeatable = text.repeatable = True
    with pytest.raises(SystemExit):
        send(NIGHT, sms=dying)
    assert send(NIGHT + LEASE + timedelta(seconds=1), sms=text) == 1
    assert [(one.key, one.content) for one in dying.sent] == [(one.key, one.content) for one in text.sent]
    assert [one.state for one in calls(clinic, task_id)] == [MessageState.ACCEPTED]


def test_two_workers_at_once_send_one_message(
    clinic: ClinicFixture, renderer: Renderer, first: OnCallContact
) -> None:
    task_id, text, together = raised(clinic), Provider(), Barrier(4)
    text.at_once = 4

    def work(_: int) -> int:
        together.wait(60)
        return send_safety_calls(delivery(clinic, renderer, NIGHT, sms=text), clinic.id)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 1
    assert len(text.sent) == 1
    assert len(calls(clinic, task_id)) == 1


def test_a_task_that_waited_before_anybody_was_on_call_is_told_as_soon_as_somebody_is(
    clinic: ClinicFixture, send: Send
) -> None:
    task_id, text = raised(clinic), Provider()
    assert (send(NIGHT, sms=text), calls(clinic, task_id)) == (0, [])
    with clinic.transaction() as session:
        add_on_call(session, clinic.actor, "Dr. Whitcombe", "sms", "3035550101", NIGHT)
    assert send(NIGHT, sms=text) == 1


def test_a_serious_adverse_event_waits_for_a_person_and_is_told_on_call(
    clinic: ClinicFixture, first: OnCallContact, send: Send
) -> None:
    referral, text = asked(clinic), Provider()
    with clinic.transaction() as session:
        event = notice(session, clinic.actor, referral.order_id, replace(SEIZURE, noticed_at=NOW), NOW)
        serious_event(session, clinic.actor, orders.get(session, referral.order_id), event, NOW)
        (task,) = safety_tasks.waiting(session)
        # The patient's own page shows the crisis line for a sign of self-harm, not for this.
        assert not safety_tasks.waits_for(session, referral.patient_id)
    assert send(EVENING, sms=text) == 1
    with clinic.transaction() as session, pytest.raises(InvalidInput):
        settle_safety(session, people.director(clinic), task.id, "safety-plan", DONE, NOW)
    with clinic.transaction() as session:
        settle_safety(session, people.director(clinic), task.id, "examined", DONE, NOW)
        assert safety_tasks.waiting(session) == []


def test_who_is_on_call_and_in_which_order(
    clinic: ClinicFixture, first: OnCallContact, second: OnCallContact, send: Send
) -> None:
    for name, channel, address in (
        ("", "sms", "3035550199"),
        ("A", "fax", "3035550199"),
        ("A", "sms", "nobody@clinic.example"),
        ("Again", "sms", "+1 303 555 0101"),
    ):
        with clinic.transaction() as session, pytest.raises(InvalidInput):
            add_on_call(session, clinic.actor, name, channel, address, NOW)
    with clinic.transaction() as session:
        tell_first(session, clinic.actor, second.id)
        set_wait(session, clinic.actor, "5")
        with pytest.raises(InvalidInput):
            set_wait(session, clinic.actor, "7")
    with clinic.transaction() as session:
        assert [one.id for one in on_call.contacts(session)] == [second.id, first.id]
    task_id, text, mail = raised(clinic), Provider(), Provider()
    # Off the list before it has left: the next one is told at once.
    with clinic.transaction() as session:
        remove_on_call(session, clinic.actor, second.id, NIGHT)
    send(NIGHT, sms=text, email=mail)
    assert (len(text.sent), mail.sent) == (1, [])
    send(NIGHT + timedelta(minutes=5), sms=text)
    states = [MessageState.CANCELLED, MessageState.ACCEPTED, MessageState.ACCEPTED]
    assert [one.state for one in calls(clinic, task_id)] == states
    with clinic.transaction() as session:
        for number in range(2, 7):
            add_on_call(session, clinic.actor, "One more", "sms", f"303555019{number}", NOW)
        with pytest.raises(TransitionRefused):
            add_on_call(session, clinic.actor, "Too many", "sms", "3035550177", NOW)


def told_by_provider(clinic: ClinicFixture, call: SafetyCall, fate: Fate, at: datetime, event: str) -> bool:
    report = Report("scripted", event, call.id, fate, "switched off", at, reference="ref", generation=1)
    with clinic.transaction() as session:
        return take_report(session, report, at)


def test_what_the_provider_says_reaches_the_message_and_a_failure_tells_the_next_at_once(
    clinic: ClinicFixture, first: OnCallContact, second: OnCallContact, send: Send
) -> None:
    task_id, text, mail = raised(clinic), Provider(), Provider()
    send(NIGHT, sms=text, email=mail)
    (sent,) = text.sent
    (call,) = calls(clinic, task_id)
    assert sent.reports_to == f"https://portal.example/hooks/scripted/{clinic.id}/{call.id}.1"
    soon = NIGHT + timedelta(minutes=1)
    for _ in range(2):  # the same event counts once
        told_by_provider(clinic, call, Fate.FAILED, soon, "e1")
    failed, due = calls(clinic, task_id)
    assert (failed.state, failed.last_error) == (MessageState.FAILED, "switched off")
    assert (due.contact_id, due.state) == (second.id, MessageState.QUEUED)
    # Long before the second's time has come
    assert send(soon, sms=text, email=mail) == 1
    assert [one.address for one in mail.sent] == [second.address]
    with clinic.transaction() as session:
        assert provider_events.count(session, call.id) == 1
    # A late "delivered" is the stronger word; a failure after it is not believed.
    assert told_by_provider(clinic, call, Fate.DELIVERED, soon, "e2")
    assert not told_by_provider(clinic, call, Fate.FAILED, soon, "e3")
    assert [one.state for one in calls(clinic, task_id)] == [MessageState.DELIVERED, MessageState.ACCEPTED]


def test_what_another_clinic_or_nobody_has_sent_changes_nothing(
    clinic: ClinicFixture, other_clinic: ClinicFixture, first: OnCallContact, send: Send
) -> None:
    task_id = raised(clinic)
    send(NIGHT, sms=Provider())
    (call,) = calls(clinic, task_id)
    assert not told_by_provider(other_clinic, call, Fate.FAILED, NIGHT, "e1")
    assert not told_by_provider(clinic, replace(call, id=uuid.uuid4()), Fate.FAILED, NIGHT, "e2")
    assert not told_by_provider(clinic, call, Fate.PENDING, NIGHT, "e3")
    assert [one.state for one in calls(clinic, task_id)] == [MessageState.ACCEPTED]


class Forgetful(Provider):
    """It calls nobody, and has to be asked."""

    fate = Fate.PENDING
    asked = 0

    def progress(self, reference: str) -> Progress:
        assert reference == self.reference
        self.asked += 1
        return Progress(self.fate, "switched off")


def test_a_provider_that_does_not_call_is_asked(
    clinic: ClinicFixture, first: OnCallContact, second: OnCallContact, send: Send, renderer: Renderer
) -> None:
    task_id, text = raised(clinic), Forgetful()
    send(NIGHT, sms=text)

    def poll(minutes: int) -> int:
        made = delivery(clinic, renderer, NIGHT + timedelta(minutes=minutes), sms=text)
        return poll_providers(
            Polling(database=made.database, channels=made.channels, now=made.now), clinic.id
        )

    # After three minutes, and then after six more.
    assert [poll(2), poll(4), poll(5)] == [0, 1, 0]
    text.fate = Fate.FAILED
    assert poll(11) == 1
    assert text.asked == 2
    failed, due = calls(clinic, task_id)
    assert (failed.state, due.contact_id) == (MessageState.FAILED, second.id)
    assert poll(60) == 0
