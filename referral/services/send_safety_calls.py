"""Sends what is due to whoever is on call, at any hour, with the guarantees of every message (ADR 19).

Bytes are stored in the transaction that claims them, and nothing is called inside of one. Crashes, and what
they leave: before the claim is committed nothing; from then until the outcome is committed a row in
`sending`, which is looked into when its lease has run out. The same key goes out again where the provider
keeps keys; else it is asked; what it cannot say is never sent again: the next contact is told instead.
"""

from __future__ import annotations

import queue
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import structlog

from referral.channels import email
from referral.channels.base import Envelope, Outcome, Sent, Transport, UnusableAddress
from referral.domain.codes import Channel
from referral.domain.outgoing import (
    DOUBT,
    KEY_KEPT,
    LEASE,
    MAX_CRASHES,
    MAX_TRIES,
    MessageState,
    provider_key,
    retry_delay,
)
from referral.services.batches import Delivery
from referral.services.call_on_duty import call_on_duty
from referral.services.calls import ask_or_send, give_back, open_batch, settle
from referral.services.end_safety_call import end_safety_call
from referral.storage import clinics, documents, on_call, resources
from referral.storage.db import Session
from referral.storage.on_call import HeldCall, SafetyCall

log = structlog.get_logger(__name__)
_SUBJECT: Final = "A safety task waits"
_POISON: Final = "It has stopped its worker several times while it was being sent."
_CANNOT_SAY: Final = "nobody can say whether it was sent"
# More than a sweep may take is the next one's.
_MOST: Final = 50


@dataclass(frozen=True, slots=True)
class _Claimed:
    """`asks` where it may have been sent already and the provider keeps no keys."""

    call: SafetyCall
    envelope: Envelope
    asks: bool


def send_safety_calls(delivery: Delivery, clinic_id: str) -> int:
    """Queue what has become due, and send; returns how many calls were made. Safe to run twice."""
    with delivery.database.transaction(clinic_id) as session:
        call_on_duty(session, delivery.now())
        due = on_call.due_channels(session, delivery.now())
    made, shut = 0, set[Channel]()
    while due and made < _MOST:
        for channel in due:
            sent = _send_one(delivery, clinic_id, channel)
            made += sent
            if not sent:
                shut.add(channel)
        with delivery.database.transaction(clinic_id) as session:
            due = [one for one in on_call.due_channels(session, delivery.now()) if one not in shut]
    return made


def _send_one(delivery: Delivery, clinic_id: str, channel: Channel) -> bool:
    """False where there is nothing to do any more, or the provider has no room just now."""
    batch = open_batch(delivery, channel, queue.SimpleQueue(), is_urgent=True)
    if isinstance(batch, datetime):
        return False
    sent: Sent | None = None
    claimed: _Claimed | None = None
    try:
        claimed = _claim(delivery, clinic_id, channel, batch.transport)
        if claimed is not None:
            sent = _answer(batch.transport, claimed)
    finally:
        give_back(delivery, batch, [(sent, claimed.asks)] if claimed is not None else [])
        settle(delivery)
    if claimed is None:
        return False
    with delivery.database.transaction(clinic_id) as session:
        _record(delivery, session, batch.transport, claimed, sent)
    return True


def _claim(delivery: Delivery, clinic_id: str, channel: Channel, transport: Transport) -> _Claimed | None:
    """The oldest that is due, with its bytes. What is not wanted any more, or cannot be sent, ends here."""
    while True:
        with delivery.database.transaction(clinic_id) as session:
            now = delivery.now()
            held = on_call.hold_due(session, channel, now)
            if held is None:
                return None
            claimed = _held(delivery, session, held, transport, now)
        if claimed is not None:
            return claimed


def _held(
    delivery: Delivery, session: Session, held: HeldCall, transport: Transport, now: datetime
) -> _Claimed | None:
    call = held.call
    was_left = call.state is MessageState.SENDING
    if not held.is_wanted and not was_left:
        end_safety_call(session, call, MessageState.CANCELLED, None, now)
        return None
    crashes = call.crashes + (was_left and not call.in_doubt)
    if crashes >= MAX_CRASHES:
        end_safety_call(session, call, MessageState.UNKNOWN, _POISON, now)
        return None
    try:
        envelope_id = call.envelope_id or _draw(delivery, session, held, now)
    except UnusableAddress as error:
        end_safety_call(session, call, MessageState.FAILED, str(error), now)
        return None
    after = replace(
        call,
        state=MessageState.SENDING,
        attempts=call.attempts + 1,
        crashes=crashes,
        in_doubt=False,
        sending_since=call.sending_since or now,
        envelope_id=envelope_id,
    )
    names = ("state", "attempts", "crashes", "in_doubt", "sending_since", "envelope_id")
    values = {name: getattr(after, name) for name in names}
    on_call.change(session, call, lease_until=now + LEASE, **values)
    kept = documents.get(session, envelope_id)
    envelope = Envelope(
        address=held.address,
        content=kept.content,
        key=provider_key(call.id, 1),
        content_type=kept.content_type,
        # Where its provider tells what became of it, as of every message; there is one generation.
        reports_to=f"{delivery.base_url}/hooks/{transport.name}/{session.clinic}/{call.id}.1",
    )
    is_known = transport.repeatable and held.is_wanted and now - (after.sending_since or now) < KEY_KEPT
    return _Claimed(after, envelope, asks=was_left and not is_known)


def _draw(delivery: Delivery, session: Session, held: HeldCall, now: datetime) -> str:
    """The words name nobody and nothing but the clinic's neutral name. No two are alike."""
    call = held.call
    name = clinics.current(session).letterhead["neutral_name"]
    mark = f"{call.id.hex[:6].upper()}-{call.step}"
    text = f"{name}: a safety task waits for a person. Sign in: {delivery.base_url}/sign-in (ref. {mark})"
    content, kind = text.encode(), "text/plain; charset=utf-8"
    if "@" in held.address:
        words = f"{text}\n\nThis message is repeated until somebody has written down what was done.\n"
        mail = email.Mail(delivery.channels.mail_from, held.address, _SUBJECT, words)
        content, kind = email.compose(mail, str(call.id), now), "message/rfc822"
    id = resources.new_id()
    documents.add(session, id=id, kind="envelope", content_type=kind, content=content, now=now)
    return id


def _answer(transport: Transport, claimed: _Claimed) -> Sent | None:
    """Outside of any transaction; nothing is raised."""
    try:
        return ask_or_send(transport, claimed.envelope, claimed.call.sending_since if claimed.asks else None)
    except Exception as error:
        log.exception("safety-call.failed", call=str(claimed.call.id), provider=transport.name)
        return Sent(Outcome.UNKNOWN, reason=f"internal error ({type(error).__name__})")


def _record(
    delivery: Delivery, session: Session, transport: Transport, claimed: _Claimed, sent: Sent | None
) -> None:
    call, now = claimed.call, delivery.now()
    if sent is None:
        end_safety_call(session, call, MessageState.UNKNOWN, call.last_error or _CANNOT_SAY, now)
    elif sent.outcome in (Outcome.ACCEPTED, Outcome.BY_HAND):
        values = {"provider_reference": sent.reference, "sent_for_real": transport.is_real}
        end_safety_call(session, call, MessageState.ACCEPTED, None, now, **values)
    elif sent.outcome is Outcome.REFUSED:
        end_safety_call(session, call, MessageState.FAILED, sent.reason or "it was refused", now)
    else:
        _later(delivery, session, claimed, sent, now)


def _later(delivery: Delivery, session: Session, claimed: _Claimed, sent: Sent, now: datetime) -> None:
    """What certainly did not leave is tried again, eight times in all; a doubt is looked into."""
    call, tries = claimed.call, claimed.call.tries + 1
    reason = sent.reason or "the provider did not answer"
    in_doubt = sent.outcome is Outcome.UNKNOWN
    if tries >= MAX_TRIES:
        end_safety_call(session, call, MessageState.UNKNOWN if in_doubt else MessageState.DEAD, reason, now)
        return
    delay = retry_delay(tries, delivery.fraction())
    values: dict[str, Any] = {"tries": tries, "last_error": reason}
    if in_doubt:
        until = now + (delay if claimed.asks else DOUBT)
        on_call.change(session, call, in_doubt=True, lease_until=until, **values)
        return
    due = now + max(delay, sent.retry_after or delay)
    values |= {"state": MessageState.QUEUED, "not_before": due, "sending_since": None}
    on_call.change(session, call, **values)
