"""Delivers what is due: claim, render, store, send, record; no call to the outside inside a transaction.

Each message is worked on in short transactions. Whoever dies in between leaves a lease that runs out: what
was being rendered is rendered again; what was being sent is sent again only where that is harmless, else
parked.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from referral.channels.base import Channels, Envelope, Outcome, Sent
from referral.domain.errors import ReferralError
from referral.domain.outgoing import (
    AT_ONCE,
    MAX_TRIES,
    ONLY_WHILE_OPEN,
    MessageState,
    provider_key,
    retry_delay,
)
from referral.services import note_delivery
from referral.services.calendars import calendar_for
from referral.services.prepare_message import Renderer, draw, gather, store
from referral.storage import clinics, directory, documents, outbox, referrals
from referral.storage.db import Database, Session
from referral.storage.outbox import Message

log = structlog.get_logger(__name__)
_BATCH: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What delivering needs; one per worker process. `fraction` gives the jitter of retries, in [0, 1)."""

    database: Database
    channels: Channels
    renderer: Renderer
    base_url: str
    now: Callable[[], datetime]
    fraction: Callable[[], float] = random.random


def deliver_due(delivery: Delivery, clinic_id: str) -> int:
    """Work off all that is due in one clinic; returns how many messages were taken. Safe to run twice."""
    taken = 0
    while True:
        with delivery.database.transaction(clinic_id) as session:
            batch = outbox.claim(session, delivery.now(), _BATCH)
        for message in batch:
            _deliver_safely(delivery, clinic_id, message)
        taken += len(batch)
        if len(batch) < _BATCH:
            return taken


def _deliver_safely(delivery: Delivery, clinic_id: str, message: Message) -> None:
    """One message's trouble is not another's: a bug is logged with its traceback and tried again later."""
    try:
        if outbox.is_poison(message):
            _park(delivery, clinic_id, message, "It has stopped its worker several times.")
        elif message.state is MessageState.SENDING:
            _resume_sending(delivery, clinic_id, message)
        else:
            _deliver(delivery, clinic_id, message)
    except ReferralError as error:
        _park(delivery, clinic_id, message, str(error))
    except Exception as error:
        log.exception("message.failed", message=str(message.id), kind=message.kind)
        _retry(
            delivery,
            clinic_id,
            message,
            Sent(Outcome.LATER, reason=f"internal error ({type(error).__name__})"),
        )


def _deliver(delivery: Delivery, clinic_id: str, message: Message) -> None:
    if message.envelope_id is None:
        _prepare(delivery, clinic_id, message)
    with delivery.database.transaction(clinic_id) as session:
        envelope = _last_look(session, message, delivery.now())
    if envelope is not None:
        _send(delivery, clinic_id, message, envelope)


def _prepare(delivery: Delivery, clinic_id: str, message: Message) -> None:
    now = delivery.now()
    with delivery.database.transaction(clinic_id) as session:
        material = gather(session, message, delivery.base_url, now)
        seal_key = session.vault.open(material.clinic.wrapped_key, material.clinic.seal_key, "seal-key")
    finished = draw(message, material, delivery.renderer, delivery.channels, seal_key, now)
    with delivery.database.transaction(clinic_id) as session:
        # The fence first: whoever lost the row meanwhile must not leave a second credential behind.
        if outbox.move(session, message, MessageState.RENDERING):
            outbox.move(
                session, message, MessageState.RENDERING, **store(session, message, material, finished, now)
            )
            note_delivery.prepared(session, message, finished.letter_id, now)


def _last_look(session: Session, message: Message, now: datetime) -> Envelope | None:
    """Just before the call: still wanted, within hours, recipient on file? None when not to be sent now."""
    current = outbox.get(session, message.id, lock=True)
    if current is None or current.attempts != message.attempts or current.state is not MessageState.RENDERING:
        return None
    referral = referrals.get(session, message.referral_id)
    clinician = directory.get_clinician(session, referral.clinician_id)
    contact = next((c for c in clinician.contacts if c.id == message.contact_id), None)
    if contact is None or (message.kind in ONLY_WHILE_OPEN and not referral.is_open):
        outbox.move(session, current, MessageState.CANCELLED, finished_at=now)
        return None
    calendar = calendar_for(clinics.current(session), clinician.time_zone)
    if message.kind not in AT_ONCE and not calendar.is_open(now):
        outbox.move(
            session, current, MessageState.READY, not_before=calendar.next_opening(now), lease_until=None
        )
        return None
    content = documents.get(session, str(current.envelope_id)).content
    outbox.move(session, current, MessageState.SENDING)
    return Envelope(contact.address, content, provider_key(message.id, message.generation))


def _send(delivery: Delivery, clinic_id: str, message: Message, envelope: Envelope) -> None:
    transport = delivery.channels.transport(message.channel)
    sent = transport.send(envelope)
    now = delivery.now()
    if sent.outcome is Outcome.ACCEPTED:
        with delivery.database.transaction(clinic_id) as session:
            values = {
                "provider_reference": sent.reference,
                "sent_for_real": transport.is_real,
                "finished_at": now,
            }
            if outbox.move(session, message, MessageState.ACCEPTED, last_error=None, **values):
                note_delivery.accepted(session, message, now, is_real=transport.is_real)
    elif sent.outcome is Outcome.LATER:
        _retry(delivery, clinic_id, message, sent)
    else:
        state = MessageState.FAILED if sent.outcome is Outcome.REFUSED else MessageState.UNKNOWN
        _end(delivery, clinic_id, message, state, sent.reason or "")


def _resume_sending(delivery: Delivery, clinic_id: str, message: Message) -> None:
    """Its sender died during the call: repeat where the provider knows the key, else let a person decide."""
    transport = delivery.channels.transport(message.channel)
    if not transport.repeatable:
        _end(delivery, clinic_id, message, MessageState.UNKNOWN, "the worker stopped while it was being sent")
        return
    with delivery.database.transaction(clinic_id) as session:
        current = outbox.get(session, message.id, lock=True)
        contact = None
        if current is not None and current.attempts == message.attempts:
            clinician = directory.get_clinician(
                session, referrals.get(session, message.referral_id).clinician_id
            )
            contact = next((c for c in clinician.contacts if c.id == message.contact_id), None)
            content = documents.get(session, str(current.envelope_id)).content
    if contact is not None:
        _send(
            delivery,
            clinic_id,
            message,
            Envelope(contact.address, content, provider_key(message.id, message.generation)),
        )


def _retry(delivery: Delivery, clinic_id: str, message: Message, sent: Sent) -> None:
    if message.attempts >= MAX_TRIES:
        _park(delivery, clinic_id, message, sent.reason or "the provider did not answer")
        return
    now = delivery.now()
    not_before = now + retry_delay(message.attempts, delivery.fraction())
    with delivery.database.transaction(clinic_id) as session:
        current = outbox.get(session, message.id, lock=True)
        if current is not None and current.attempts == message.attempts:
            state = MessageState.READY if current.envelope_id else MessageState.QUEUED
            outbox.move(
                session, current, state, not_before=not_before, last_error=sent.reason, lease_until=None
            )


def _park(delivery: Delivery, clinic_id: str, message: Message, reason: str) -> None:
    _end(delivery, clinic_id, message, MessageState.DEAD, reason)


def _end(delivery: Delivery, clinic_id: str, message: Message, state: MessageState, reason: str) -> None:
    """Failed, unknown or dead: recorded once, and shown to the people who can do something."""
    now = delivery.now()
    with delivery.database.transaction(clinic_id) as session:
        if outbox.move(session, message, state, last_error=reason, finished_at=now):
            note_delivery.ended(session, message, state, reason, now)
