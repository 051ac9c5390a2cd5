"""A new way to reach a clinician, or another one in the place of an old one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Channel
from referral.domain.errors import DuplicateRequest, InvalidInput, Issue
from referral.domain.outgoing import MessageKind, free_ordinal
from referral.domain.records import Clinician, Contact, Referral
from referral.fhir.contact_values import normal_address
from referral.services import publish
from referral.services.queue_message import queue_message
from referral.storage import audit, calls, contacts, directory, outbox, referrals
from referral.storage.db import Session
from referral.storage.outbox import Message

# Where an address may come from; none of them makes it verified, that takes a call.
SOURCES: Final = ("front-desk", "patient", "nppes")
_LONGEST_POSTAL: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class NewContact:
    """As typed. `instead_of` is the contact that it replaces, "" where it is one more.

    A postal address is typed with a comma between its lines.
    """

    channel: str
    address: str
    source: str = "front-desk"
    instead_of: str = ""


def keep_contact(
    session: Session, actor: Actor, clinician_id: str, new: NewContact, now: datetime
) -> Contact:
    """Add it, not verified and without a history: what the old address has done says nothing about this one.

    What still waits for the old one goes to the new one. Raises InvalidInput with the fields
    `contact_channel`, `contact_address`, `contact_source` and `instead_of`; also where the address is on
    file already.
    """
    clinician = directory.get_clinician(session, clinician_id)
    address = _checked(clinician, new)
    made = Contact(id=str(uuid.uuid4()), channel=Channel(new.channel), address=address, source=new.source)
    try:
        id = contacts.put(session, clinician_id, made, actor.id)
    except DuplicateRequest:
        text = "This clinician has this address already. Choose it from the contacts instead."
        raise InvalidInput(Issue(text, ("contact_address",), "duplicate")) from None
    if new.instead_of:
        contacts.replace(session, new.instead_of, now)
        calls.cancel_about(session, new.instead_of, now)
    kept = next(c for c in directory.get_clinician(session, clinician_id).contacts if c.id == id)
    for referral, message in _stopped(session, clinician_id, new.instead_of, now):
        queue_instead(session, referral, message, kept, now)
    subtype = "change-contact" if new.instead_of else "add-contact"
    detail: dict[str, str | int | bool | list[str] | None] = {"contact": id, "channel": new.channel}
    if new.instead_of:
        detail["instead_of"] = new.instead_of
    entity = f"PractitionerRole/{clinician_id}"
    audit.record(
        session, actor, AuditEntry(action=Action.UPDATE, subtype=subtype, entity=entity, detail=detail)
    )
    return kept


def _checked(clinician: Clinician, new: NewContact) -> str:
    """The address in the form that is kept."""
    issues = []
    if new.channel not in set(Channel):
        issues.append(Issue("Choose what kind of contact it is.", ("contact_channel",), "required"))
    if new.source not in SOURCES:
        issues.append(Issue("Say where the address comes from.", ("contact_source",), "required"))
    if new.instead_of and new.instead_of not in {contact.id for contact in clinician.contacts}:
        text = "This contact is not on file any more. Choose again."
        issues.append(Issue(text, ("instead_of",), "not-found"))
    if not new.address.strip():
        issues.append(Issue("Write the number or address.", ("contact_address",), "required"))
    if issues:
        raise InvalidInput(*issues)
    if new.channel != Channel.POST:
        return normal_address(Channel(new.channel), new.address, "contact_address")
    lines = [" ".join(line.split()) for line in new.address.replace("\n", ",").split(",")]
    postal = ", ".join(line for line in lines if line)
    if not postal.isprintable() or len(postal) > _LONGEST_POSTAL or postal.count(",") < 1:
        text = "Write street, city, state and ZIP code, for example 22 Myrtle Street, Denver, CO 80203."
        raise InvalidInput(Issue(text, ("contact_address",), "value"))
    return postal


def _stopped(
    session: Session, clinician_id: str, contact_id: str, now: datetime
) -> Iterator[tuple[Referral, Message]]:
    """What had not left yet for a contact, which is taken back."""
    for open_ in referrals.find(session, clinician_id=clinician_id, is_open=True) if contact_id else ():
        referral = referrals.get(session, open_.id, lock=True)
        yield from ((referral, message) for message in stop_waiting(session, referral, contact_id, now))


def stop_waiting(session: Session, referral: Referral, contact_id: str, now: datetime) -> list[Message]:
    """Take back what has not left yet for a contact, newest first. The caller holds the request."""
    kinds = {message.kind for message in outbox.find(session, referral_id=referral.id)}
    stopped = set(outbox.cancel_waiting(session, referral.id, now, kinds, contact_id=contact_id))
    for id in stopped:
        publish.message_cancelled(session, str(id), now)
    return [message for message in outbox.find(session, referral_id=referral.id) if message.id in stopped]


def queue_instead(
    session: Session, referral: Referral, stopped: Message, contact: Contact, now: datetime
) -> None:
    """What was taken back goes on as what it was, by another contact; the next rungs keep their ordinals.

    A one-time code does not: whoever waits for it asks for a new one.
    """
    if stopped.kind is MessageKind.IDENTITY_CODE:
        return
    messages = outbox.find(session, referral_id=referral.id)
    taken = {message.ordinal for message in messages if message.kind is stopped.kind}
    ordinal = free_ordinal(stopped.ordinal, taken)
    queue_message(session, referral, stopped.kind, contact, now, ordinal=ordinal)
