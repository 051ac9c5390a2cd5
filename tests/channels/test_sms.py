"""SMS over a real connection to a provider that does what it is told."""

from __future__ import annotations

import base64
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from referral.channels.base import Envelope, Fate, Outcome, Progress, Sent
from referral.channels.http_provider import Answer, Call, InDoubt, NotSent, Provider
from referral.channels.provider_urls import Account
from referral.channels.sms import TwilioSms, progress_of
from tests.database import NOW
from tests.provider import PASSWORD, USER, FakeProvider, provider_server

WORDS = "A secure request is waiting: https://portal.example/r/abc/def"


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with provider_server() as served:
        yield served


def account(port: int) -> Account:
    return Account(base=f"http://127.0.0.1:{port}", user=USER, password=PASSWORD)


def sms(port: int, *, timeout: float = 10.0, password: str = PASSWORD) -> TwilioSms:
    given = Account(base=f"http://127.0.0.1:{port}", user=USER, password=password)
    return TwilioSms(Provider(given, at_once=4, timeout=timeout), sender="+13035550100")


def envelope(address: str = "303-555-0120", words: str = WORDS) -> Envelope:
    return Envelope(
        address=address,
        content=words.encode(),
        key=uuid.uuid4(),
        reports_to="https://portal.example/hooks/sms/c/m",
    )


def test_it_is_handed_over_with_a_number_that_can_be_dialled_and_a_place_to_report_to(
    provider: FakeProvider,
) -> None:
    given = envelope("(303) 555-0120")
    sent = sms(provider.port).send(given)
    (one,) = provider.accepted.values()
    assert (sent.outcome, sent.reference) == (Outcome.ACCEPTED, one.id)
    assert one.fields == {
        "To": "+13035550120",
        "Body": WORDS,
        "From": "+13035550100",
        "StatusCallback": "https://portal.example/hooks/sms/c/m",
    }
    assert one.key == str(given.key)


def test_a_messaging_service_stands_in_for_a_number(provider: FakeProvider) -> None:
    TwilioSms(Provider(account(provider.port), at_once=1, timeout=10), sender="MG01").send(envelope())
    (one,) = provider.accepted.values()
    assert (one.fields["MessagingServiceSid"], "From" in one.fields) == ("MG01", False)


@pytest.mark.parametrize(
    ("code", "outcome", "bad"),
    [
        (21211, Outcome.REFUSED, True),
        (21614, Outcome.REFUSED, True),
        (21610, Outcome.REFUSED, False),
        (21606, Outcome.LATER, False),
        (21617, Outcome.LATER, False),
    ],
)
def test_what_is_wrong_with_the_number_is_told_from_what_is_wrong_with_us(
    provider: FakeProvider, code: int, outcome: Outcome, bad: bool
) -> None:
    provider.behaviour, provider.code = "reject", code
    sent = sms(provider.port).send(envelope())
    assert (sent.outcome, sent.bad_address) == (outcome, bad)
    assert str(code) in str(sent.reason)
    assert "555" not in str(sent.reason)


def test_a_wrong_password_is_no_fault_of_the_recipient(provider: FakeProvider) -> None:
    sent = sms(provider.port, password="wrong").send(envelope())
    assert (sent.outcome, sent.bad_address, provider.unauthorized) == (Outcome.LATER, False, 1)


def test_too_many_at_once_waits_as_long_as_the_provider_says(provider: FakeProvider) -> None:
    provider.behaviour, provider.retry_after = "throttle", 42
    sent = sms(provider.port).send(envelope())
    assert (sent.outcome, sent.retry_after) == (Outcome.LATER, timedelta(seconds=42))
    provider.retry_after = 86400
    assert sms(provider.port).send(envelope()).retry_after == timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("Tue, 03 Nov 2026 17:02:00 GMT", 120),
        ("Tue, 03 Nov 2026 16:00:00 GMT", 0),
        ("99999999999999999999", 3600),
        ("soon", None),
        ("", None),
        ("-5", None),
    ],
)
def test_how_long_to_wait_is_read_in_both_spellings(text: str, seconds: int | None) -> None:
    wait = Answer(429, (("Retry-After", text),), b"").retry_after(NOW)
    assert wait == (None if seconds is None else timedelta(seconds=seconds))


def test_an_error_of_the_provider_is_tried_again_and_no_connection_as_well(provider: FakeProvider) -> None:
    provider.behaviour = "error"
    assert sms(provider.port).send(envelope()).outcome is Outcome.LATER
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert sms(port).send(envelope()).outcome is Outcome.LATER


@pytest.mark.parametrize("how", ["hang-after", "drop-after", "gateway", "nonsense"])
def test_what_was_accepted_without_an_answer_is_in_doubt_and_found_by_looking(
    provider: FakeProvider, how: str
) -> None:
    provider.script.append(how)
    channel, given, since = sms(provider.port, timeout=0.7), envelope(), datetime.now(UTC)
    assert channel.send(given).outcome is Outcome.UNKNOWN
    (one,) = provider.accepted.values()
    found = channel.look_up(given, since)
    assert found is not None
    assert (found.outcome, found.reference) == (Outcome.ACCEPTED, one.id)
    assert provider.duplicates == 0


@pytest.mark.parametrize("how", ["hang-before", "drop-before"])
def test_what_never_arrived_is_in_doubt_until_the_provider_says_that_it_has_nothing(
    provider: FakeProvider, how: str
) -> None:
    channel, since = sms(provider.port, timeout=0.7), datetime.now(UTC)
    channel.send(envelope(words="another message to the same number"))
    provider.script.append(how)
    given = envelope()
    assert channel.send(given).outcome is Outcome.UNKNOWN
    found = channel.look_up(given, since)
    assert found is not None
    assert found.outcome is Outcome.LATER


def test_who_dies_in_the_middle_of_handing_over_has_handed_over_nothing(provider: FakeProvider) -> None:
    """A message looked up afterwards is not known, and is sent again: it must not count as a second one."""
    given, transport = envelope(), sms(provider.port)
    head = (
        f"POST /2010-04-01/Accounts/{USER}/Messages.json HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}\r\n"
        f"Idempotency-Key: {given.key}\r\nContent-Length: 100\r\n\r\nTo=%2B1303"
    )
    with socket.create_connection(("127.0.0.1", provider.port)) as dying:
        dying.sendall(head.encode())
        dying.shutdown(socket.SHUT_WR)
        assert dying.recv(1) == b""
    assert transport.look_up(given, NOW) == Sent(Outcome.LATER, reason="the SMS provider does not know it")
    assert transport.send(given).outcome is Outcome.ACCEPTED
    assert (provider.submissions, dict(provider.per_key)) == (1, {str(given.key): 1})


def test_the_same_words_sent_twice_are_told_as_two(provider: FakeProvider) -> None:
    channel, since = sms(provider.port), datetime.now(UTC)
    first, second = (channel.send(envelope()) for _ in range(2))
    provider.accepted[str(first.reference)].at -= timedelta(seconds=2)
    found = channel.look_up(envelope(), since)
    assert found is not None
    assert (found.reference, found.others) == (second.reference, (first.reference,))


def test_the_same_words_long_ago_are_another_message(provider: FakeProvider) -> None:
    channel, given = sms(provider.port), envelope()
    channel.send(given)
    (one,) = provider.accepted.values()
    one.at = datetime.now(UTC) - timedelta(hours=1)
    found = channel.look_up(given, datetime.now(UTC))
    assert found is not None
    assert found.outcome is Outcome.LATER


def test_looking_turns_pages_and_gives_up_where_there_are_too_many(provider: FakeProvider) -> None:
    channel, given, since = sms(provider.port), envelope(), datetime.now(UTC)
    channel.send(given)
    (one,) = provider.accepted.values()
    for number in range(1, 1001):
        later = one.at + timedelta(seconds=number)
        provider.accepted[f"SM-{number}"] = type(one)(
            f"SM-{number}", "sms", "", one.to, {}, b"other words", "", later
        )
        if number == 300:
            found = channel.look_up(given, since)
            assert found is not None
            assert found.reference == one.id
    # Nobody can say, so a person looks: it is not sent again.
    assert channel.look_up(given, since) is None


def test_a_provider_that_cannot_be_asked_is_asked_again(provider: FakeProvider) -> None:
    assert (found := sms(1).look_up(envelope(), datetime.now(UTC)))
    assert found.outcome is Outcome.UNKNOWN
    wrong = sms(provider.port, password="wrong")
    assert (found := wrong.look_up(envelope(), datetime.now(UTC)))
    assert found.outcome is Outcome.UNKNOWN
    assert sms(1).progress("SM1").fate is Fate.PENDING


@pytest.mark.parametrize(
    ("status", "code", "fate", "bad"),
    [
        ("queued", None, Fate.PENDING, False),
        ("sent", None, Fate.PENDING, False),
        ("delivered", None, Fate.DELIVERED, False),
        ("undelivered", 30003, Fate.FAILED, False),
        ("undelivered", 30005, Fate.FAILED, True),
        ("failed", 30006, Fate.FAILED, True),
        ("failed", None, Fate.FAILED, False),
    ],
)
def test_it_can_be_asked_what_became_of_it(
    provider: FakeProvider, status: str, code: int | None, fate: Fate, bad: bool
) -> None:
    channel = sms(provider.port)
    reference = str(channel.send(envelope()).reference)
    provider.set(reference, status, code)
    progress = channel.progress(reference)
    assert (progress.fate, progress.bad_address) == (fate, bad)
    assert str(code or "") in str(progress.reason)


FIELDS = ["Bcc: x@evil.example", "To=%2B15550000", "X-Evil: 1", "&Body=evil", "ext 5"]
FIELDS += ["\r\n\r\nGET /", "'", '"', "x"]
HOSTILE = [
    f"{number}{bad}{field}"
    for number in ("303-555-0120", "+13035550120", "", "3035550120")
    for bad in [*"\r\n\0\t\v\f;,&?#\x85\u2028", "\r\n", "%0d%0a"]
    for field in FIELDS
]


def test_500_injections_into_a_number_are_refused_and_nothing_is_sent(provider: FakeProvider) -> None:
    channel = sms(provider.port)
    assert len(HOSTILE) >= 500
    for address in HOSTILE:
        sent = channel.send(envelope(address))
        assert (sent.outcome, sent.bad_address) == (Outcome.REFUSED, True), address
    assert (provider.submissions, provider.connections) == (0, set())


def test_words_cannot_add_fields(provider: FakeProvider) -> None:
    words = "x&To=%2B19995550100&Body=evil\r\nTo: 1"
    sms(provider.port).send(envelope(words=words))
    (one,) = provider.accepted.values()
    assert (one.fields["Body"], one.to) == (words, "+13035550120")


def test_a_picture_or_a_letter_is_no_sms(provider: FakeProvider) -> None:
    letter = Envelope(
        address="303-555-0120", content=b"%PDF", key=uuid.uuid4(), content_type="application/pdf"
    )
    assert sms(provider.port).send(letter).outcome is Outcome.REFUSED
    assert provider.submissions == 0


def test_threads_share_connections_and_no_two_use_one_at_once(provider: FakeProvider) -> None:
    channel = sms(provider.port)
    with ThreadPoolExecutor(4) as threads:
        sent = list(threads.map(lambda number: channel.send(envelope(words=f"no {number}")), range(80)))
    assert {one.outcome for one in sent} == {Outcome.ACCEPTED}
    assert {(a.id, a.content) for a in provider.accepted.values()} == {
        (one.reference, f"no {number}".encode()) for number, one in enumerate(sent)
    }
    assert len(provider.connections) <= 8


def test_a_forked_child_opens_connections_of_its_own(provider: FakeProvider) -> None:
    channel = sms(provider.port)
    channel.send(envelope())
    child = os.fork()
    if child == 0:
        done = channel.send(envelope()).outcome is Outcome.ACCEPTED
        os._exit(0 if done else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert channel.send(envelope()).outcome is Outcome.ACCEPTED
    assert (len(provider.accepted), len(provider.connections)) == (3, 2)


def test_an_answer_that_drips_ends_when_the_time_is_over() -> None:
    """Each byte comes in time; all of them together do not."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                for byte in b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}" * 3:
                    if stop.wait(0.1):
                        return
                    try:
                        connection.sendall(bytes([byte]))
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        started = time.monotonic()
        try:
            sent = sms(server.getsockname()[1], timeout=0.5).send(envelope())
        finally:
            stop.set()
            thread.join()
    assert (sent.outcome, time.monotonic() - started < 5) == (Outcome.UNKNOWN, True)


@pytest.mark.parametrize("last", [False, True])
def test_an_answer_is_read_to_its_end_also_where_it_is_the_last_of_its_connection(last: bool) -> None:
    body = b'{"sid": "SM1"}'
    head = b"HTTP/1.1 201 Created\r\nContent-Length: 14\r\n" + (b"Connection: close\r\n" if last else b"")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(head + b"\r\n" + body)
                if not last:
                    connection.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        asked = Provider(account(server.getsockname()[1]), at_once=1, timeout=5)
        answer = asked.call(Call("POST", "/x", content=b"1"))
        asked.close()
        thread.join()
    assert (answer.status, answer.json) == (201, {"sid": "SM1"})


def test_an_answer_that_never_ends_is_not_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def pour() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 1000)
                connection.recv(1)

        thread = threading.Thread(target=pour)
        thread.start()
        asked = Provider(account(server.getsockname()[1]), at_once=1, timeout=5)
        with pytest.raises(InDoubt, match="longer"):
            asked.call(Call("GET", "/x"), limit=500)
        thread.join()


def test_a_connection_that_cannot_be_made_certainly_sent_nothing() -> None:
    with pytest.raises(NotSent):
        Provider(account(1), at_once=1, timeout=5).call(Call("GET", "/x"))


@pytest.mark.parametrize("code", ["²", "9" * 5000, "-1", "", "30005.0", 10**30])
def test_a_code_that_is_none_is_no_code(code: str | int) -> None:
    assert progress_of("failed", code) == Progress(Fate.FAILED, "the SMS provider could not deliver it")
