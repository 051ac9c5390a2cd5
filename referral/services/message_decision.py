"""What the decisions of people about single messages have in common."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import NotFound
from referral.domain.records import Referral
from referral.storage import audit, outbox, referrals
from referral.storage.db import Session
from referral.storage.outbox import Message


def hold_message(session: Session, message_id: str) -> tuple[Referral, Message]:
    """Request and message, locked in this order. Raises NotFound for what this clinic does not have."""
    found = outbox.get(session, message_id)
    if found is None:
        raise NotFound(f"There is no message with id {message_id}.")
    referral = referrals.get(session, found.referral_id, lock=True)
    message = outbox.get(session, message_id, lock=True)
    if message is None:
        raise NotFound(f"There is no message with id {message_id}.")
    return referral, message


# What people decide about a message, one word for each.
DECISIONS: Final = ("message-retried", "message-parked", "message-cancelled")


def note_decision(
    session: Session, actor: Actor, referral: Referral, message: Message, what: str, now: datetime
) -> None:
    """For timeline and audit; `what` is a word such as "message-retried"."""
    detail = {"message": str(message.id), "kind": message.kind, "channel": message.channel}
    referrals.note(session, referral.id, what, actor.id, now, **detail)
    entry = AuditEntry(
        action=Action.EXECUTE,
        subtype=what,
        entity=f"Communication/{message.id}",
        patient_id=referral.patient_id,
        detail={"was": message.state, "channel": message.channel, "generation": message.generation},
    )
    audit.record(session, actor, entry)
