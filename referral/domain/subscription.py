"""Subscriptions of other systems: their states, bounds and retries (docs/adr/0015)."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final

# How often in a row a receiver may fail before its subscription is set to `error`: about three hours.
MAX_TRIES: Final = 10
# A handshake that fails ends in `error` at once, as the backport guide says: somebody is waiting for it.
MAX_HANDSHAKES: Final = 1
# Longer than the longest call with a look-up of its name, and not much: another worker waits for it.
LEASE: Final = timedelta(seconds=60)
HEARTBEAT_SECONDS: Final = (60, 604_800)
TIMEOUT_SECONDS: Final = (1, 20)
USUAL_TIMEOUT: Final = 10
EVENTS_AT_ONCE: Final = (1, 100)
USUAL_EVENTS_AT_ONCE: Final = 20
MOST_PER_CLIENT: Final = 50
MOST_FILTERS: Final = 10
# Events are kept for `$events` so long; so long, too, a subscription in error collects what it misses.
KEPT: Final = timedelta(days=30)
# After a restore the numbers leap, so that none that was sent before is used again for something else.
LEAP: Final = 1_000_000
_FIRST_WAIT_SECONDS: Final = 5
_LONGEST_WAIT: Final = timedelta(hours=1)


class SubscriptionStatus(StrEnum):
    """requested → active → error; off by the client, by its end, or with its client."""

    REQUESTED = "requested"
    ACTIVE = "active"
    ERROR = "error"
    OFF = "off"


class Content(StrEnum):
    """How much of a resource a notification carries."""

    EMPTY = "empty"
    ID_ONLY = "id-only"


class NoticeType(StrEnum):
    """Why a status is told (R5 subscription-notification-type)."""

    HANDSHAKE = "handshake"
    HEARTBEAT = "heartbeat"
    EVENT = "event-notification"
    QUERY_STATUS = "query-status"
    QUERY_EVENT = "query-event"


class Topic(StrEnum):
    """The last part of the canonical URL."""

    TASK = "task"
    SERVICE_REQUEST = "servicerequest"
    GATE = "gate"


def retry_delay(tries: int, fraction: float) -> timedelta:
    """Half of 5 s × 2^tries for sure, `fraction` in [0, 1) of the other half; an hour at most."""
    seconds: int = _FIRST_WAIT_SECONDS * 2 ** min(tries, 12)
    return min(timedelta(seconds=seconds), _LONGEST_WAIT) * (0.5 + fraction / 2)
