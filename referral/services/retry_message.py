"""Has a message tried again because a person says so."""

from __future__ import annotations

from datetime import datetime

from referral.domain.audit import Actor
from referral.domain.contacts import usable
from referral.domain.errors import TransitionRefused
from referral.domain.message_decisions import MAY_HAVE_ARRIVED, MAY_RETRY, why_not
from referral.domain.outgoing import WHILE_STANDING, WITH_LINK, MessageKind, MessageState, makes_sense
from referral.domain.records import Referral
from referral.services import publish
from referral.services.message_decision import hold_message, note_decision
from referral.storage import contacts, credentials, directory, outbox, standings
from referral.storage.db import Session
from referral.storage.outbox import Message


def retry_message(
    session: Session, actor: Actor, message_id: str, now: datetime, *, did_not_arrive: bool = False
) -> None:
    """What waits is tried at once; what has ended becomes a new generation, with a new key for the provider.

    `did_not_arrive` is somebody's word, without which nothing that may have arrived is sent again. Refuses
    what has left, what makes no sense any more, a contact that is not to be used and a link that has ended.
    """
    referral, message = hold_message(session, message_id)
    if message.state not in MAY_RETRY:
        raise TransitionRefused(why_not(message.state, "tried again"))
    if message.state in MAY_HAVE_ARRIVED and not did_not_arrive:
        raise TransitionRefused(
            "This message may have arrived. Ask the recipient, and say that it did not: else it comes twice."
        )
    _refuse_what_would_be_wrong(session, referral, message, now)
    has_ended = message.finished_at is not None
    outbox.settle(
        session,
        message,
        MessageState.READY if message.envelope_id else MessageState.QUEUED,
        not_before=now,
        generation=message.generation + 1 if has_ended else message.generation,
        tries=0,
        crashes=0,
        last_error=None,
        provider_reference=None,
        finished_at=None,
        sending_since=None,
    )
    publish.message_waits(session, str(message.id), now)
    note_decision(session, actor, referral, message, "message-retried", now)


def _refuse_what_would_be_wrong(
    session: Session, referral: Referral, message: Message, now: datetime
) -> None:
    stands = message.kind in WHILE_STANDING and standings.stands(session, referral.id)
    if message.kind is MessageKind.IDENTITY_CODE:
        raise TransitionRefused("A one-time code lives for minutes: the clinician asks for a new one.")
    if not makes_sense(message.kind, is_open=referral.is_open, stands=stands):
        raise TransitionRefused("It makes no sense any more: its request has been closed or answered.")
    clinician = directory.get_clinician(session, referral.clinician_id)
    on_file = clinician.contacts
    if message.patient_id is not None:
        on_file = contacts.of_patients(session, [message.patient_id])[message.patient_id]
    if usable(on_file, message.contact_id) is None:
        raise TransitionRefused(
            "Its contact has gone, or is marked as one that does not work. Correct the contact, then send the"
            " request again from its page."
        )
    if message.kind in WITH_LINK and message.envelope_id is not None:
        links = credentials.of_referral(session, referral.id)
        if not any(link.message_id == message.id and link.is_usable(now) for link in links):
            raise TransitionRefused(
                "The link in it has ended. Send the request again from its page: that makes a fresh one."
            )
