"""Sends six digits by another way than the link took, so that a mailbox alone opens nothing."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Channel
from referral.domain.contacts import masked
from referral.domain.credential import CODE_LIFETIME, digest, six_digits
from referral.domain.errors import CredentialUnusable
from referral.domain.outgoing import MessageKind
from referral.domain.records import Clinician, Contact
from referral.services.prove_identity import PAPER, SAME_ADDRESS
from referral.services.queue_message import queue_message
from referral.storage import audit, clinics, credentials, directory, outbox, referrals
from referral.storage.credentials import Credential, PortalSession
from referral.storage.db import Session

CODES_PER_HOUR: Final = 3
# Ways that reach a person within the life of a code.
_QUICK: Final = (Channel.SMS, Channel.FAX)


@dataclass(frozen=True, slots=True)
class Way:
    """One place a code can go; `id` is the contact's, `masked` tells only its owner which it is."""

    id: str
    channel: Channel
    masked: str
    is_same_address: bool


@dataclass(frozen=True, slots=True)
class Ways:
    """How the second factor can be given. Nothing at all means: the clinic has to be called."""

    has_letter: bool
    ways: tuple[Way, ...]

    @property
    def is_empty(self) -> bool:
        return not self.has_letter and not self.ways


def ways_of(session: Session, credential: Credential) -> Ways:
    """Verified contacts other than the link's own; the link's own only where the clinic allows that."""
    referral = referrals.get(session, credential.referral_id)
    clinician = directory.get_clinician(session, referral.clinician_id)
    links = credentials.of_referral(session, referral.id)
    has_letter = any(link.channel in PAPER and link.revoked_at is None for link in links)
    used = _used_contact(session, credential, clinician)
    others = [
        Way(contact.id, contact.channel, masked(contact), is_same_address=False)
        for channel in _QUICK
        for contact in clinician.contacts
        if contact.channel is channel and contact.is_verified and contact.id != (used.id if used else None)
    ]
    policy, _ = clinics.policy_in_force(session)
    if not others and used is not None and policy.allow_single_channel:
        others = [Way(used.id, used.channel, masked(used), is_same_address=True)]
    return Ways(has_letter, tuple(others))


def _used_contact(session: Session, credential: Credential, clinician: Clinician) -> Contact | None:
    message = outbox.get(session, credential.message_id)
    return next((c for c in clinician.contacts if message is not None and c.id == message.contact_id), None)


def send_code(session: Session, actor: Actor, found: PortalSession, way_id: str, now: datetime) -> bool:
    """Queue a code to one of the offered ways; False past three in an hour. Only the newest code works."""
    credential = credentials.get(session, found.selector)
    if credential is None or not credential.is_usable(now):
        raise CredentialUnusable("This link cannot be used now.")
    referral = referrals.get(session, credential.referral_id, lock=True)
    way = next((w for w in ways_of(session, credential).ways if w.id == way_id), None)
    if way is None:
        raise CredentialUnusable("A code cannot be sent there.")
    if not _may_send(session, referral.id, now):
        return False
    code = six_digits()
    clinician = directory.get_clinician(session, referral.clinician_id)
    contact = next(c for c in clinician.contacts if c.id == way.id)
    queue_message(
        session,
        referral,
        MessageKind.IDENTITY_CODE,
        contact,
        now,
        secret_note=_sealed(session, referral.id, code),
    )
    credentials.change_session(
        session,
        found.token_digest,
        one_time_digest=digest(code),
        one_time_until=now + CODE_LIFETIME,
        one_time_channel=SAME_ADDRESS if way.is_same_address else way.channel,
    )
    entry = AuditEntry(
        action=Action.EXECUTE,
        subtype="portal-code-sent",
        entity=f"ServiceRequest/{referral.id}",
        detail={"contact": contact.id, "channel": contact.channel},
    )
    audit.record(session, actor, entry)
    return True


def _may_send(session: Session, referral_id: str, now: datetime) -> bool:
    sent = [
        message
        for message in outbox.find(session, referral_id=referral_id)
        if message.kind is MessageKind.IDENTITY_CODE and now - message.created_at < timedelta(hours=1)
    ]
    return len(sent) < CODES_PER_HOUR


def _sealed(session: Session, referral_id: str, code: str) -> str:
    """Only the worker that renders this message opens it; it is wiped when the message has been stored."""
    wrapped = clinics.current(session).wrapped_key
    return base64.b64encode(session.vault.seal(wrapped, code.encode(), f"code/{referral_id}")).decode()
