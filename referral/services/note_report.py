"""What a provider has told, told on to all that wait for a message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from referral.domain.audit import Action, AuditEntry
from referral.domain.codes import TaskStatus
from referral.domain.outgoing import NOT_LEFT, SWITCHED, WITH_LINK, MessageState
from referral.domain.records import Lesson
from referral.services import note_delivery, publish
from referral.services.learn_contact import learn_from_message, learn_good_address
from referral.storage import audit, outbox, referrals
from referral.storage.db import Session
from referral.storage.outbox import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a provider says of a message, and when that happened; `reference` is its own name for it."""

    provider: str
    at: datetime
    reason: str | None = None
    reference: str | None = None
    bad_address: bool = False


def delivered(session: Session, message: Message, told: Told, now: datetime) -> None:
    """A provider says that it arrived, which proves that it had it, whatever we believed.

    The caller holds request and message. A message that was given up, or was to be tried again, is over.
    """
    accepted_at = message.finished_at or now
    if message.state is not MessageState.ACCEPTED:
        accepted_at = now
        values = {"provider_reference": told.reference or message.provider_reference, "sent_for_real": True}
        outbox.settle(session, message, MessageState.ACCEPTED, finished_at=now, **values)
        if message.provider_reference is None:
            note_delivery.accepted(session, message, now, is_real=True)
        else:
            note_delivery.reached(session, message, now)
    outbox.settle(session, message, MessageState.DELIVERED, last_error=None)
    if message.state is MessageState.FAILED:
        _keep_back(session, message, now)
    learn_from_message(session, message, Lesson.DELIVERED, now)
    learn_good_address(session, message, told.at)
    detail = {"message": str(message.id), "kind": message.kind, "channel": message.channel}
    referrals.note(session, message.referral_id, "delivered", "worker", told.at, **detail)
    times = {"sent_at": min(accepted_at, told.at), "received_at": told.at}
    publish.message_delivered(session, str(message.id), now, **times)
    _note_told(session, message, "delivered", told)


def _keep_back(session: Session, message: Message, now: datetime) -> None:
    """What was to go another way in its place is not needed, where it has not left yet."""
    for other in outbox.find(session, referral_id=message.referral_id, states=NOT_LEFT):
        instead = other.ordinal > message.ordinal and (other.ordinal - message.ordinal) % SWITCHED == 0
        if other.kind is message.kind and instead:
            note_delivery.cancelled(session, other, now)


def failed_after_all(session: Session, message: Message, told: Told, now: datetime) -> None:
    """A provider that had taken it could not deliver it: as if it had refused it at once.

    Where no other letter has got through, the request counts as not delivered again. The caller holds
    request and message.
    """
    reason = told.reason or "the provider could not deliver it"
    outbox.settle(session, message, MessageState.FAILED, last_error=reason, finished_at=now)
    referral = referrals.get(session, message.referral_id)
    is_letter = message.kind in WITH_LINK and referral.is_open and referral.status is TaskStatus.REQUESTED
    if is_letter and referral.delivered_at and outbox.last_letter(session, referral.id) is None:
        referral = referrals.change(session, referral, delivered_at=None)
    event = "failed-after-all" if message.state is MessageState.ACCEPTED else "not-delivered"
    note_delivery.not_delivered(
        session,
        referral,
        message,
        MessageState.FAILED,
        reason,
        now,
        event=event,
        bad_address=told.bad_address,
    )
    _note_told(session, message, "delivery-failed", told)


def _note_told(session: Session, message: Message, subtype: str, told: Told) -> None:
    referral = referrals.get(session, message.referral_id)
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype=subtype,
        entity=f"Communication/{message.id}",
        patient_id=referral.patient_id,
        detail={"kind": message.kind, "channel": message.channel, "provider": told.provider},
    )
    audit.record(session, note_delivery.worker(session), entry)
