"""Kombu's Redis transport, with one defect of it mended.

When the broker goes away while a task is in hand, kombu 5.7 uses a channel whose connection it has closed
already: acknowledging the task, or giving it back, ends the whole worker with an AttributeError instead of
the connection error that Celery reconnects after.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis
from redis.exceptions import ConnectionError as BrokerGone


class Channel(redis.Channel):
    """A channel that says that its broker is gone in a way that Celery understands."""

    # A tick that is not given back when a channel closes costs a delay of one sweep.
    do_restore = False

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection is None or self.connection.client is None:
            raise BrokerGone("this channel's connection is closed")
        return super()._connparams(asynchronous)  # type: ignore[no-untyped-call]


class Transport(redis.Transport):
    """What `redis://` and `redis+socket://` mean to this process once `install` was called."""

    Channel = Channel


def install() -> None:
    """Let Celery use it for every Redis address."""
    TRANSPORT_ALIASES["redis"] = f"{__name__}:{Transport.__qualname__}"
