"""Where providers call: only they are believed, once, about the message they were to call about."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from referral.channels.signatures import body_signature, twilio_signature
from referral.domain.codes import Channel, Role
from referral.domain.outgoing import MessageKind, MessageState, provider_key
from referral.domain.providers import Limits
from referral.domain.records import Contact
from referral.letters.render import Renderer
from referral.services.deliver_messages import Delivery, deliver_due
from referral.services.keep_on_call import add_on_call
from referral.services.poll_providers import Polling, poll_providers
from referral.services.queue_message import queue_message
from referral.services.raise_safety import raise_safety
from referral.services.send_safety_calls import send_safety_calls
from referral.storage import directory, documents, on_call, outbox, tables
from referral.web.app import create_app
from referral.web.hooks import _AT_ONCE
from tests.database import NOW, ClinicFixture, Clock
from tests.provider import PASSWORD, SECRET, FakeProvider, provider_server
from tests.services import people
from tests.services.conftest import renderer  # noqa: F401 - the fixture
from tests.services.restoring import closed
from tests.services.sending import asked, delivery
from tests.web.client import runtime as runtime_of
from tests.web.desk import OpenDesk
from tests.web.portal_case import serve

PUBLIC = "https://portal.example"


@dataclass
class Case:
    """A clinic whose providers are on loopback, with one message that they have accepted."""

    clinic: ClinicFixture
    renderer: Renderer
    provider: FakeProvider
    server: str
    runtime: Any
    clock: Clock

    def send(self, channel: Channel) -> uuid.UUID:
        referral = asked(self.clinic, email="", fax="303-555-0120")
        with self.clinic.transaction() as session:
            if channel is Channel.SMS:
                sms = Contact(
                    id=f"sms-{uuid.uuid4()}", channel=channel, address="303-555-0121", source="directory"
                )
                directory.add_contact(session, referral.clinician_id, sms, None)
                queue_message(session, referral, MessageKind.FRESH_LINK, sms, NOW)
            message = next(m for m in outbox.find(session, referral_id=referral.id) if m.channel is channel)
            others = [m for m in outbox.find(session, referral_id=referral.id) if m.channel is not channel]
            for other in others:
                outbox.settle(session, other, MessageState.CANCELLED)
        deliver_due(
            Delivery(
                database=self.clinic.database,
                channels=self.runtime.channels,
                renderer=self.renderer,
                base_url=PUBLIC,
                now=self.clock,
            ),
            self.clinic.id,
        )
        assert self.message(message.id).state is MessageState.ACCEPTED
        return message.id

    def message(self, id: uuid.UUID) -> outbox.Message:
        with self.clinic.transaction() as session:
            found = outbox.get(session, id)
        assert found is not None
        return found

    def reference(self, id: uuid.UUID) -> str:
        return str(self.message(id).provider_reference)

    def here(self, id: uuid.UUID, name: str, *more: str) -> str:
        """The path of a report about a first generation, at the address where the server really listens."""
        return "/".join([f"{self.server}/hooks/{name}/{self.clinic.id}/{id}.1", *more])

    def tell(self, id: uuid.UUID, status: str, **how: Any) -> int:
        name = "sms" if self.message(id).channel is Channel.SMS else "fax"
        how.setdefault("to", self.here(id, name))
        return self.provider.tell(self.reference(id), status, at=how.pop("at", NOW), **how)

    def events(self) -> int:
        with self.clinic.transaction() as session:
            table = tables.provider_event
            return len(
                session.connection.execute(table.select().where(table.c.clinic_id == self.clinic.id)).all()
            )


@contextmanager
def case_of(clinic: ClinicFixture, renderer: Renderer, **changes: str) -> Iterator[Case]:  # noqa: F811
    with provider_server() as provider:
        clock = Clock(NOW)
        given = {"sms_url": provider.sms_url, "fax_url": provider.fax_url, "base_url": PUBLIC}
        for name, change in changes.items():
            given[name] = given[name].replace(f"secret={SECRET}&", change)
        made = runtime_of(clinic, clock, **given)
        with serve(create_app(made)) as server:
            yield Case(clinic, renderer, provider, server, made, clock)


@pytest.fixture
def case(clinic: ClinicFixture, renderer: Renderer) -> Iterator[Case]:  # noqa: F811
    with case_of(clinic, renderer) as made:
        yield made


def test_what_is_told_of_a_message_to_whoever_is_on_call_reaches_it(case: Case, open_desk: OpenDesk) -> None:
    with case.clinic.transaction() as session:
        add_on_call(session, case.clinic.actor, "Dr. Whitcombe", "sms", "3035550101", NOW)
        add_on_call(session, case.clinic.actor, "Night shift", "email", "night@harborlight.example", NOW)
        task = raise_safety(
            session,
            case.clinic.actor,
            patient_id=people.patient(session, case.clinic).id,
            order_id=None,
            source="QuestionnaireResponse/q",
            answer=2,
            now=NOW,
        )
    assert task is not None
    made = delivery(case.clinic, case.renderer, sms=case.runtime.channels.transport(Channel.SMS))
    assert send_safety_calls(made, case.clinic.id) == 1
    with case.clinic.transaction() as session:
        (call,) = on_call.of_tasks(session, [task.id])[task.id]
    here, named = case.here(call.id, "sms"), str(call.provider_reference)
    # Not signed for this address: whoever made it up is not believed.
    assert case.provider.tell(named, "undelivered", at=NOW, to=here, secret="guessed") == 403
    assert case.provider.tell(named, "undelivered", at=NOW, to=here) == 204
    with case.clinic.transaction() as session:
        states = [one.state for one in on_call.of_tasks(session, [task.id])[task.id]]
    assert states == [MessageState.FAILED, MessageState.QUEUED]
    assert case.events() == 1
    desk = open_desk(case.clinic)
    assert "Not delivered" in desk.get("/outbox/on-call")
    assert f"/safety/{task.id}" not in desk.page
    director = open_desk(case.clinic, Role.MEDICAL_DIRECTOR)
    director.get("/outbox/on-call?state=failed")
    assert f"/safety/{task.id}" in director.page
    assert "Dr. Whitcombe" in director.page
    assert "Night shift" not in director.page


@pytest.mark.parametrize(
    ("channel", "status", "state"),
    [
        (Channel.SMS, "delivered", MessageState.DELIVERED),
        (Channel.SMS, "undelivered", MessageState.FAILED),
        (Channel.SMS, "sent", MessageState.ACCEPTED),
        (Channel.FAX, "completed", MessageState.DELIVERED),
        (Channel.FAX, "failure", MessageState.FAILED),
        (Channel.FAX, "in_progress", MessageState.ACCEPTED),
    ],
)
def test_a_true_report_counts_and_the_answer_is_empty(
    case: Case, channel: Channel, status: str, state: MessageState
) -> None:
    id = case.send(channel)
    assert case.tell(id, status) == 204
    assert case.message(id).state is state
    # The same again, later and out of order: nothing changes.
    assert case.tell(id, status) == 204
    assert case.tell(id, {"sms": "undelivered", "fax": "failure"}[channel]) == 204
    wanted = MessageState.DELIVERED if state is MessageState.DELIVERED else MessageState.FAILED
    assert case.message(id).state is wanted


def test_what_was_wrong_with_the_number_is_learnt_in_our_words(case: Case) -> None:
    id = case.send(Channel.SMS)
    case.tell(id, "undelivered", error=30005)
    assert case.message(id).last_error == "this number is unknown (30005)"
    id = case.send(Channel.FAX)
    case.tell(id, "failure", error=5, message="Maria at 303-555-0120 said it is a human voice")
    assert case.message(id).last_error == "no fax machine answers at this number (5)"


def test_an_sms_says_nothing_about_the_patient_and_fits_on_a_telephone(case: Case) -> None:
    id = case.send(Channel.SMS)
    one = case.provider.accepted[case.reference(id)]
    said = one.content.decode()
    for secret in ("Nguy", "Maria", "1986", "depress", "etamine", "infusion", "F33"):
        assert secret not in json.dumps(one.fields) + said
    assert f"{PUBLIC}/r/" in said
    assert len(said) <= 3 * 153
    assert one.to == "+13035550121"


def test_a_fax_carries_the_stored_letter_and_nothing_about_the_patient_beside_it(case: Case) -> None:
    id = case.send(Channel.FAX)
    message, one = case.message(id), case.provider.accepted[case.reference(id)]
    with case.clinic.transaction() as session:
        assert documents.get(session, str(message.envelope_id)).content == one.content
    for secret in ("Nguy", "Maria", "1986", "depress", "etamine", "infusion", "F33"):
        assert secret not in json.dumps(one.fields)


def test_staff_see_when_it_arrived_or_why_it_did_not(case: Case, open_desk: OpenDesk) -> None:
    arrived, failed = case.send(Channel.FAX), case.send(Channel.FAX)
    case.tell(arrived, "completed", at=NOW - timedelta(minutes=2))
    case.tell(failed, "failure", error=17, message="busy", at=NOW - timedelta(minutes=2))
    desk = open_desk(case.clinic)
    assert "Delivered Tue, Nov 3, 9:58 AM" in desk.get(f"/outbox/{arrived}")
    page = desk.get(f"/outbox/{failed}")
    assert "Failed Tue, Nov 3, 9:58 AM" in page
    assert "The line was busy or nobody answered (17)" in page
    request = desk.get(f"/requests/{case.message(failed).referral_id}")
    assert "Request by fax: sent, but not delivered after all" in request
    assert "The line was busy or nobody answered (17)" in request
    request = desk.get(f"/requests/{case.message(arrived).referral_id}")
    assert "Request by fax: delivered" in request


@pytest.mark.parametrize("channel", [Channel.SMS, Channel.FAX])
def test_a_forged_report_is_refused_and_changes_nothing(case: Case, channel: Channel) -> None:
    id = case.send(channel)
    status = {"sms": "undelivered", "fax": "failure"}[channel]
    assert case.tell(id, status, secret="guessed-secret") == 403
    _, headers, body = case.provider.callback(case.reference(id), status, at=NOW)
    name = "sms" if channel is Channel.SMS else "fax"
    unsigned = {"Content-Type": headers["Content-Type"]}
    broken = {key: "é" if "Signature" in key else value for key, value in headers.items()}
    with httpx.Client(verify=False, trust_env=False, timeout=60) as client:
        for given, sent in ((unsigned, body), (headers, body + b"&x=1"), (headers, b""), ({}, b"")):
            answer = client.post(case.here(id, name), headers=given, content=sent)
            assert (answer.status_code, answer.content) == (403, b"")
        raw = [(key.encode(), value.encode("latin-1")) for key, value in broken.items()]
        assert client.post(case.here(id, name), headers=raw, content=body).status_code == 403
    assert case.message(id).state is MessageState.ACCEPTED
    assert case.events() == 0


def test_a_report_is_bound_to_its_message_and_clinic(case: Case, other_clinic: ClinicFixture) -> None:
    """A truly signed report cannot be shown about another message."""
    sms, fax = ("undelivered", "delivered"), ("failure", "completed")
    for channel, status in [*((Channel.SMS, word) for word in sms), *((Channel.FAX, word) for word in fax)]:
        one, other = case.send(channel), case.send(channel)
        name = "sms" if channel is Channel.SMS else "fax"
        answer = case.tell(one, status, to=case.here(other, name))
        # SMS: the address is signed. Fax: the body is, and names the message that it is about.
        assert answer == (403 if channel is Channel.SMS else 204)
        elsewhere = f"{case.server}/hooks/{name}/{other_clinic.id}/{one}.1"
        assert case.tell(one, status, to=elsewhere) == (403 if channel is Channel.SMS else 204)
        assert case.message(one).state is MessageState.ACCEPTED
        assert case.message(other).state is MessageState.ACCEPTED


@pytest.mark.parametrize(("channel", "status"), [(Channel.SMS, "undelivered"), (Channel.FAX, "failure")])
def test_a_report_about_the_first_sending_does_not_end_the_second(
    case: Case, channel: Channel, status: str
) -> None:
    """It arrives while the second is on its way, when the provider has given no name to that yet."""
    id = case.send(channel)
    first = case.reference(id)
    with case.clinic.transaction() as session:
        message = outbox.get(session, id, lock=True)
        assert message is not None
        again = {"generation": 2, "provider_reference": None}
        outbox.settle(session, message, MessageState.SENDING, **again)
    name = "sms" if channel is Channel.SMS else "fax"
    assert case.provider.tell(first, status, at=NOW, to=case.here(id, name)) == 204
    assert case.message(id).state is MessageState.SENDING


def test_a_replayed_fax_report_is_refused_after_five_minutes(case: Case) -> None:
    id = case.send(Channel.FAX)
    assert case.tell(id, "failure", age=301) == 403
    assert case.tell(id, "failure", age=-301) == 403
    assert case.message(id).state is MessageState.ACCEPTED
    assert case.tell(id, "failure", age=290) == 204
    assert case.message(id).state is MessageState.FAILED


def test_the_configured_address_is_what_is_signed_not_the_one_that_was_called(case: Case) -> None:
    id = case.send(Channel.SMS)
    form = {"MessageSid": case.reference(id), "MessageStatus": "delivered"}
    with httpx.Client(verify=False, trust_env=False, timeout=60) as client:
        for url, expected in (
            (case.here(id, "sms"), 403),
            (case.provider.accepted[case.reference(id)].callback, 204),
        ):
            signed = {"X-Twilio-Signature": twilio_signature(PASSWORD, url, form.items())}
            assert client.post(case.here(id, "sms"), headers=signed, data=form).status_code == expected


def test_a_report_about_nothing_that_is_known_gets_the_same_answer(case: Case) -> None:
    id = uuid.uuid4()
    url = f"{PUBLIC}/hooks/sms/{case.clinic.id}/{id}.1"
    form = {"MessageSid": "SM1", "MessageStatus": "delivered"}
    signed = {"X-Twilio-Signature": twilio_signature(PASSWORD, url, form.items())}
    with httpx.Client(verify=False, trust_env=False, timeout=60) as client:
        answer = client.post(case.here(id, "sms"), headers=signed, data=form)
        fax = {"id": "FX1", "status": "FAILURE", "labels": {"referral-key": str(provider_key(id, 1))}}
        body, stamp = json.dumps({"fax": fax}).encode(), str(int(NOW.timestamp()))
        headers = {"X-Fax-Timestamp": stamp, "X-Fax-Signature": body_signature(SECRET, stamp, body)}
        other = client.post(case.here(id, "fax"), headers=headers, content=body)
    assert (answer.status_code, answer.content) == (other.status_code, other.content) == (204, b"")
    assert case.events() == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"fax": 1}',
        b'{"fax": {"labels": 7}}',
        b"\xff\xfe",
        b'{"fax": {"id": "\\u0000"}}',
        b"[" * 9999,
    ],
)
def test_signed_nonsense_is_taken_without_a_word(case: Case, body: bytes) -> None:
    id, stamp = uuid.uuid4(), str(int(NOW.timestamp()))
    headers = {"X-Fax-Timestamp": stamp, "X-Fax-Signature": body_signature(SECRET, stamp, body)}
    with httpx.Client(verify=False, trust_env=False, timeout=60) as client:
        assert client.post(case.here(id, "fax"), headers=headers, content=body).status_code == 204


def test_hostile_words_in_a_signed_report_reach_no_row(case: Case) -> None:
    id = case.send(Channel.SMS)
    url = case.provider.accepted[case.reference(id)].callback
    with httpx.Client(verify=False, trust_env=False, timeout=60) as client:
        for sid, status in (
            ("SM\x00", "delivered"),
            ("x" * 65, "delivered"),
            ("SM1", "deli\nvered"),
            ("", "delivered"),
        ):
            form = {"MessageSid": sid, "MessageStatus": status}
            signed = {"X-Twilio-Signature": twilio_signature(PASSWORD, url, form.items())}
            assert client.post(case.here(id, "sms"), headers=signed, data=form).status_code == 204
    assert (case.message(id).state, case.events()) == (MessageState.ACCEPTED, 0)


def test_what_is_too_large_or_at_no_address_is_refused_before_it_is_checked(case: Case) -> None:
    id = case.send(Channel.FAX)
    stamp, large = str(int(NOW.timestamp())), b" " * (64 * 1024 + 1)
    headers = {"X-Fax-Timestamp": stamp, "X-Fax-Signature": body_signature(SECRET, stamp, large)}
    with httpx.Client(verify=False, trust_env=False, timeout=60) as client:
        assert client.post(case.here(id, "fax"), headers=headers, content=large).status_code == 413
        for path in (
            "pigeon/a/b",
            f"fax/{case.clinic.id}/none",
            f"fax/x/{id}",
            f"fax/{case.clinic.id}/{str(id).upper()}",
        ):
            body = json.dumps({"fax": {}}).encode()
            signed = {"X-Fax-Timestamp": stamp, "X-Fax-Signature": body_signature(SECRET, stamp, body)}
            assert client.post(f"{case.server}/hooks/{path}", headers=signed, content=body).status_code == 403
        assert client.get(case.here(id, "fax")).status_code == 405


def test_a_flood_of_true_reports_leaves_connections_for_people(case: Case) -> None:
    id = case.send(Channel.SMS)
    held = [_AT_ONCE.acquire(blocking=False) for _ in range(4)]
    try:
        assert held == [True] * 4
        assert case.tell(id, "delivered") == 503
    finally:
        for _ in held:
            _AT_ONCE.release()
    assert case.tell(id, "delivered") == 204
    assert case.message(id).state is MessageState.DELIVERED


def test_without_a_secret_nobody_is_believed_and_nobody_is_asked_to_call(
    clinic: ClinicFixture,
    renderer: Renderer,  # noqa: F811
) -> None:
    with case_of(clinic, renderer, fax_url="") as case:
        id = case.send(Channel.FAX)
        assert case.provider.accepted[case.reference(id)].callback == ""
        for secret in ("", SECRET):
            body, stamp = b"{}", str(int(NOW.timestamp()))
            headers = {"X-Fax-Timestamp": stamp, "X-Fax-Signature": body_signature(secret, stamp, body)}
            with httpx.Client(verify=False, trust_env=False, timeout=60) as client:
                answer = client.post(case.here(id, "fax"), headers=headers, content=body)
            assert answer.status_code == 403


def test_a_provider_that_signs_nothing_has_a_secret_path_and_is_asked_whatever_it_says(
    clinic: ClinicFixture,
    renderer: Renderer,  # noqa: F811
) -> None:
    with case_of(clinic, renderer, fax_url=f"secret={SECRET}&signed=no&") as case:
        id, other = case.send(Channel.FAX), case.send(Channel.FAX)
        one = case.provider.accepted[case.reference(id)]
        token = one.callback.rsplit("/", 1)[1]
        assert one.callback == f"{PUBLIC}/hooks/fax/{clinic.id}/{id}.1/{token}"
        assert SECRET not in token
        with httpx.Client(verify=False, trust_env=False, timeout=60) as client:
            lie = {"fax": {"id": one.id, "status": "FAILURE"}}
            assert client.post(case.here(id, "fax"), json=lie).status_code == 403
            assert client.post(case.here(other, "fax", token), json=lie).status_code == 403
            assert client.post(case.here(id, "fax", token), json=lie).status_code == 204
        assert case.message(id).state is MessageState.ACCEPTED
        # The next poll asks, although it is not time for that yet, and believes what it is told there.
        case.provider.set(one.id, "completed")
        polling = Polling(database=clinic.database, channels=case.runtime.channels, now=case.clock)
        assert poll_providers(polling, clinic.id) == 1
        assert case.message(id).state is MessageState.DELIVERED
        assert case.message(other).state is MessageState.ACCEPTED


def test_no_number_and_no_word_of_a_report_is_logged(
    case: Case, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    id = case.send(Channel.FAX)
    with caplog.at_level(logging.DEBUG, logger="referral"):
        case.tell(id, "failure", message="Maria, born 1986, at 303-555-0120")
        case.tell(id, "failure", secret="guessed-secret", message="Maria, born 1986")
    said = capfd.readouterr().err + caplog.text
    assert "hook.refused" in said
    for word in ("Maria", "1986", "5550120", "555-0120", str(id), SECRET):
        assert word not in said


def test_polling_brings_what_no_report_brought_and_asks_less_and_less(case: Case) -> None:
    fax, sms = case.send(Channel.FAX), case.send(Channel.SMS)
    polling = Polling(database=case.clinic.database, channels=case.runtime.channels, now=case.clock)
    case.provider.set(case.reference(fax), "in_progress")
    assert poll_providers(polling, case.clinic.id) == 0
    questions = []
    for _ in range(60 * 3):
        case.clock.forward(60)
        if poll_providers(polling, case.clinic.id):
            questions.append(int((case.clock.now - NOW).total_seconds() // 60))
    # Both were accepted at the same moment, and are asked about together.
    assert questions == [3, 9, 21, 45, 93]
    case.provider.set(case.reference(fax), "failure", 17, "busy")
    case.provider.set(case.reference(sms), "delivered")
    case.clock.forward(3600 * 2)
    assert poll_providers(polling, case.clinic.id) == 2
    assert (case.message(fax).state, case.message(sms).state) == (MessageState.FAILED, MessageState.DELIVERED)
    assert case.message(fax).last_error == "the line was busy or nobody answered (17)"
    case.clock.forward(3600 * 24 * 20)
    assert poll_providers(polling, case.clinic.id) == 0


def test_polling_ends_after_two_weeks_and_a_deaf_provider_stops_nothing(case: Case) -> None:
    id = case.send(Channel.FAX)
    polling = Polling(database=case.clinic.database, channels=case.runtime.channels, now=case.clock)
    case.provider.accepted.clear()
    asked_on = 0
    for _ in range(20):
        case.clock.forward(3600 * 24 + 1)
        asked_on += poll_providers(polling, case.clinic.id)
    assert asked_on == 13
    assert case.message(id).state is MessageState.ACCEPTED


def test_a_report_and_a_poll_about_the_same_count_once(case: Case) -> None:
    id = case.send(Channel.FAX)
    case.tell(id, "completed")
    case.clock.forward(600)
    polling = Polling(database=case.clinic.database, channels=case.runtime.channels, now=case.clock)
    assert poll_providers(polling, case.clinic.id) == 0
    assert case.events() == 1


def test_a_clinic_that_is_closed_after_a_restore_is_called_again_later(case: Case) -> None:
    """The backup may not know the message: what was told about it would be lost."""
    id = case.send(Channel.FAX)
    with closed(case.clinic):
        assert case.tell(id, "failure") == 503
        assert case.message(id).state is MessageState.ACCEPTED
    assert case.tell(id, "failure") == 204
    assert case.message(id).state is MessageState.FAILED


def test_how_many_calls_a_provider_takes_is_a_setting(clinic: ClinicFixture) -> None:
    with provider_server() as provider:
        urls: dict[str, Any] = {"sms_url": provider.sms_url, "fax_url": provider.fax_url, "base_url": PUBLIC}
        channels = runtime_of(clinic, provider_limits="sms=3@20", **urls).channels
    assert channels.limits_of(channels.transport(Channel.SMS)) == Limits(3, 20.0)
    assert channels.limits_of(channels.transport(Channel.FAX)) == Limits()


def test_a_limit_of_a_provider_that_is_none_of_ours_is_refused(clinic: ClinicFixture) -> None:
    with pytest.raises(ValueError, match="names no provider twilio"):
        runtime_of(clinic, provider_limits="twilio=3")
