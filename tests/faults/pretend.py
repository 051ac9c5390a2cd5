"""The real services on a real database under a clock that only the test moves.

Sweep and delivery run whenever a row says that something is due, and every few hours in between, so that
whatever would happen without being due happens as well.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import pikepdf
from sqlalchemy import func, select

from referral.channels.base import Envelope, Fate, Outcome, Progress, Sent
from referral.domain.calls import CallReason
from referral.domain.codes import Channel
from referral.domain.outgoing import MessageKind, MessageState
from referral.domain.simulation import Cause, Entry, Happening, Scenario, Trouble
from referral.letters.content import Letter, ReceiptRecord
from referral.letters.report import ReportLetter
from referral.services.ask_clinic import ask_clinic
from referral.services.close_referral import cancel_referral
from referral.services.deliver_messages import Delivery, deliver_due
from referral.services.move_ladder import pause_request, resume_request
from referral.services.prepare_message import Drawn, Renderer
from referral.services.send_reminders import is_full, send_reminders
from referral.services.take_report import Report, take_report
from referral.storage import outbox, referrals, tables
from tests.database import ClinicFixture, Clock
from tests.services import people
from tests.services.sending import delivery

# Not a divisor of a day: over the days it comes to all hours.
_BETWEEN: Final = timedelta(hours=11)
_SWEEP: Final = timedelta(seconds=15)
_WAITING: Final = (MessageState.QUEUED, MessageState.READY)
# Events that a simulation does not tell: nothing is sent, asked or ended by them, or to the patient, whose
# contacts no scenario has.
_UNTOLD: Final = frozenset({"asked", "letter-ready", "patient-not-told"})


def _blank_sheet() -> bytes:
    """What goes by fax is joined behind a cover, so it has to be a PDF."""
    out, sheet = io.BytesIO(), pikepdf.new()
    sheet.add_blank_page()
    sheet.save(out)
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class Paper:
    pdf: bytes = _blank_sheet()


@dataclass(frozen=True, slots=True)
class Typist:
    """Letters at once: what is on them is no matter here, and drawing one takes longer than a pretended day.

    Records of answers are drawn, as they are sealed afterwards.
    """

    renderer: Renderer

    def letter(self, letter: Letter, style: Any = None) -> Paper:  # noqa: ARG002 - the protocol's
        return Paper()

    def receipt(self, record: ReceiptRecord) -> Drawn:
        return self.renderer.receipt(record)

    def report(self, letter: ReportLetter, fhir: bytes) -> Drawn:
        return self.renderer.report(letter, fhir)


@dataclass(slots=True)
class PretendProvider:
    """Takes everything, and writes down when; except in its troubles, and where it refuses for good."""

    channel: Channel
    now: Callable[[], datetime]
    refuses: bool = False
    troubles: tuple[Trouble, ...] = ()
    taken: list[tuple[datetime, Envelope]] = field(default_factory=list)
    is_real: bool = True
    repeatable: bool = True
    at_once: int = 1
    name: str = field(init=False)

    def __post_init__(self) -> None:
        # Each channel has a provider of its own: the trouble of one is not the other's.
        self.name = f"pretended-{self.channel}"

    def send(self, envelope: Envelope) -> Sent:
        now = self.now()
        if any(t.start <= now < t.end for t in self.troubles):
            return Sent(Outcome.LATER, reason="down")
        if self.refuses:
            return Sent(Outcome.REFUSED, reason="refused")
        self.taken.append((now, envelope))
        return Sent(Outcome.ACCEPTED, reference=f"{self.channel}-{len(self.taken)}")

    def look_up(self, envelope: Envelope, since: datetime) -> Sent | None:  # noqa: ARG002 - the protocol's
        return None

    def progress(self, reference: str) -> Progress:  # noqa: ARG002 - the protocol's
        return Progress(Fate.PENDING)


@dataclass(slots=True)
class World:
    """One clinic and its clock."""

    clinic: ClinicFixture
    clock: Clock
    delivery: Delivery
    troubles: tuple[Trouble, ...] = ()

    @property
    def now(self) -> datetime:
        return self.clock.now

    def is_down(self) -> bool:
        return any(t.start <= self.now < t.end for t in self.troubles if t.channel is None)

    def work(self) -> None:
        """One sweep and one delivery at this moment, as a worker does them."""
        if self.is_down():
            return
        full = True
        while full:
            with self.clinic.transaction() as session:
                full = is_full(send_reminders(session, self.now))
        deliver_due(self.delivery, self.clinic.id)

    def next_due(self) -> datetime | None:
        """When a row says that something has to be done."""
        with self.clinic.transaction() as session:
            step = session.connection.scalar(
                select(func.min(tables.referral.c.next_step_at)).where(
                    tables.referral.c.clinic_id == self.clinic.id
                )
            )
            letter = session.connection.scalar(
                select(func.min(tables.message.c.not_before)).where(
                    tables.message.c.clinic_id == self.clinic.id, tables.message.c.state.in_(_WAITING)
                )
            )
        moments = [moment for moment in (step, letter) if moment is not None]
        return self._after_trouble(min(moments)) if moments else None

    def _after_trouble(self, moment: datetime) -> datetime:
        for trouble in self.troubles:
            if trouble.channel is None and trouble.start <= moment < trouble.end:
                moment = trouble.end
        return moment

    def run(self, until: datetime, stops: Iterable[datetime] = ()) -> Iterator[datetime]:
        """Work and move on; yields each time at `stops`, before the work of that moment.

        Ends before `until` when no row says that anything will be due.
        """
        coming = sorted(stops)
        while self.now <= until:
            while coming and coming[0] <= self.now:
                yield coming.pop(0)
            self.work()
            due = self.next_due()
            if due is None and not coming:
                return
            ahead = [moment for moment in (due, *coming[:1], self.now + _BETWEEN) if moment is not None]
            # What was due and did not go waits for its provider to be probed: until the next sweep.
            self.clock.now = min(ahead) if min(ahead) > self.now else self.now + _SWEEP


def pretend(clinic: ClinicFixture, renderer: Renderer, scenario: Scenario) -> World:
    """At the start of a scenario, with its troubles; what happens in it is for the test."""
    clock = Clock(scenario.starts_at)
    providers: dict[str, Any] = {
        channel.value: PretendProvider(
            channel,
            clock,
            channel in scenario.refusing,
            tuple(trouble for trouble in scenario.troubles if trouble.channel is channel),
        )
        for channel in Channel
    }
    made = delivery(clinic, Typist(renderer), **providers)
    made = replace(made, now=clock, fraction=lambda: scenario.fraction)
    return World(clinic, clock, made, scenario.troubles)


def happen(world: World, referral_id: str, happening: Happening) -> None:
    """What a person or a provider does in a scenario, done to the services."""
    clinic, now = world.clinic, world.now
    with clinic.transaction() as session:
        referral = referrals.get(session, referral_id)
        if happening.cause is Cause.ANSWER:
            people.respond_with(session, clinic, referral, now=now)
        elif happening.cause is Cause.CANCEL:
            cancel_referral(session, clinic.actor, referral_id, referral.version, "not-needed", now)
        elif happening.cause is Cause.QUESTION:
            ask_clinic(session, people.portal_actor(clinic), referral_id, "question", "Which dose?", now)
        elif happening.cause is Cause.RESUME:
            resume_request(session, clinic.actor, referral_id, referral.version, now)
        elif happening.cause is Cause.PAUSE:
            assert happening.until is not None
            pause_request(session, clinic.actor, referral_id, referral.version, happening.until, now)
        else:
            assert happening.channel is not None
            sent = outbox.find(session, referral_id=referral_id, states=(MessageState.ACCEPTED,))
            newest = next(message for message in sent if message.channel == happening.channel)
            report = Report(
                "pretended", f"{newest.id}", newest.id, Fate.FAILED, "nobody here", now, bad_address=True
            )
            assert take_report(session, report, now)


def told(world: World, referral_id: str) -> list[Entry]:
    """The timeline that the services have kept, in the words of a simulation."""
    with world.clinic.transaction() as session:
        kept = referrals.events(session, referral_id)
        ordinals = {str(m.id): m.ordinal for m in outbox.find(session, referral_id=referral_id)}
    return [
        Entry(
            at=event.at,
            event=event.event,
            kind=MessageKind(event.detail["kind"]) if "kind" in event.detail else None,
            channel=Channel(event.detail["channel"]) if "channel" in event.detail else None,
            ordinal=event.detail.get("ordinal", ordinals.get(event.detail.get("message", ""))),
            skipped=tuple(event.detail.get("skipped", ())),
        )
        for event in kept
        # A call to confirm a number is for the directory, not for the request.
        if event.event not in _UNTOLD and event.detail.get("why") != CallReason.CONFIRM_NUMBER
    ]
