"""Messages as an operator sees them: ids, codes, times, nothing about a person. A look is audited."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Channel
from referral.domain.errors import NotFound
from referral.domain.ids import is_uuid
from referral.domain.outgoing import MessageState
from referral.storage import audit, on_call, outbox
from referral.storage.db import Session
from referral.storage.on_call import CalledContact
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


def calls_for_operator(
    session: Session,
    states: Iterable[MessageState] | None,
    channels: Iterable[Channel],
    before: datetime,
    limit: int,
) -> list[CalledContact]:
    """The same of messages to whoever is on call; the audit row is the one of list_for_operator()."""
    return on_call.find(session, states=states, channels=channels, before=before, limit=limit)


def _call(session: Session, id: str) -> CalledContact | None:
    return next(iter(on_call.find(session, id=uuid.UUID(id))), None) if is_uuid(id) else None


def show_for_operator(session: Session, actor: Actor, message_id: str) -> Message | CalledContact:
    """Raises NotFound for what this clinic does not have. Also a message to whoever is on call."""
    message = outbox.get(session, message_id) or _call(session, message_id)
    if message is None:
        raise NotFound(f"There is no message with id {message_id}.")
    about = f"Communication/{message.id}" if isinstance(message, Message) else f"Task/{message.call.task_id}"
    entry = AuditEntry(action=Action.READ, subtype="message", entity=about)
    audit.record(session, actor, entry)
    return message
