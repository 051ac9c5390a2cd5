"""Messages of which nobody knows whether they left: their worker died during the call, or it broke off.

Within a day a provider that knows keys is given the same one again, if the message is still wanted and its
recipient's office is open. Else the provider is asked. What it cannot say, a person has to decide.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from referral.domain.outgoing import KEY_KEPT, LEASE, MAX_CRASHES, MessageState, asked_together
from referral.services import note_delivery
from referral.services.batches import Delivery, Work, write_together
from referral.services.calls import Batch, Call
from referral.services.send_batch import calendars_for, claimed, envelope_for, opening_for
from referral.services.still_wanted import sort
from referral.storage import contacts, dispatch, documents
from referral.storage.db import Session
from referral.storage.dispatch import Change, Held
from referral.storage.outbox import Message

log = structlog.get_logger(__name__)
_POISON = "It has stopped its worker several times while it was being sent."
_NO_BYTES = "The worker stopped while it was being sent, and its stored bytes are missing."


@dataclass(frozen=True, slots=True)
class _Parked:
    message: Message
    reason: str


@dataclass(slots=True)
class _Doubts:
    changes: list[Change] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    parked: list[_Parked] = field(default_factory=list)


def claim_doubtful(delivery: Delivery, clinic_id: str, batch: Batch) -> tuple[list[Call], list[Message]]:
    """As send_batch.claim() for what is in state `sending` and due to be looked into."""
    now = delivery.now()
    with delivery.database.transaction(clinic_id) as session:
        held = _alike(dispatch.left_sending(session, batch.channel, now, batch.places))
        doubts = _sorted(delivery, session, batch, held, now)
        dispatch.write(session, doubts.changes)
    write_together(delivery, clinic_id, doubts.parked, _park(delivery), _trouble)
    return doubts.calls, [one.message for one in held]


def _alike(held: Sequence[Held]) -> Sequence[Held]:
    """Fewer at once the more often their workers have died, as in drawing: innocent ones outlive it."""
    if all(one.message.in_doubt for one in held):
        return held
    crashes, same = dispatch.fewest_crashes(held)
    return same[: asked_together(crashes + 1)]


def _sorted(
    delivery: Delivery, session: Session, batch: Batch, held: Sequence[Held], now: datetime
) -> _Doubts:
    kept = documents.get_many(session, [str(one.message.envelope_id) for one in held])
    addresses = contacts.get_many(session, [one.message.contact_id for one in held])
    repeats_at = _repetitions(session, batch, held, now)
    doubts = _Doubts()
    for one in held:
        # A doubt that a living worker has written down is no crash.
        message = claimed(one.message, now, crashes=0 if one.message.in_doubt else 1)
        doubts.changes.append(Change(one.message, message, lease_until=now + LEASE))
        document = kept.get(str(message.envelope_id))
        if document is None or message.crashes >= MAX_CRASHES:
            doubts.parked.append(_Parked(message, _NO_BYTES if document is None else _POISON))
            continue
        address = addresses[message.contact_id].address
        envelope = envelope_for(delivery, session.clinic, message, address, document)
        at = repeats_at.get(message.id)
        asks = at is None or at > now
        doubts.calls.append(Call(message=message, envelope=envelope, asks=asks, repeats_at=at))
    return doubts


def _repetitions(
    session: Session, batch: Batch, held: Sequence[Held], now: datetime
) -> dict[uuid.UUID, datetime]:
    """When each may be sent again with the same key; what is too late or not wanted any more is missing."""
    if not batch.transport.repeatable:
        return {}
    found: dict[uuid.UUID, datetime] = {}
    wanted_ones = sort(session, held, now).wanted
    calendars = calendars_for(session, wanted_ones)
    for wanted in wanted_ones:
        at = opening_for(calendars, wanted, now)
        if at - (wanted.message.sending_since or now) < KEY_KEPT:
            found[wanted.message.id] = at
    return found


def _park(delivery: Delivery) -> Work[_Parked]:
    def write(session: Session, pairs: Sequence[tuple[_Parked, Held]]) -> None:
        for one, held in pairs:
            note_delivery.ended(session, held.message, MessageState.UNKNOWN, one.reason, delivery.now())

    return write


def _trouble(one: _Parked, error: Exception) -> None:
    """It stays in doubt, and is looked into again when its lease has run out."""
    log.error("message.left", message=str(one.message.id), kind=one.message.kind, exc_info=error)
