"""Decides that a message will go out: its row and its Communication, in the transaction that decided it."""

from __future__ import annotations

from datetime import datetime

from referral.domain.outgoing import MessageKind
from referral.domain.records import Contact, Referral
from referral.services import publish
from referral.storage import outbox
from referral.storage.db import Session


def queue_message(
    session: Session,
    referral: Referral,
    kind: MessageKind,
    contact: Contact,
    now: datetime,
    *,
    ordinal: int | None = None,
    secret_note: str | None = None,
) -> bool:
    """Queue one message; False when this ordinal was queued before, which makes repeating harmless.

    It is rendered at once; business hours hold back only the sending.
    """
    if ordinal is None:
        ordinal = outbox.next_ordinal(session, referral.id, kind)
    message_id = outbox.put(
        session,
        referral_id=referral.id,
        kind=kind,
        ordinal=ordinal,
        contact=contact,
        not_before=now,
        now=now,
        secret_note=secret_note,
    )
    if message_id is None:
        return False
    publish.message(session, referral, str(message_id), kind, contact.channel, now)
    return True
