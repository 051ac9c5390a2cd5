"""Delivers what is due: claim, render, store, send, record; no call to the outside inside a transaction.

Messages are claimed one by one: a lease covers the work on one message, however long the queue and however
slow a provider is. Each is worked on in short transactions. Whoever dies in between leaves a lease that runs
out: what was being rendered is rendered again; what was being sent is sent again only where that is harmless,
else parked.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from referral.channels.base import Channels, Envelope, Outcome, Sent, Transport, UnusableAddress
from referral.domain.credential import CODE_LIFETIME
from referral.domain.errors import ReferralError, StaleVersion, Unavailable
from referral.domain.outgoing import (
    AT_ONCE,
    LEASE,
    MAX_TRIES,
    WHILE_STANDING,
    MessageKind,
    MessageState,
    makes_sense,
    provider_key,
    retry_delay,
)
from referral.domain.records import Referral
from referral.services import note_delivery
from referral.services.calendars import calendar_of
from referral.services.prepare_message import Recipient, Renderer, draw, gather, store
from referral.storage import directory, documents, outbox, referrals, standings
from referral.storage.db import Database, Session
from referral.storage.outbox import Message

log = structlog.get_logger(__name__)
# A task ends well before Celery would end it; what is left is the next task's, or the next sweep's.
_LONGEST: Final = timedelta(seconds=40)


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
    """Work off what is due in one clinic; returns how many messages were taken. Safe to run twice.

    Ends after 40 seconds even if more is due.
    """
    started, taken = delivery.now(), 0
    while delivery.now() - started < _LONGEST:
        with delivery.database.transaction(clinic_id) as session:
            claimed = outbox.claim(session, delivery.now(), 1)
        if not claimed:
            break
        _deliver_safely(delivery, clinic_id, claimed[0])
        taken += 1
    return taken


def _deliver_safely(delivery: Delivery, clinic_id: str, message: Message) -> None:
    """One message's trouble is not another's. Before the call it is tried again; after it nobody knows."""
    try:
        if outbox.is_poison(message):
            _end(delivery, clinic_id, message, MessageState.DEAD, "It has stopped its worker several times.")
            return
        resumed = message.state is MessageState.SENDING
        find = _envelope_again if resumed else _envelope_safely
        envelope = find(delivery, clinic_id, message)
        if envelope is not None:
            _send(delivery, clinic_id, message, envelope)
    except Exception:
        # The row stays as it is: when its lease has run out, it is treated like one whose worker died.
        log.exception("message.left", message=str(message.id), kind=message.kind)


def _envelope_safely(delivery: Delivery, clinic_id: str, message: Message) -> Envelope | None:
    """What is to be handed over now; None when it waits or has ended, which is recorded then."""
    try:
        return _envelope(delivery, clinic_id, message)
    except (Unavailable, StaleVersion) as error:
        _retry(delivery, clinic_id, message, str(error))
    except UnusableAddress as error:
        _end(delivery, clinic_id, message, MessageState.FAILED, str(error))
    except ReferralError as error:
        _end(delivery, clinic_id, message, MessageState.DEAD, str(error))
    except Exception as error:
        log.exception("message.failed", message=str(message.id), kind=message.kind)
        _retry(delivery, clinic_id, message, f"internal error ({type(error).__name__})")
    return None


def _envelope(delivery: Delivery, clinic_id: str, message: Message) -> Envelope | None:
    if message.envelope_id is None and not _prepare(delivery, clinic_id, message):
        return None
    with delivery.database.transaction(clinic_id) as session:
        return _last_look(session, message, delivery.now())


def _prepare(delivery: Delivery, clinic_id: str, message: Message) -> bool:
    """Draw and store the bytes; False when they are not wanted any more."""
    now = delivery.now()
    with delivery.database.transaction(clinic_id) as session:
        wanted = _wanted(session, message, now)
        if wanted is None:
            return False
        material = gather(session, message, wanted.to, delivery.base_url, now)
        seal_key = session.vault.open(material.clinic.wrapped_key, material.clinic.seal_key, "seal-key")
    finished = draw(message, material, delivery.renderer, delivery.channels, seal_key, now)
    with delivery.database.transaction(clinic_id) as session:
        # Drawing takes its time, and nothing is stamped long before it is committed (docs/adr/0017).
        now = delivery.now()
        # Looked at again under the locks: a link must not be stored after all links were revoked.
        if _wanted(session, message, now) is None:
            return False
        values = store(session, message, material, finished, now)
        outbox.move(session, message, MessageState.RENDERING, **values)
        note_delivery.prepared(session, message, finished.letter_id, now)
    return True


@dataclass(frozen=True, slots=True)
class _Wanted:
    current: Message
    to: Recipient


def _wanted(session: Session, message: Message, now: datetime) -> _Wanted | None:
    """Request and message, locked in this order, if this claim still holds and the message makes sense.

    What does not make sense any more is ended here.
    """
    referral = referrals.get(session, message.referral_id, lock=True)
    current = outbox.get(session, message.id, lock=True)
    if current is None or current.attempts != message.attempts or current.state is not MessageState.RENDERING:
        return None
    too_late = message.kind is MessageKind.IDENTITY_CODE and now - message.created_at >= CODE_LIFETIME
    if too_late or not _makes_sense(session, message, referral):
        note_delivery.cancelled(session, current, now)
        return None
    clinician = directory.get_clinician(session, referral.clinician_id)
    contact = next((c for c in clinician.contacts if c.id == message.contact_id), None)
    if contact is None:
        note_delivery.ended(session, current, MessageState.FAILED, "this contact is no longer on file", now)
        return None
    return _Wanted(current, Recipient(referral, clinician, contact))


def _makes_sense(session: Session, message: Message, referral: Referral) -> bool:
    stands = message.kind in WHILE_STANDING and standings.stands(session, referral.id)
    return makes_sense(message.kind, is_open=referral.is_open, stands=stands)


def _last_look(session: Session, message: Message, now: datetime) -> Envelope | None:
    """Just before the call: still wanted, and within hours? None when not to be sent now."""
    wanted = _wanted(session, message, now)
    if wanted is None:
        return None
    if message.kind is MessageKind.THANK_YOU and outbox.last_letter(session, message.referral_id) is None:
        # Its record is drawn. The answer came another way, and this clinician has had no letter of ours.
        note_delivery.cancelled(session, wanted.current, now)
        return None
    calendar = calendar_of(session, wanted.to.clinician)
    if message.kind not in AT_ONCE and not calendar.is_open(now):
        opening = calendar.next_opening(now)
        outbox.move(session, message, MessageState.READY, not_before=opening, lease_until=None)
        return None
    content = documents.get(session, str(wanted.current.envelope_id)).content
    outbox.move(session, message, MessageState.SENDING, lease_until=now + LEASE)
    return Envelope(
        address=wanted.to.contact.address,
        content=content,
        key=provider_key(message.id, message.generation),
    )


def _envelope_again(delivery: Delivery, clinic_id: str, message: Message) -> Envelope | None:
    """Its sender died during the call: repeat where the provider knows the key, else let a person decide."""
    if delivery.channels.transport(message.channel).repeatable:
        with delivery.database.transaction(clinic_id) as session:
            referral = referrals.get(session, message.referral_id)
            clinician = directory.get_clinician(session, referral.clinician_id)
            contact = next((c for c in clinician.contacts if c.id == message.contact_id), None)
            if contact is not None and _makes_sense(session, message, referral):
                content = documents.get(session, str(message.envelope_id)).content
                return Envelope(
                    address=contact.address,
                    content=content,
                    key=provider_key(message.id, message.generation),
                )
    reason = "the worker stopped while it was being sent"
    _end(delivery, clinic_id, message, MessageState.UNKNOWN, reason)
    return None


def _send(delivery: Delivery, clinic_id: str, message: Message, envelope: Envelope) -> None:
    transport = delivery.channels.transport(message.channel)
    reports_to = f"{delivery.base_url}/hooks/{transport.name}/{clinic_id}/{message.id}"
    sent = transport.send(replace(envelope, reports_to=reports_to))
    if sent.outcome is Outcome.ACCEPTED:
        try:
            _note_accepted(delivery, clinic_id, message, transport, sent)
        except (Unavailable, StaleVersion):
            # A client has changed the Task at this moment, or a connection broke: once more on a fresh one.
            _note_accepted(delivery, clinic_id, message, transport, sent)
    elif sent.outcome is Outcome.BY_HAND:
        _lay_aside(delivery, clinic_id, message)
    elif sent.outcome is Outcome.LATER:
        _retry(delivery, clinic_id, message, sent.reason or "the provider did not answer")
    else:
        state = MessageState.FAILED if sent.outcome is Outcome.REFUSED else MessageState.UNKNOWN
        _end(delivery, clinic_id, message, state, sent.reason or "", bad_address=sent.bad_address)


def _lay_aside(delivery: Delivery, clinic_id: str, message: Message) -> None:
    """For a person, who hands it over and says so (services/print_letters). Until then it can be stopped."""
    with delivery.database.transaction(clinic_id) as session:
        referral = referrals.get(session, message.referral_id, lock=True)
        if _makes_sense(session, message, referral):
            outbox.move(session, message, MessageState.BY_HAND, last_error=None, lease_until=None)
        else:
            note_delivery.cancelled(session, message, delivery.now())


def _note_accepted(
    delivery: Delivery, clinic_id: str, message: Message, transport: Transport, sent: Sent
) -> None:
    now = delivery.now()
    values = {"provider_reference": sent.reference, "sent_for_real": transport.is_real, "finished_at": now}
    with delivery.database.transaction(clinic_id) as session:
        referrals.get(session, message.referral_id, lock=True)
        if outbox.move(session, message, MessageState.ACCEPTED, last_error=None, **values):
            note_delivery.accepted(session, message, now, is_real=transport.is_real)


def _retry(delivery: Delivery, clinic_id: str, message: Message, reason: str) -> None:
    """Certainly not sent: later again, eight times in all."""
    if message.tries + 1 >= MAX_TRIES:
        _end(delivery, clinic_id, message, MessageState.DEAD, reason)
        return
    not_before = delivery.now() + retry_delay(message.tries + 1, delivery.fraction())
    with delivery.database.transaction(clinic_id) as session:
        current = outbox.get(session, message.id, lock=True)
        if current is not None:
            state = MessageState.READY if current.envelope_id else MessageState.QUEUED
            values = {"tries": message.tries + 1, "last_error": reason, "lease_until": None}
            outbox.move(session, message, state, not_before=not_before, **values)


def _end(
    delivery: Delivery,
    clinic_id: str,
    message: Message,
    state: MessageState,
    reason: str,
    *,
    bad_address: bool = False,
) -> None:
    """Failed, unknown or dead: recorded once, and shown to the people who can do something."""
    with delivery.database.transaction(clinic_id) as session:
        referrals.get(session, message.referral_id, lock=True)
        note_delivery.ended(session, message, state, reason, delivery.now(), bad_address=bad_address)
