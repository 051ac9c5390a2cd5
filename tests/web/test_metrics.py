"""/metrics: the queue by state and provider, what came back, and nothing about a clinic or a person."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest

from referral.channels.base import Outcome
from referral.domain.outgoing import MessageState
from referral.domain.providers import Answered
from referral.letters.render import Renderer
from referral.services.close_referral import cancel_referral
from referral.services.deliver_messages import deliver_due
from referral.storage import outbox, providers, referrals, returned_mail
from tests.database import NOW, ClinicFixture, Clock, forget_provider
from tests.services import conftest as letters
from tests.services.sending import EVENING, Provider, asked, delivery
from tests.web.client import application
from tests.web.portal_case import serve

renderer = letters.renderer
Reading = Callable[..., float]


def metrics(clinic: ClinicFixture) -> str:
    with serve(application(clinic, Clock(NOW + timedelta(hours=1)))) as address:
        return httpx.get(f"{address}/metrics", timeout=30, verify=False).text


@pytest.fixture
def read(clinic: ClinicFixture) -> Reading:
    """The value of one sample, an hour after NOW; what other tests have left is in it, too."""

    def value(name: str, **labels: str) -> float:
        text = metrics(clinic)
        found: dict[str, float] = {}
        for line in text.splitlines():
            sample = re.fullmatch(r"([a-z_0-9]+)(?:\{(.*)\})? ([-+.0-9e]+)", line)
            if sample is not None:
                found[f"{sample[1]}{{{sample[2] or ''}}}"] = float(sample[3])
        wanted = ",".join(f'{key}="{labels[key]}"' for key in sorted(labels))
        key = f"{name}{{{wanted}}}"
        assert key in found, (key, sorted(found))
        return found[key]

    return value


def piled(read: Reading, state: str, provider: str = "outbox") -> float:
    return read("referral_outbox_messages", provider=provider, state=state)


def test_every_state_is_counted_and_parked_ones_as_long_as_their_request_is_open(
    clinic: ClinicFixture, renderer: Renderer, read: Reading
) -> None:
    before = {state: piled(read, state) for state in ("queued", "ready", "unknown", "dead")}
    waiting = asked(clinic)
    assert piled(read, "queued") == before["queued"] + 1
    deliver_due(delivery(clinic, renderer, EVENING), clinic.id)
    assert piled(read, "queued") == before["queued"]
    assert piled(read, "ready") == before["ready"] + 1
    deliver_due(delivery(clinic, renderer, email=Provider(Outcome.UNKNOWN)), clinic.id)
    assert piled(read, "ready") == before["ready"] + 1  # it waits for the morning
    with clinic.transaction() as session:
        (message,) = outbox.find(session, referral_id=waiting.id)
    work = delivery(clinic, renderer, message.not_before, email=Provider(Outcome.UNKNOWN))
    assert isinstance(work.now, Clock)
    while message.finished_at is None:  # in doubt first; then nobody can say
        deliver_due(work, clinic.id)
        work.now.forward(120)
        with clinic.transaction() as session:
            (message,) = outbox.find(session, referral_id=waiting.id)
    assert piled(read, "unknown") == before["unknown"] + 1
    with clinic.transaction() as session:
        current = referrals.get(session, waiting.id)
        cancel_referral(session, clinic.actor, current.id, current.version, "changed plans", NOW)
    assert piled(read, "unknown") == before["unknown"]


def test_ages_are_those_of_the_oldest(clinic: ClinicFixture, renderer: Renderer, read: Reading) -> None:
    asked(clinic)
    with clinic.transaction() as session:
        outbox_row = outbox.find(session)[0]
        assert outbox_row.state is MessageState.QUEUED
    assert read("referral_outbox_oldest_seconds", provider="outbox", state="queued") >= 3600
    assert read("referral_outbox_age_seconds") >= 3600


def test_returned_mail_is_counted_by_what_became_of_it(clinic: ClinicFixture, read: Reading) -> None:
    before = {word: read("referral_mail_returned", outcome=word) for word in ("failed", "forged", "odd")}
    with clinic.transaction() as session:
        returned_mail.add(session, f"{clinic.id}-a", "failed", NOW)
        returned_mail.add(session, f"{clinic.id}-a", "failed", NOW)
        returned_mail.add(session, f"{clinic.id}-b", "forged", NOW)
        returned_mail.add(session, f"{clinic.id}-c", "odd", NOW - timedelta(days=2))
    after = {word: read("referral_mail_returned", outcome=word) for word in before}
    assert after == {"failed": before["failed"] + 1, "forged": before["forged"] + 1, "odd": before["odd"]}


def test_no_clinic_and_no_person_is_in_the_metrics(clinic: ClinicFixture) -> None:
    about = asked(clinic)
    text = metrics(clinic)
    for word in (clinic.id, about.id, about.number, "Harbor", "Okafor", "beaconhill"):
        assert word not in text


def test_a_provider_that_does_not_answer_shows_as_an_open_circuit(
    clinic: ClinicFixture, read: Reading
) -> None:
    """Of those in use here; nothing is known of one that was never called but that it is well."""
    calls = Answered(calls=[False] * 5, error="no connection")
    now = NOW + timedelta(hours=1)
    try:
        with clinic.transaction() as session:
            forget_provider(session, "print")
        assert read("referral_provider_circuit", provider="print") == 0
        with clinic.transaction() as session:
            providers.settle(
                session, "print", [providers.Ended("print", "a batch", calls)], now - timedelta(seconds=1)
            )
        assert read("referral_provider_circuit", provider="print") == 2
        assert read("referral_provider_failures", provider="print") == 5
        with clinic.transaction() as session:
            forget_provider(session, "print")
            providers.settle(
                session, "print", [providers.Ended("print", "a batch", calls)], now - timedelta(days=1)
            )
        assert read("referral_provider_circuit", provider="print") == 1
    finally:
        with clinic.transaction() as session:
            forget_provider(session, "print")
