"""Tells the patient that the clinic waits for one form, where the clinic does so and the patient lets it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from referral.domain.codes import Channel
from referral.domain.consent import ConsentScope
from referral.domain.contacts import for_patient
from referral.domain.outgoing import MessageKind, MessageState
from referral.domain.records import Contact, Referral
from referral.services.queue_message import queue_message
from referral.storage import consents, contacts, outbox, referrals
from referral.storage.db import Session

# Two requests for the same patient that come to the same rung are one piece of news.
_NO_SECOND_WITHIN: Final = timedelta(days=3)


class Untold(StrEnum):
    """Why nothing is written to the patient: the front desk tells them."""

    OFF = "off"
    REFUSED = "refused"
    NO_CONTACT = "no-contact"
    TOLD_LATELY = "told-lately"


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
