"""A worker that dies between acceptance and record: the provider is asked, and nobody sends twice."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from datetime import timedelta
from typing import Any

import pytest

from referral.bootstrap import build_runtime
from referral.config import Settings
from referral.domain.codes import Channel
from referral.domain.outgoing import MessageKind, MessageState, provider_key
from referral.domain.records import Contact
from referral.letters.render import Renderer
from referral.services.deliver_messages import Delivery, deliver_due
from referral.services.queue_message import queue_message
from referral.storage import directory, outbox
from tests.database import MASTER_KEY, NOW, ClinicFixture, Clock
from tests.provider import FakeProvider, provider_server
from tests.services.sending import EVENING, asked

MORNING = EVENING.replace(hour=16)  # 9:00 in Denver, of the same day


def values(clinic: ClinicFixture, provider: FakeProvider) -> dict[str, Any]:
    return {
        "database_url": clinic.database.url,
        "redis_url": "redis://127.0.0.1:1/0",
        "embedded": True,
        "demo": False,
        "master_key": MASTER_KEY,
        "base_url": "https://portal.example",
        "sms_url": provider.sms_url,
        "fax_url": provider.fax_url,
    }


def ready_message(clinic: ClinicFixture, channel: Channel) -> outbox.Message:
    """A message by this channel, the only one of its clinic that is to leave."""
    referral = asked(clinic, email="")
    with clinic.transaction() as session:
        if channel is Channel.SMS:
            sms = Contact(
                id=f"sms-{uuid.uuid4()}", channel=channel, address="303-555-0121", source="directory"
            )
            directory.add_contact(session, referral.clinician_id, sms, None)
            queue_message(session, referral, MessageKind.REMINDER, sms, NOW, ordinal=1)
        found = outbox.find(session, referral_id=referral.id)
        for other in found:
            if other.channel is not channel:
                outbox.settle(session, other, MessageState.CANCELLED)
        return next(message for message in found if message.channel is channel)


def now_of(clinic: ClinicFixture, message: outbox.Message) -> outbox.Message:
    with clinic.transaction() as session:
        found = outbox.get(session, message.id)
    assert found is not None
    return found


@pytest.mark.parametrize("channel", [Channel.SMS, Channel.FAX])
@pytest.mark.parametrize(("how", "accepted_once"), [("hang-after", True), ("hang-before", False)])
def test_a_worker_killed_during_the_call_leaves_a_doubt_that_the_provider_settles(
    clinic: ClinicFixture, renderer: Renderer, channel: Channel, how: str, accepted_once: bool
) -> None:
    with provider_server(FakeProvider(behaviour=how)) as provider:
        message = ready_message(clinic, channel)
        settings = values(clinic, provider)
        made = build_runtime(Settings(**settings), pool_size=1)
        made.database.close()
        clock = Clock(EVENING)
        work = Delivery(
            database=clinic.database,
            channels=made.channels,
            renderer=renderer,
            base_url="https://portal.example",
            now=clock,
        )
        deliver_due(work, clinic.id)
        assert now_of(clinic, message).state is MessageState.READY
        given = {"settings": settings, "clinic": clinic.id, "now": MORNING.isoformat()}
        command = [sys.executable, "-m", "tests.services.dying_worker", json.dumps(given)]
        with subprocess.Popen(command) as worker:
            assert provider.reached.wait(30)
            worker.kill()
        assert now_of(clinic, message).state is MessageState.SENDING
        assert len(provider.accepted) == int(accepted_once)
        provider.behaviour = "accept"
        clock.now = MORNING
        for _ in range(6):
            clock.forward(90)
            deliver_due(work, clinic.id)
        settled = now_of(clinic, message)
        (one,) = provider.accepted.values()
        assert (settled.state, settled.provider_reference) == (MessageState.ACCEPTED, one.id)
        assert provider.per_key == {str(provider_key(message.id, 1)): 1}
        assert provider.lookups >= 1
        assert clock.now - MORNING < timedelta(minutes=10)
