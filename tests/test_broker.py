"""The mended Redis transport, on a real Valkey."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
import redis
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.message import Message
from kombu.transport import TRANSPORT_ALIASES
from redis.exceptions import ConnectionError as BrokerGone

from referral.embedded import Engines
from referral.workers import broker


@pytest.fixture
def taken(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Connection, Message]]:
    """A message that was taken and not acknowledged."""
    monkeypatch.setitem(TRANSPORT_ALIASES, "redis", TRANSPORT_ALIASES["redis"])  # put back afterwards
    broker.install()
    url = engines.redis_url.replace("unix://", "redis+socket://")
    with Connection(url) as connection:
        queue = Queue(f"test-broker-{uuid.uuid4()}", channel=connection.default_channel)
        queue.declare()
        connection.Producer().publish({}, routing_key=queue.name)
        message = queue.get(no_ack=False)
        assert message is not None
        yield connection, message


def test_acknowledging_after_the_broker_went_is_a_connection_error(
    taken: tuple[Connection, Message],
) -> None:
    connection, message = taken
    known = connection.connection_errors
    connection.close()  # as Celery does when it notices
    with pytest.raises(BrokerGone):
        message.ack()
    assert BrokerGone in known  # so Celery connects again instead of giving up


def test_an_acknowledged_message_is_in_nobodys_hand(
    engines: Engines, taken: tuple[Connection, Message]
) -> None:
    _, message = taken
    with redis.Redis.from_url(engines.redis_url) as client:
        assert client.hexists("unacked", message.delivery_tag)
        message.ack()
        assert not client.hexists("unacked", message.delivery_tag)
