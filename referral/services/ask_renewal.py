"""Asks a clinician whether the answer is still true: ahead of its end by itself, or when staff want it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from referral.domain import contacts
from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import TransitionRefused
from referral.domain.life import ASK_AHEAD, newest_living
from referral.domain.outgoing import UNFINISHED, MessageKind
from referral.domain.records import Contact, Referral
from referral.services.queue_message import queue_message
from referral.storage import audit, directory, orders, outbox, referrals, standings
from referral.storage.db import Session

_BATCH: Final = 50


def ask_renewal(session: Session, actor: Actor, referral_id: str, version: int, now: datetime) -> None:
    """Staff ask now. Refuses where nothing stands that could be renewed, and while one is on its way."""
    referral = referrals.get(session, referral_id, lock=True)
    referrals.require_version(referral, version)
    standing = newest_living(standings.of_referral(session, referral_id))
    if standing is None or not standing.is_positive or standing.is_declined:
        raise TransitionRefused("There is no recommendation here that could be renewed.", "Task.status")
    if orders.get(session, referral.order_id).status not in orders.USABLE:
        raise TransitionRefused("The infusion order is not in use any more.", "ServiceRequest.status")
    contact = _contact(session, referral)
    if contact is None:
        raise TransitionRefused("There is no contact on file that a link could go to.", "Task.owner")
    if any(
        message.kind is MessageKind.RENEWAL
        for message in outbox.find(session, referral_id=referral_id, states=UNFINISHED)
    ):
        raise TransitionRefused("The question is on its way already.", "Task.status")
    _ask(session, actor, referral, contact, now)


def ask_renewals(session: Session, now: datetime) -> int:
    """For the sweep: 30 days ahead, once for each recommendation; returns how many were asked."""
    actor = Actor(session.clinic, "system", "sweep")
    asked = 0
    for referral_id in standings.to_renew(session, now, now + ASK_AHEAD, _BATCH):
        referral = referrals.get(session, referral_id, lock=True)
        # Once more under the lock: two sweeps at once must not ask twice.
        if referral_id not in standings.to_renew(session, now, now + ASK_AHEAD, _BATCH):
            continue
        contact = _contact(session, referral)
        if contact is not None:
            _ask(session, actor, referral, contact, now)
            asked += 1
    return asked


def _contact(session: Session, referral: Referral) -> Contact | None:
    """The one that the last letter reached, while it is on file; else the best one."""
    clinician = directory.get_clinician(session, referral.clinician_id)
    last = outbox.last_letter(session, referral.id)
    same = contacts.usable(clinician.contacts, last.contact_id) if last is not None else None
    return same or contacts.best(clinician.contacts)


def _ask(session: Session, actor: Actor, referral: Referral, contact: Contact, now: datetime) -> None:
    queue_message(session, referral, MessageKind.RENEWAL, contact, now)
    # The version moves, so that a second click on the same page is told that the first one counted.
    referrals.change(session, referral)
    referrals.note(session, referral.id, "renewal-asked", actor.id, now, channel=contact.channel)
    entry = AuditEntry(
        action=Action.EXECUTE,
        subtype="ask-renewal",
        entity=f"ServiceRequest/{referral.id}",
        patient_id=referral.patient_id,
        detail={"channel": contact.channel},
    )
    audit.record(session, actor, entry)
