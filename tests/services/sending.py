"""A delivery whose clock and channels the test chooses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from referral.channels.base import Channels, Envelope, Fate, OutboxViewer, Outcome, Progress, Sent, Transport
from referral.channels.smtp import SmtpTransport
from referral.domain.codes import Channel
from referral.domain.outgoing import MessageState
from referral.domain.records import Referral
from referral.services import note_delivery
from referral.services.deliver_messages import Delivery
from referral.services.prepare_message import Renderer
from referral.storage import outbox, referrals
from referral.storage.db import Session
from tests.database import NOW, ClinicFixture, Clock
from tests.services import people

EVENING = datetime(2026, 11, 4, 3, 0, tzinfo=UTC)  # 20:00 in Denver


class Provider:
    """A provider that does what the test says: `then` runs during the call, `outcome` is its answer."""

    name = "scripted"
    is_real = True
    repeatable = False
    at_once = 1

    def __init__(
        self, outcome: Outcome = Outcome.ACCEPTED, reference: str = "ref", then: Callable[[], Any] = list
    ) -> None:
        self.outcome = outcome
        self.reference = reference
        self.then = then
        self.sent: list[Envelope] = []

    def send(self, envelope: Envelope) -> Sent:
        self.sent.append(envelope)
        self.then()
        return Sent(self.outcome, reference=self.reference, reason="as the test says")

    def look_up(self, envelope: Envelope, since: datetime) -> Sent | None:  # noqa: ARG002 - the protocol's
        """It cannot be asked."""
        return None

    def progress(self, reference: str) -> Progress:  # noqa: ARG002 - the protocol's
        return Progress(Fate.PENDING)


def delivery(
    clinic: ClinicFixture,
    renderer: Renderer,
    now: datetime = NOW,
    smtp_port: int | None = None,
    **channels: Transport,
) -> Delivery:
    """E-mail goes to the server on `smtp_port`; other channels may be given by name."""
    transports: dict[Channel, Transport] = {channel: OutboxViewer() for channel in Channel}
    if smtp_port is not None:
        transports[Channel.EMAIL] = SmtpTransport(
            "127.0.0.1",
            smtp_port,
            security="none",
            user=None,
            password=None,
            mail_from="desk@harborlight.example",
        )
    transports |= {Channel(name): transport for name, transport in channels.items()}
    return Delivery(
        database=clinic.database,
        channels=Channels(transports, "Harbor Light <desk@harborlight.example>"),
        renderer=renderer,
        base_url="https://portal.example",
        now=Clock(now),
        fraction=lambda: 0.5,
    )


def asked(clinic: ClinicFixture, **changes: object) -> Referral:
    with clinic.transaction() as session:
        return people.asked_once(session, clinic, **changes)


def reached(clinic: ClinicFixture, referral: Referral, now: datetime = NOW) -> Referral:
    """Its first letter has left: reminders never go before it."""
    with clinic.transaction() as session:
        first = only_message(session, referral)
        assert outbox.move(session, first, MessageState.ACCEPTED, finished_at=now)
        note_delivery.accepted(session, first, now, is_real=False)
        return referrals.get(session, referral.id)


def only_message(session: Session, referral: Referral) -> outbox.Message:
    (message,) = outbox.find(session, referral_id=referral.id)
    return message
