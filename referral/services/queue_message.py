"""Decides that a message will go out: its row and its Communication, in the transaction that decided it."""

from __future__ import annotations

from datetime import datetime

from referral.domain.calls import CallReason
from referral.domain.contacts import needs_call
from referral.domain.outgoing import WITH_LINK, MessageKind
from referral.domain.records import Contact, Referral
from referral.services import publish
from referral.services.queue_call import queue_call
from referral.storage import calls, outbox
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

    It is rendered at once; business hours hold back only the sending. The first letter to a fax number that
    nobody has confirmed makes a call to confirm it (docs/adr/0022).
    """
    if ordinal is None:
        ordinal = outbox.next_ordinal(session, referral.id, kind)
    message_id = outbox.put(
        session, referral, kind, ordinal=ordinal, contact=contact, now=now, secret_note=secret_note
    )
    if message_id is None:
        return False
    publish.message(session, referral, str(message_id), kind, contact.channel, now)
    if kind in WITH_LINK and needs_call(contact) and not calls.waits_about(session, contact.id):
        queue_call(session, referral, CallReason.CONFIRM_NUMBER, now, contact_id=contact.id)
    return True
