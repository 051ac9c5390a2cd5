"""Faxes over a real connection to a provider that does what it is told."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from referral.channels.base import Envelope, Fate, Outcome
from referral.channels.fax import FaxTransport
from referral.channels.http_provider import Answer, InDoubt, Provider
from referral.channels.provider_urls import Account
from referral.channels.sinch import SinchFax
from tests.channels.test_sms import HOSTILE
from tests.provider import PASSWORD, PROJECT, USER, FakeProvider, provider_server

PDF = b"%PDF-1.7\r\n--referral-\r\n\x00\xff binary \r\n%%EOF\r\n\n"


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with provider_server() as served:
        yield served


def fax(port: int, *, timeout: float = 10.0, password: str = PASSWORD) -> FaxTransport:
    base = f"http://127.0.0.1:{port}/v3/projects/{PROJECT}"
    account = Account(base=base, user=USER, password=password)
    adapter = SinchFax(sender="+13035550143", header="Harbor Light")
    return FaxTransport(Provider(account, at_once=4, timeout=timeout), adapter)


def envelope(address: str = "303-555-0120", content: bytes = PDF) -> Envelope:
    return Envelope(
        address=address,
        content=content,
        key=uuid.uuid4(),
        content_type="application/pdf",
        reports_to="https://portal.example/hooks/fax/c/m",
    )


def test_the_stored_bytes_are_handed_over_with_our_key_and_a_place_to_report_to(
    provider: FakeProvider,
) -> None:
    given = envelope()
    sent = fax(provider.port).send(given)
    (one,) = provider.accepted.values()
    assert (sent.outcome, sent.reference, one.content) == (Outcome.ACCEPTED, one.id, PDF)
    labels = json.loads(one.fields.pop("labels"))
    assert labels == {"referral-key": str(given.key)}
    assert one.fields == {
        "to": "+13035550120",
        "from": "+13035550143",
        "resolution": "FINE",
        "headerText": "Harbor Light",
        "headerPageNumbers": "true",
        "maxRetries": "3",
        "retryDelaySeconds": "300",
        "callbackUrl": "https://portal.example/hooks/fax/c/m",
        "callbackUrlContentType": "application/json",
    }


def test_a_refused_number_is_told_from_a_refused_account(provider: FakeProvider) -> None:
    provider.behaviour = "reject"
    sent = fax(provider.port).send(envelope())
    assert (sent.outcome, sent.bad_address, "555" in str(sent.reason)) == (Outcome.REFUSED, True, False)
    sent = fax(provider.port, password="wrong").send(envelope())
    assert (sent.outcome, sent.bad_address) == (Outcome.LATER, False)


def test_trouble_of_the_provider_is_tried_again_when_it_says(provider: FakeProvider) -> None:
    provider.behaviour = "throttle"
    sent = fax(provider.port).send(envelope())
    assert (sent.outcome, sent.retry_after) == (Outcome.LATER, timedelta(seconds=7))
    provider.behaviour = "error"
    assert fax(provider.port).send(envelope()).outcome is Outcome.LATER
    assert fax(1).send(envelope()).outcome is Outcome.LATER
    assert provider.accepted == {}


@pytest.mark.parametrize("how", ["hang-after", "drop-after", "gateway", "nonsense"])
def test_what_was_accepted_without_an_answer_is_found_by_our_key(provider: FakeProvider, how: str) -> None:
    channel, given, since = fax(provider.port, timeout=0.7), envelope(), datetime.now(UTC)
    channel.send(envelope())  # the same letter to the same number, under another key
    provider.script.append(how)
    assert channel.send(given).outcome is Outcome.UNKNOWN
    found = channel.look_up(given, since)
    assert found is not None
    reference = str(found.reference)
    assert (found.outcome, provider.accepted[reference].key) == (Outcome.ACCEPTED, str(given.key))
    assert provider.duplicates == 0


@pytest.mark.parametrize(
    ("page", "pages", "more"),
    [(1, 2, True), ("1", "3", True), ("one", 2, True), (2, "many", False), ([], {}, False), ("²", 1, False)],
)
def test_pages_that_are_no_numbers_are_one_page(page: object, pages: object, more: bool) -> None:
    body = json.dumps({"faxes": [], "pageNumber": page, "totalPages": pages}).encode()
    assert SinchFax().found(Answer(200, (), body), uuid.uuid4()) == (None, more)


@pytest.mark.parametrize("how", ["hang-before", "drop-before"])
def test_what_never_arrived_is_certainly_not_there(provider: FakeProvider, how: str) -> None:
    channel, given, since = fax(provider.port, timeout=0.7), envelope(), datetime.now(UTC)
    channel.send(envelope())
    provider.script.append(how)
    assert channel.send(given).outcome is Outcome.UNKNOWN
    found = channel.look_up(given, since)
    assert found is not None
    assert found.outcome is Outcome.LATER
    assert (found := fax(1).look_up(given, since))
    assert found.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("status", "message", "fate", "bad"),
    [
        ("queued", "", Fate.PENDING, False),
        ("in_progress", "", Fate.PENDING, False),
        ("completed", "", Fate.DELIVERED, False),
        ("failure", "The line was BUSY", Fate.FAILED, False),
        ("failure", "No answer from 303-555-0120", Fate.FAILED, False),
        ("failure", "A human voice answered", Fate.FAILED, True),
        ("failure", "Number not in service: 303-555-0120", Fate.FAILED, True),
        ("failure", "Something about 303-555-0120", Fate.FAILED, False),
    ],
)
def test_a_busy_line_is_told_from_a_number_that_is_no_fax(
    provider: FakeProvider, status: str, message: str, fate: Fate, bad: bool
) -> None:
    channel = fax(provider.port)
    reference = str(channel.send(envelope()).reference)
    provider.set(reference, status, 17, message)
    progress = channel.progress(reference)
    assert (progress.fate, progress.bad_address) == (fate, bad)
    assert "555" not in str(progress.reason)
    assert ("(17)" in str(progress.reason)) is (fate is Fate.FAILED)


def test_no_news_where_it_cannot_be_asked(provider: FakeProvider) -> None:
    assert fax(1).progress("FX1").fate is Fate.PENDING
    assert fax(provider.port).progress("../../other").fate is Fate.PENDING


def test_500_injections_into_a_number_are_refused(provider: FakeProvider) -> None:
    channel = fax(provider.port)
    for address in HOSTILE:
        sent = channel.send(envelope(address))
        assert (sent.outcome, sent.bad_address) == (Outcome.REFUSED, True), address
    assert provider.submissions == 0


def test_only_a_letter_can_be_faxed(provider: FakeProvider) -> None:
    sent = fax(provider.port).send(envelope(content=b"some words"))
    assert (sent.outcome, sent.bad_address, provider.submissions) == (Outcome.REFUSED, False, 0)


def test_a_fax_that_has_come_in_is_fetched_up_to_a_size(provider: FakeProvider) -> None:
    channel = fax(provider.port)
    reference = str(channel.send(envelope()).reference)
    assert channel.fetch_file(reference, 1000) == PDF
    with pytest.raises(InDoubt):
        channel.fetch_file(reference, 10)
    with pytest.raises(InDoubt):
        channel.fetch_file("FX404", 1000)


def test_the_provider_of_the_tests_runs_by_itself_too() -> None:
    """As benchmarks and the fault harness use it."""
    command = [sys.executable, "-m", "tests.provider", "--idempotent"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().split()[-1])
            channel, given = fax(port), envelope()
            sent = [channel.send(given) for _ in range(3)]
            with httpx.Client(verify=False, base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                client.post("/_script", json={"idempotent": False, "script": ["drop-after"]})
                channel.send(given)
                state = client.get("/_state").json()
        finally:
            process.terminate()
    assert len({one.reference for one in sent}) == 1
    assert (state["accepted"], state["keys"], state["duplicates"]) == (2, 1, 1)
