"""What every channel has in common, and the outbox viewer that stands in where no provider is configured."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from referral.channels.return_address import ReturnAddresses
from referral.domain.codes import Channel
from referral.domain.errors import ReferralError


class UnusableAddress(ReferralError):
    """Nothing can be sent to this contact as it stands; says why without quoting it."""


class Outcome(StrEnum):
    """ACCEPTED: the provider has it. REFUSED: for good. LATER: not now. UNKNOWN: it may have it.

    BY_HAND: a person of the clinic hands it over and says so.
    """

    ACCEPTED = "accepted"
    REFUSED = "refused"
    LATER = "later"
    UNKNOWN = "unknown"
    BY_HAND = "by-hand"


@dataclass(frozen=True, slots=True)
class Sent:
    """`reason` is a short technical sentence without personal data; `reference` is the provider's.

    `retry_after` is how long it wants to be left alone. `about_provider` is False where a LATER concerns this
    recipient only. `bad_address`: this number or mailbox does not exist, or is none of its kind.
    """

    outcome: Outcome
    reference: str | None = None
    reason: str | None = None
    retry_after: timedelta | None = None
    about_provider: bool = True
    bad_address: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Finished bytes for one address. `key` is the same for every try of one generation of a message.

    `reports_to` is where a provider tells what became of it, "" where nobody listens.
    """

    address: str
    content: bytes
    key: uuid.UUID
    content_type: str = "text/plain; charset=utf-8"
    reports_to: str = ""


class Fate(StrEnum):
    """What became of a message that a provider had accepted; PENDING is no news."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Progress:
    """`reason` is a short technical sentence without personal data; `bad_address` as in Sent."""

    fate: Fate
    reason: str | None = None
    bad_address: bool = False


class Transport(Protocol):
    """`name` is the provider, as caps, circuit breaker and metrics count it.

    `is_real` is False where nothing leaves the house. `repeatable` is True where a second send with the same
    key is harmless. `at_once` is how many calls one worker process may have open at a time.
    """

    name: str
    is_real: bool
    repeatable: bool
    at_once: int

    def send(self, envelope: Envelope) -> Sent:
        """Hand the bytes over. Never raises for what a provider does: that is an outcome."""
        ...

    def look_up(self, envelope: Envelope, since: datetime) -> Sent | None:
        """What the provider knows of an envelope whose outcome is unknown, first tried at `since`.

        ACCEPTED with its reference, LATER where it certainly never had it, None where it cannot say.
        """
        ...

    def progress(self, reference: str) -> Progress:
        """What became of what it accepted, for providers that have to be asked."""
        ...


class OutboxViewer:
    """Delivers to a page that shows every message as its recipient would get it, marked as not sent."""

    name = "outbox"
    is_real = False
    repeatable = True
    at_once = 1

    def send(self, envelope: Envelope) -> Sent:
        return Sent(Outcome.ACCEPTED, reference=f"outbox:{envelope.key}")

    def look_up(self, envelope: Envelope, since: datetime) -> Sent | None:  # noqa: ARG002 - the protocol's
        return self.send(envelope)

    def progress(self, reference: str) -> Progress:  # noqa: ARG002 - the protocol's
        return Progress(Fate.PENDING)


@dataclass(frozen=True, slots=True)
class Channels:
    """One transport per channel of this installation. `returns` where mail that comes back is read."""

    transports: dict[Channel, Transport]
    mail_from: str
    returns: ReturnAddresses | None = None

    @property
    def real(self) -> frozenset[Channel]:
        """Channels by which something leaves the house."""
        return frozenset(channel for channel, transport in self.transports.items() if transport.is_real)

    def transport(self, channel: Channel) -> Transport:
        return self.transports[channel]
