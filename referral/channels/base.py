"""What every channel has in common, and the outbox viewer that stands in where no provider is configured."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from referral.domain.codes import Channel
from referral.domain.errors import ReferralError


class UnusableAddress(ReferralError):
    """Nothing can be sent to this contact as it stands; says why without quoting it."""


class Outcome(StrEnum):
    """ACCEPTED: the provider has it. REFUSED: for good. LATER: not now. UNKNOWN: it may have it."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    LATER = "later"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Sent:
    """`reason` is a short technical sentence without personal data; `reference` is the provider's."""

    outcome: Outcome
    reference: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """Finished bytes for one address. `key` is the same for every try of one generation of a message."""

    address: str
    content: bytes
    key: uuid.UUID


class Transport(Protocol):
    """`is_real` is False where nothing leaves the house.

    `repeatable` is True where a second send with the same key is harmless.
    """

    is_real: bool
    repeatable: bool

    def send(self, envelope: Envelope) -> Sent:
        """Hand the bytes over. Never raises for what a provider does: that is an outcome."""
        ...


class OutboxViewer:
    """Delivers to a page that shows every message as its recipient would get it, marked as not sent."""

    is_real = False
    repeatable = True

    def send(self, envelope: Envelope) -> Sent:
        return Sent(Outcome.ACCEPTED, reference=f"outbox:{envelope.key}")


@dataclass(frozen=True, slots=True)
class Channels:
    """One transport per channel of this installation."""

    transports: dict[Channel, Transport]
    mail_from: str

    @property
    def real(self) -> frozenset[Channel]:
        """Channels by which something leaves the house."""
        return frozenset(channel for channel, transport in self.transports.items() if transport.is_real)

    def transport(self, channel: Channel) -> Transport:
        return self.transports[channel]
