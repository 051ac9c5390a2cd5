"""Messages as an operator sees them: ids, codes, times, nothing about a person. A look is audited."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Channel
from referral.domain.errors import NotFound
from referral.domain.outgoing import MessageState
from referral.storage import audit, outbox
from referral.storage.db import Session
from referral.storage.outbox import Message


def list_for_operator(
    session: Session,
    actor: Actor,
    states: Iterable[MessageState] | None,
    channels: Iterable[Channel],
    before: datetime,
    limit: int,
) -> list[Message]:
    """Newest first; None for all states. `before` is when they were decided at the latest."""
    found = outbox.find(session, states=states, channels=channels, before=before, limit=limit)
    entry = AuditEntry(action=Action.READ, subtype="list-messages", detail={"found": len(found)})
    audit.record(session, actor, entry)
    return found


def show_for_operator(session: Session, actor: Actor, message_id: str) -> Message:
    """Raises NotFound for what this clinic does not have."""
    message = outbox.get(session, message_id)
    if message is None:
        raise NotFound(f"There is no message with id {message_id}.")
    entry = AuditEntry(action=Action.READ, subtype="message", entity=f"Communication/{message.id}")
    audit.record(session, actor, entry)
    return message
