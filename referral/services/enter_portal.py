"""Comes in by a link or a short code, and asks for a fresh link where the old one has run out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from referral.domain import contacts
from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.credential import FREEZE_AFTER, SESSION_IDLE, SESSION_LIFETIME, is_selector, random_token
from referral.domain.outgoing import MessageKind
from referral.domain.records import Contact, Referral
from referral.services.queue_message import queue_message
from referral.storage import audit, credentials, directory, outbox, referrals, standings
from referral.storage.credentials import Credential, PortalSession
from referral.storage.db import Session
from referral.storage.patient_links import PatientVisit

# More would only fill the clinician's mailbox, and each link brings tries of its own.
_FRESH_LINKS: Final = 3
_FRESH_WINDOW: Final = timedelta(days=1)
_LAST_SAVE: Final = timedelta(hours=12)
# A door clicked twice sends two forms, and the second is here before the first is answered: one visit.
_ONE_VISIT: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a visitor calls from, before anybody knows who it is."""

    address: str | None = None
    request_id: str | None = None

    def actor(self, credential: Credential) -> Actor:
        """A link acts by its selector, the only part of it that is ever written down."""
        return Actor(credential.clinic_id, "portal", credential.selector, None, self.address, self.request_id)


def enter_by_link(session: Session, caller: Caller, selector: str, secret: str, now: datetime) -> str | None:
    """A new session's token, or None: unknown, expired, answered, paused and frozen links look the same."""
    if not is_selector(selector):
        return None
    found = credentials.find_by_link(session, selector, secret)
    return _enter(session, caller, found, "link", now)


def enter_by_code(session: Session, caller: Caller, typed: str, now: datetime) -> str | None:
    """The same by the short code of a letter. Look-ups are counted before, in a transaction of their own."""
    found = credentials.find_by_code(session, typed)
    return _enter(session, caller, found, "code", now)


def _enter(
    session: Session,
    caller: Caller,
    found: Credential | None,
    came_by: Literal["link", "code"],
    now: datetime,
) -> str | None:
    # Held, so that what is sent twice is worked off in turn.
    found = found and credentials.get(session, found.selector, lock=True)
    if found is None or not found.is_usable(now):
        return None
    actor, token = caller.actor(found), random_token()
    has_just_come = credentials.opened_since(session, found.selector, now - _ONE_VISIT)
    credentials.open_session(
        session, token, selector=found.selector, csrf_token=random_token(), came_by=came_by, now=now
    )
    if not has_just_come:
        referrals.note(
            session, found.referral_id, "portal-opened", actor.id, now, channel=found.channel, by=came_by
        )
    entry = AuditEntry(
        action=Action.EXECUTE,
        subtype="portal-opened",
        entity=f"ServiceRequest/{found.referral_id}",
        patient_id=referrals.get(session, found.referral_id).patient_id,
        detail={"by": came_by, "channel": found.channel},
    )
    audit.record(session, actor, entry)
    return token


def is_alive(found: PortalSession | PatientVisit, now: datetime) -> bool:
    """Neither left, nor idle for 15 minutes, nor older than 60."""
    return (
        found.ended_at is None
        and now - found.seen_at <= SESSION_IDLE
        and now - found.created_at <= SESSION_LIFETIME
    )


def may_still_save(found: PortalSession, now: datetime) -> bool:
    """A session that fell asleep over a long text may hand it in to the draft, and do nothing else."""
    return found.ended_at is None and found.identified_at is not None and now - found.created_at <= _LAST_SAVE


def send_fresh_link(
    session: Session, caller: Caller, now: datetime, *, selector: str = "", code: str = ""
) -> bool:
    """Queue a fresh link to the contact on file; whether one was sent is for tests, never for the visitor.

    Nothing is sent for a link that is unknown, for a request that is closed without a recommendation that
    still stands, while wrong tries have paused or frozen any of its links or are ten among all of them, or
    after three in a day. A link that was spent by answering brings one to look after the answer.
    """
    found = _meant(session, selector, code)
    if found is None:
        return False
    referral = referrals.get(session, found.referral_id, lock=True)
    is_wanted = found.revoked_at is None if referral.is_open else standings.stands(session, referral.id)
    contact = _contact_on_file(session, referral, found)
    if contact is None or not is_wanted or not _may_renew(session, referral, now):
        return False
    actor = caller.actor(found)
    queue_message(session, referral, MessageKind.FRESH_LINK, contact, now)
    referrals.note(session, referral.id, "fresh-link", actor.id, now, channel=contact.channel)
    entry = AuditEntry(
        action=Action.EXECUTE,
        subtype="fresh-link",
        entity=f"ServiceRequest/{referral.id}",
        patient_id=referral.patient_id,
        detail={"contact": contact.id},
    )
    audit.record(session, actor, entry)
    return True


def _meant(session: Session, selector: str, code: str) -> Credential | None:
    if code:
        return credentials.find_by_code(session, code)
    return credentials.find_for_renewal(session, selector) if is_selector(selector) else None


def _contact_on_file(session: Session, referral: Referral, found: Credential) -> Contact | None:
    """The contact that the old link went to, while it is still on file; else the best one."""
    on_file = directory.get_clinician(session, referral.clinician_id).contacts
    message = outbox.get(session, found.message_id)
    used = contacts.usable(on_file, message.contact_id) if message is not None else None
    return used or contacts.best(on_file)


def _may_renew(session: Session, referral: Referral, now: datetime) -> bool:
    links = credentials.of_referral(session, referral.id)
    # Each link brings tries of its own: stopping short of the limit must not buy more of them.
    if sum(link.attempts for link in links) >= FREEZE_AFTER:
        return False
    for link in links:
        if link.frozen_at is not None or (link.paused_until is not None and link.paused_until > now):
            return False
    sent = [
        message
        for message in outbox.find(session, referral_id=referral.id)
        if message.kind is MessageKind.FRESH_LINK and now - message.created_at < _FRESH_WINDOW
    ]
    return len(sent) < _FRESH_LINKS
