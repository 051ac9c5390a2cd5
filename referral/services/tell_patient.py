"""Tells the patient that the clinic waits for one form: by the ladder, or when the front desk says so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Channel
from referral.domain.consent import ConsentScope
from referral.domain.contacts import for_patient
from referral.domain.errors import TransitionRefused
from referral.domain.outgoing import AGAIN, MessageKind, MessageState, free_ordinal
from referral.domain.records import Contact, Referral
from referral.services.queue_message import queue_message
from referral.storage import audit, consents, contacts, outbox, referrals
from referral.storage.db import Session

# Two requests for the same patient that come to the same rung are one piece of news.
_NO_SECOND_WITHIN: Final = timedelta(days=3)
# By hand whatever the record names is good enough: somebody looks at it first.
_BY_HAND: Final = (Channel.EMAIL, Channel.SMS, Channel.POST)
_NOT_ARRIVED: Final = frozenset({MessageState.CANCELLED, MessageState.FAILED, MessageState.DEAD})


class Untold(StrEnum):
    """Why nothing is written to the patient: the front desk tells them."""

    OFF = "off"
    REFUSED = "refused"
    NO_CONTACT = "no-contact"
    TOLD_LATELY = "told-lately"
    NOTHING_OPEN = "nothing-open"


@dataclass(frozen=True, slots=True)
class Telling:
    """What would be sent now: about which request, and where to."""

    referral: Referral
    contact: Contact


def tell_patient(
    session: Session, referral: Referral, channels: Iterable[Channel], now: datetime, *, ordinal: int
) -> Untold | None:
    """Queue the message, by the best of the patient's contacts among `channels`; None where it is queued.

    `ordinal` is the rung's: a second sweep queues nothing. The caller holds the request.
    """
    why, contact = _how(session, referral, tuple(channels), now)
    if contact is None:
        referrals.note(session, referral.id, "patient-not-told", "system", now, why=why)
        return why
    queue_message(session, referral, MessageKind.PATIENT_STATUS, contact, now, ordinal=ordinal)
    return None


def _how(
    session: Session, referral: Referral, channels: tuple[Channel, ...], now: datetime
) -> tuple[Untold | None, Contact | None]:
    id = referral.patient_id
    if not channels:
        return Untold.OFF, None
    if consents.has_withdrawn(session, id, ConsentScope.PATIENT_MESSAGES):
        return Untold.REFUSED, None
    lately = (m for m in outbox.to_patient(session, id) if now - m.created_at < _NO_SECOND_WITHIN)
    if any(m.kind is MessageKind.PATIENT_STATUS and m.state is not MessageState.CANCELLED for m in lately):
        return Untold.TOLD_LATELY, None
    contact = for_patient(contacts.of_patients(session, [id])[id], channels)
    return (None, contact) if contact is not None else (Untold.NO_CONTACT, None)


def foresee_telling(session: Session, patient_id: str, now: datetime) -> Telling | Untold:
    """What telling by hand would send now: about the newest open request, by the best of all contacts."""
    asked = referrals.find(session, patient_id=patient_id, is_open=True, limit=1)
    if not asked:
        return Untold.NOTHING_OPEN
    if consents.has_withdrawn(session, patient_id, ConsentScope.PATIENT_MESSAGES):
        return Untold.REFUSED
    told = [m for m in outbox.to_patient(session, patient_id) if m.kind is MessageKind.PATIENT_STATUS]
    if any(now - m.created_at < _NO_SECOND_WITHIN and m.state not in _NOT_ARRIVED for m in told):
        return Untold.TOLD_LATELY
    refused = {m.contact_id for m in told if m.state is MessageState.FAILED}
    on_file = contacts.of_patients(session, [patient_id])[patient_id]
    contact = for_patient(tuple(c for c in on_file if c.id not in refused), _BY_HAND)
    return Telling(asked[0], contact) if contact is not None else Untold.NO_CONTACT


def tell_now(session: Session, actor: Actor, patient_id: str, contact_id: str, now: datetime) -> None:
    """Queue it because a person has said so; it leaves in the patient's daytime.

    `contact_id` is where the page said that it would go. Raises TransitionRefused where it cannot be sent, or
    would go elsewhere by now.
    """
    seen = foresee_telling(session, patient_id, now)
    if isinstance(seen, Telling):
        # Whoever else does the same waits here, and then sees that it was done.
        referrals.get(session, seen.referral.id, lock=True)
        seen = foresee_telling(session, patient_id, now)
    if not isinstance(seen, Telling) or seen.contact.id != contact_id:
        raise TransitionRefused("Something has changed since this page was shown; look again.", "tell")
    sent = outbox.find(session, referral_id=seen.referral.id)
    # Rungs of the ladder have ordinals of their own; a message by hand takes none of them.
    taken = {message.ordinal for message in sent if message.kind is MessageKind.PATIENT_STATUS}
    ordinal = free_ordinal(AGAIN, taken)
    queue_message(session, seen.referral, MessageKind.PATIENT_STATUS, seen.contact, now, ordinal=ordinal)
    entry = AuditEntry(
        action=Action.EXECUTE,
        subtype="tell-patient",
        entity=f"ServiceRequest/{seen.referral.id}",
        patient_id=patient_id,
        detail={"channel": seen.contact.channel},
    )
    audit.record(session, actor, entry)
