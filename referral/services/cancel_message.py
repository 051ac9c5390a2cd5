"""Cancels a message that has not left; its request and its ladder go on."""

from __future__ import annotations

from datetime import datetime

from referral.domain.audit import Actor
from referral.domain.errors import TransitionRefused
from referral.domain.message_decisions import MAY_CANCEL, why_not
from referral.domain.outgoing import MessageState
from referral.services import publish
from referral.services.message_decision import hold_message, note_decision
from referral.storage import outbox
from referral.storage.db import Session


def cancel_message(session: Session, actor: Actor, message_id: str, now: datetime) -> None:
    """Refuses what has left, what may have, and what has ended. It cannot be taken back."""
    referral, message = hold_message(session, message_id)
    if message.state not in MAY_CANCEL:
        raise TransitionRefused(why_not(message.state, "cancelled"))
    outbox.settle(session, message, MessageState.CANCELLED, finished_at=now)
    publish.message_cancelled(session, str(message.id), now)
    note_decision(session, actor, referral, message, "message-cancelled", now)
