"""Sets a message aside that waits, so that it does not go out until a person has decided."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from referral.domain.audit import Actor
from referral.domain.errors import TransitionRefused
from referral.domain.message_decisions import MAY_PARK, why_not
from referral.domain.outgoing import MessageState
from referral.services import publish
from referral.services.message_decision import hold_message, note_decision
from referral.storage import outbox
from referral.storage.db import Session

_REASON: Final = "set aside by a person"


def park_message(session: Session, actor: Actor, message_id: str, now: datetime) -> None:
    """It has certainly not left, so trying it again later needs nobody's word. Refuses what does not wait."""
    referral, message = hold_message(session, message_id)
    if message.state not in MAY_PARK:
        raise TransitionRefused(why_not(message.state, "set aside"))
    outbox.settle(session, message, MessageState.DEAD, last_error=_REASON, finished_at=now)
    publish.message_failed(session, str(message.id), _REASON, now)
    note_decision(session, actor, referral, message, "message-parked", now)
