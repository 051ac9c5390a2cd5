"""The second stage of a delivery: stored bytes are claimed for sending, after a last look.

A batch is no larger than the calls that begin with it, so `sending` means that a call was begun or was just
about to be. The last look comes directly before, in the transaction of the claim and with requests locked.

Crashes, and what they leave: before the claim is committed nothing; from then until the outcome is committed
rows in `sending`, whether the call was made or not. When their lease has run out they are looked into
(services/look_into_doubt), and never sent blindly. The places that a dead worker held at a provider are free
after half a minute. What is not wanted any more is ended in a transaction of its own: whoever
dies before that leaves it as it was, due and not sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from referral.channels.base import Envelope
from referral.domain.calendar import BusinessCalendar, Hours
from referral.domain.contacts import may_carry
from referral.domain.outgoing import (
    AT_ONCE,
    EVEN_WHEN_CLOSED,
    LEASE,
    MAX_TRIES,
    MessageKind,
    MessageState,
    provider_key,
    retry_delay,
)
from referral.services import note_delivery
from referral.services.batches import Delivery, Work, write_together
from referral.services.calendars import business_calendar, calendars_of, calendars_of_patients
from referral.services.calls import Batch, Call
from referral.services.still_wanted import Wanted, cancel, end_lost, sort
from referral.storage import dispatch, documents, outbox
from referral.storage.db import Session
from referral.storage.dispatch import Change, Held
from referral.storage.documents import Document
from referral.storage.outbox import Message

log = structlog.get_logger(__name__)
_NO_BYTES = "Its stored bytes are missing."


@dataclass(frozen=True, slots=True)
class _Unsent:
    """A message that is not sent, and why where it should have been."""

    message: Message
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Look:
    """`later` are those whose recipient's office is closed now, with its next opening."""

    now: list[Wanted] = field(default_factory=list)
    later: list[tuple[Message, datetime]] = field(default_factory=list)
    unwanted: list[_Unsent] = field(default_factory=list)


def claim(delivery: Delivery, clinic_id: str, batch: Batch) -> tuple[list[Call], list[Message]]:
    """The calls to begin now, at most as many as there are places; and every message that was looked at."""
    now = delivery.now()
    with delivery.database.transaction(clinic_id) as session:
        held = dispatch.to_send(session, batch.channel, now, batch.places, urgent=batch.is_urgent)
        look = _last_look(session, held, now)
        kept = documents.get_many(session, [str(wanted.message.envelope_id) for wanted in look.now])
        calls = _calls(delivery, clinic_id, look, kept, now)
        dispatch.write(session, _claims(calls, look, now))
        later = [Change(message, message._replace(not_before=at)) for message, at in look.later]
        dispatch.write(session, later, postpone=True)
    write_together(delivery, clinic_id, look.unwanted, _end(delivery), _trouble(delivery, clinic_id))
    return calls, [one.message for one in held]


def _last_look(session: Session, held: Sequence[Held], now: datetime) -> _Look:
    found, look = sort(session, held, now), _Look()
    look.unwanted.extend(_Unsent(held.message) for held in found.senseless)
    look.unwanted.extend(_Unsent(lost.held.message) for lost in found.lost)
    thanks = [w.message.referral_id for w in found.wanted if w.message.kind is MessageKind.THANK_YOU]
    thanked = outbox.with_letter(session, thanks) if thanks else frozenset()
    calendars = calendars_for(session, found.wanted)
    for wanted in found.wanted:
        message = wanted.message
        if message.kind is MessageKind.THANK_YOU and (
            message.referral_id not in thanked or not may_carry(wanted.to.contact, message.kind)
        ):
            # Its record is drawn. The answer came another way, and this clinician has had no letter of ours,
            # or only one to a fax number that nobody has confirmed.
            look.unwanted.append(_Unsent(message))
        elif (opening := opening_for(calendars, wanted, now)) > now:
            look.later.append((message, opening))
        else:
            look.now.append(wanted)
    return look


def calendars_for(session: Session, wanted: Sequence[Wanted]) -> dict[str, BusinessCalendar]:
    """Those of the recipients, by 'clinician' or 'patient' and their id.

    What waits for no closed office has the calendar of its recipient's time zone, by 'zone' and its name.
    """
    to = [one.to for one in wanted]
    zones = {one.to.clinician.time_zone for one in wanted if one.message.kind in EVEN_WHEN_CLOSED}
    offices = calendars_of(session, (one.clinician for one in to if one.patient is None))
    homes = calendars_of_patients(session, (one.patient for one in to if one.patient is not None))
    return (
        {f"clinician {id}": one for id, one in offices.items()}
        | {f"patient {id}": one for id, one in homes.items()}
        | {f"zone {name}": business_calendar(name, Hours()) for name in zones}
    )


def opening_for(calendars: Mapping[str, BusinessCalendar], wanted: Wanted, now: datetime) -> datetime:
    """When it may go out: now, or when its recipient's business hours begin next; see calendars_for()."""
    if wanted.message.kind in AT_ONCE:
        return now
    to = wanted.to
    if wanted.message.kind in EVEN_WHEN_CLOSED:
        return calendars[f"zone {to.clinician.time_zone}"].next_opening(now)
    key = f"clinician {to.clinician.id}" if to.patient is None else f"patient {to.patient.id}"
    return calendars[key].next_opening(now)


def _calls(
    delivery: Delivery, clinic_id: str, look: _Look, kept: dict[str, Document], now: datetime
) -> list[Call]:
    calls = []
    for wanted in look.now:
        document = kept.get(str(wanted.message.envelope_id))
        if document is None:
            look.unwanted.append(_Unsent(wanted.message, _NO_BYTES))
            continue
        envelope = envelope_for(delivery, clinic_id, wanted.message, wanted.to.contact.address, document)
        calls.append(Call(message=claimed(wanted.message, now), envelope=envelope))
    return calls


def envelope_for(
    delivery: Delivery, clinic_id: str, message: Message, address: str, document: Document
) -> Envelope:
    """What a transport is given; the key is the same for every try of this generation."""
    name = delivery.channels.transport(message.channel).name
    return Envelope(
        address=address,
        content=document.content,
        key=provider_key(message.id, message.generation),
        content_type=document.content_type,
        reports_to=f"{delivery.base_url}/hooks/{name}/{clinic_id}/{message.id}.{message.generation}",
    )


def claimed(message: Message, now: datetime, *, crashes: int = 0) -> Message:
    """As it is written when its call is about to begin."""
    return message._replace(
        state=MessageState.SENDING,
        attempts=message.attempts + 1,
        crashes=message.crashes + crashes,
        in_doubt=False,
        sending_since=message.sending_since or now,
    )


def _claims(calls: Iterable[Call], look: _Look, now: datetime) -> list[Change]:
    before = {wanted.message.id: wanted.message for wanted in look.now}
    return [Change(before[call.message.id], call.message, lease_until=now + LEASE) for call in calls]


def _end(delivery: Delivery) -> Work[_Unsent]:
    def write(session: Session, pairs: Sequence[tuple[_Unsent, Held]]) -> None:
        now = delivery.now()
        broken = {held.message.id: one.reason for one, held in pairs if one.reason}
        found = sort(session, [held for _, held in pairs], now)
        thankless = [wanted.message for wanted in found.wanted if wanted.message.id not in broken]
        cancel(session, [*(held.message for held in found.senseless), *thankless], now)
        end_lost(session, found.lost, now)
        for wanted in found.wanted:
            if reason := broken.get(wanted.message.id):
                note_delivery.ended(session, wanted.message, MessageState.DEAD, reason, now)

    return write


def _trouble(delivery: Delivery, clinic_id: str) -> Callable[[_Unsent, Exception], None]:
    """It stays due, but not at once: it must not be what a worker finds first for ever."""

    def put_off(one: _Unsent, error: Exception) -> None:
        log.error("message.left", message=str(one.message.id), kind=one.message.kind, exc_info=error)
        with delivery.database.transaction(clinic_id) as session:
            held = dispatch.one(session, one.message)
            if held is not None and held.message.attempts == one.message.attempts:
                due = delivery.now() + retry_delay(held.message.tries + 1, delivery.fraction())
                after = held.message._replace(not_before=due, tries=min(held.message.tries + 1, MAX_TRIES))
                dispatch.write(session, [Change(held.message, after)], postpone=True)

    return put_off
