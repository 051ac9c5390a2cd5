"""What every channel has in common, and the outbox viewer that stands in where no provider is configured."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from referral.channels.return_address import ReturnAddresses
from referral.domain.codes import Channel
from referral.domain.errors import ReferralError
from referral.domain.providers import Limits


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

    `bad_address` says that this mailbox or number does not exist: a busy line or a full mailbox is none.
    `retry_after` is how long the provider has asked us to stay away. `about_provider` is False where LATER
    concerns this recipient alone, such as a busy line: that says nothing about the provider.
    `others` are further names under which a look-up may have found it: each is that of one message with the
    same words.
    """

    outcome: Outcome
    reference: str | None = None
    reason: str | None = None
    retry_after: timedelta | None = None
    about_provider: bool = True
    bad_address: bool = False
    others: tuple[str, ...] = ()


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
    key is harmless. `at_once` is how many calls one worker process may have open at a time. No call takes
    longer than LONGEST_CALL.
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

        ACCEPTED with its reference, REFUSED where it was tried and given up, LATER where it certainly never
        had it, UNKNOWN where it cannot be asked just now, None where it cannot say.
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
    """One transport per channel of this installation.

    `returns` is where mail that comes back is read; `limits` are those of providers by name.
    """

    transports: dict[Channel, Transport]
    mail_from: str
    returns: ReturnAddresses | None = None
    limits: Mapping[str, Limits] = field(default_factory=dict)

    @property
    def names(self) -> dict[Channel, str]:
        """The provider of each channel."""
        return {channel: transport.name for channel, transport in self.transports.items()}

    @property
    def real(self) -> frozenset[Channel]:
        """Channels by which something leaves the house."""
        return frozenset(channel for channel, transport in self.transports.items() if transport.is_real)

    def limits_of(self, transport: Transport) -> Limits:
        return self.limits.get(transport.name, Limits())

    def transport(self, channel: Channel) -> Transport:
        return self.transports[channel]
