"""Sends the request again, by the channel that staff choose."""

from __future__ import annotations

from datetime import datetime

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.calls import CallReason
from referral.domain.contacts import in_order
from referral.domain.errors import InvalidInput, Issue
from referral.domain.outgoing import UNFINISHED, WITH_LETTER, MessageKind
from referral.domain.records import Contact, Referral
from referral.domain.referral import Event, next_status
from referral.services.hold_ladder import go_on_after_sending
from referral.services.queue_message import queue_message
from referral.storage import audit, calls, directory, outbox, referrals
from referral.storage.db import Session


def resend(
    session: Session, actor: Actor, referral_id: str, version: int, channel: str, now: datetime
) -> None:
    """Queue the letter once more with a fresh link; a ladder that waited for where it belongs goes on.

    Apart from that the ladder is not moved by it.
    """
    referral = referrals.get(session, referral_id, lock=True)
    referrals.require_version(referral, version)
    next_status(Event.RESEND, referral.status)
    clinician = directory.get_clinician(session, referral.clinician_id)
    contact = next((c for c in in_order(clinician.contacts) if c.channel == channel), None)
    if contact is None:
        names = ", ".join(dict.fromkeys(c.channel for c in in_order(clinician.contacts))) or "none"
        raise InvalidInput(
            Issue(f"This clinician has no such contact on file (there is: {names}).", ("resend_channel",))
        )
    _send(session, actor, referral, contact, now)


def resend_to(
    session: Session, actor: Actor, referral_id: str, version: int, contact: Contact, now: datetime
) -> None:
    """The same by one contact; where a letter waits to go there already, that one is enough.

    Whoever was to ask how else the clinician is reached has the answer.
    """
    referral = referrals.get(session, referral_id, lock=True)
    referrals.require_version(referral, version)
    next_status(Event.RESEND, referral.status)
    waiting = outbox.find(session, referral_id=referral_id, states=UNFINISHED)
    if not any(message.contact_id == contact.id and message.kind in WITH_LETTER for message in waiting):
        _send(session, actor, referral, contact, now)
    calls.cancel_of(session, referral_id, now, (CallReason.ONLY_CONTACT,))


def _send(session: Session, actor: Actor, referral: Referral, contact: Contact, now: datetime) -> None:
    queue_message(session, referral, MessageKind.REQUEST, contact, now)
    # The version moves, so that a second click on the same page is told that the first one counted.
    go_on_after_sending(session, referrals.change(session, referral), actor.id, now)
    referrals.note(session, referral.id, "resent", actor.id, now, channel=contact.channel)
    entry = AuditEntry(
        action=Action.EXECUTE,
        subtype="resend",
        entity=f"ServiceRequest/{referral.id}",
        patient_id=referral.patient_id,
        detail={"channel": contact.channel},
    )
    audit.record(session, actor, entry)
