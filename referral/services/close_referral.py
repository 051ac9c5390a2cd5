"""Ends a request: links die, waiting messages stop, the clinician is told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from referral.domain import contacts
from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import BusinessStatus
from referral.domain.conversation import EXITS, About
from referral.domain.errors import InvalidInput, Issue
from referral.domain.outgoing import ONLY_WHILE_OPEN, MessageKind
from referral.domain.records import Referral
from referral.domain.referral import Event, next_status
from referral.services import publish
from referral.services.queue_message import queue_message
from referral.services.refresh_gate import refresh_gate
from referral.storage import audit, calls, conversations, credentials, directory, outbox, referrals
from referral.storage.db import Session


def close_referral(
    session: Session, referral: Referral, event: Event, now: datetime, *, reason: str | None, **values: Any
) -> Referral:
    """The part that every ending shares. The caller holds the row's lock and writes the audit row."""
    closed = referrals.change(
        session,
        referral,
        status=next_status(event, referral.status),
        status_reason=reason,
        closed_at=now,
        next_step_at=None,
        **values,
    )
    credentials.revoke_all(session, referral.id, event, now)
    stop_messages(session, referral, ONLY_WHILE_OPEN, now)
    calls.cancel_of(session, referral.id, now)
    # Nobody has to be called or found any more; a question is still one.
    conversations.settle(session, referral.id, "system", now, (About.CALL, *EXITS))
    publish.referral_changed(session, closed, now)
    return closed


def stop_messages(session: Session, referral: Referral, kinds: frozenset[MessageKind], now: datetime) -> None:
    """What has not left yet stays here; the caller holds the row's lock."""
    stopped = outbox.cancel_waiting(session, referral.id, now, kinds)
    publish.messages_cancelled(session, [str(id) for id in stopped], now)


def tell_clinician(
    session: Session, referral: Referral, kind: MessageKind, now: datetime, ordinal: int | None = 1
) -> None:
    """By the contact that the last letter reached; nobody is told of a request that never left.

    Each kind once for a request, unless `ordinal` is None: what can happen again is told again.

    Thanks are queued in any case: the record of the answer is drawn with them. They go out only if a letter
    has reached the clinician by then (services/deliver_messages).
    """
    last = outbox.last_letter(session, referral.id)
    if last is None and kind is not MessageKind.THANK_YOU:
        return
    clinician = directory.get_clinician(session, referral.clinician_id)
    contact = contacts.to_tell(clinician.contacts, last.contact_id if last else None)
    if contact is not None:
        queue_message(session, referral, kind, contact, now, ordinal=ordinal)


def cancel_referral(
    session: Session, actor: Actor, referral_id: str, version: int, reason: str, now: datetime
) -> Referral:
    """Staff end a request. Refuses a missing reason, a closed request, and a page that is out of date."""
    if not reason.strip():
        raise InvalidInput(
            Issue("Please give a reason: the clinician's office may ask.", ("cancel_reason",), "required")
        )
    referral = referrals.get(session, referral_id, lock=True)
    referrals.require_version(referral, version)
    closed = close_referral(session, referral, Event.CANCEL, now, reason=reason.strip()[:200])
    referrals.note(session, referral_id, "cancelled", actor.id, now, reason=reason.strip()[:200])
    tell_clinician(session, closed, MessageKind.CANCELLED, now)
    _record(session, actor, closed, "cancel")
    refresh_gate(session, actor, referral.order_id, now)
    return closed


def cancel_siblings(session: Session, actor: Actor, answered: Referral, now: datetime) -> None:
    """One valid answer is enough: the others who were asked for this order need not answer any more."""
    for sibling in referrals.find(session, order_id=answered.order_id, is_open=True, lock=True):
        if sibling.id == answered.id:
            continue
        closed = close_referral(session, sibling, Event.CANCEL, now, reason="not-needed")
        referrals.note(session, sibling.id, "cancelled", actor.id, now, reason="not-needed")
        tell_clinician(session, closed, MessageKind.CANCELLED, now)
        _record(session, actor, closed, "cancel-sibling")


def expire_referral(session: Session, actor: Actor, referral: Referral, now: datetime) -> Referral:
    """The ladder has ended without an answer."""
    closed = close_referral(
        session, referral, Event.EXPIRE, now, reason="expired", business_status=BusinessStatus.EXPIRED
    )
    referrals.note(session, referral.id, "expired", actor.id, now)
    tell_clinician(session, closed, MessageKind.CANCELLED, now)
    _record(session, actor, closed, "expire")
    refresh_gate(session, actor, referral.order_id, now)
    return closed


def _record(session: Session, actor: Actor, referral: Referral, what: str) -> None:
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype=what,
        entity=f"ServiceRequest/{referral.id}",
        patient_id=referral.patient_id,
        detail={"status": referral.status},
    )
    audit.record(session, actor, entry)
