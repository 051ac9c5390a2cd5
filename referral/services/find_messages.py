"""The outbox: what was decided to be sent, and each message as its recipient gets it."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.policy import default as mail_policy
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Channel
from referral.domain.errors import NotFound
from referral.domain.listing import Page, View
from referral.domain.outgoing import ON_THEIR_WAY, TO_PATIENT, WITH_LINK, MessageState
from referral.domain.records import Clinician, Contact, Patient, Referral
from referral.letters.words import words_of
from referral.services.find_attention import NOT_DELIVERED
from referral.services.note_shown import note_shown
from referral.storage import audit, contacts, directory, documents, outbox, provider_events, referrals
from referral.storage.db import Session
from referral.storage.lists import messages
from referral.storage.lists import on_call as on_call_list
from referral.storage.on_call import CalledContact
from referral.storage.outbox import Message

FILTERS: Final[dict[str, tuple[MessageState, ...]]] = {
    "": tuple(MessageState),
    "waiting": ON_THEIR_WAY,
    "print": (MessageState.BY_HAND,),
    "sent": (MessageState.ACCEPTED, MessageState.DELIVERED),
    "failed": NOT_DELIVERED,
    "parked": (MessageState.UNKNOWN, MessageState.DEAD),
    "cancelled": (MessageState.CANCELLED,),
}
# What only the recipient may use: the portal link, and the six digits of a one-time code.
_SECRET: Final = re.compile(r"https?://\S+/[rp]/\S+|\b\d{6}\b")
# On paper a link goes over two lines, broken anywhere, and a code that can be typed follows it. From the link
# to the end of the line with the last thing that looks like a code, or to the very end where nothing does.
_SECRET_ON_PAPER: Final = re.compile(
    r"http.*\b[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}\b[^\n]*|http.*\Z|\b\d{6}\b", re.DOTALL
)
_LEFT_OUT: Final = "[only in the recipient's copy]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message with whom and what it is about."""

    message: Message
    referral: Referral
    patient: Patient
    clinician: Clinician
    contact: Contact


def list_messages(session: Session, actor: Actor, view: View, now: datetime) -> Page[Sent]:
    """By a state of FILTERS, a channel and words; newest first unless another order is asked for."""
    page = messages.listed(session, view, FILTERS, now)
    shown = _about(session, list(page.rows))
    note_shown(session, actor, view.noted("messages"), (sent.patient.id for sent in shown), list="messages")
    return page.of(shown)


def list_calls(session: Session, actor: Actor, view: View, now: datetime) -> Page[CalledContact]:
    """Messages to whoever is on call, as list_messages(). They name no patient, and neither does the list."""
    page = on_call_list.listed(session, view, FILTERS, now)
    note_shown(session, actor, view.noted("messages"), (), list="on-call")
    return page


def _about(session: Session, found: list[Message]) -> list[Sent]:
    about = referrals.find_many(session, {m.referral_id for m in found})
    patients = directory.get_patients(session, {r.patient_id for r in about.values()})
    clinicians = directory.get_clinicians(session, {r.clinician_id for r in about.values()})
    # Also those that are no longer in use: what was sent is shown with where it went.
    went_to = contacts.get_many(session, {m.contact_id for m in found})
    return [
        Sent(
            message=message,
            referral=about[message.referral_id],
            patient=patients[about[message.referral_id].patient_id],
            clinician=clinicians[about[message.referral_id].clinician_id],
            contact=went_to[message.contact_id],
        )
        for message in found
    ]


def contact_of(message: Message, clinician: Clinician) -> Contact:
    """Where it goes; a contact that has been taken off the directory is shown as such."""
    found = next((contact for contact in clinician.contacts if contact.id == message.contact_id), None)
    return found or Contact(
        id=message.contact_id,
        channel=message.channel,
        address="the patient" if message.patient_id else "a contact no longer on file",
        source="directory",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The stored bytes in readable form. `masked`: link and code were left out, as only the
    recipient may use them. `headers` are those of a mail that a reader is shown. `told_at` is when it arrived
    or failed, as its provider says."""

    sent: Sent
    subject: str
    body: str
    masked: bool
    headers: tuple[tuple[str, str], ...]
    letter_size: int | None
    sent_at: datetime | None
    told_at: datetime | None


def is_for_recipient_alone(message: Message, real: Container[Channel]) -> bool:
    """It has left, or leaves as soon as it can, by a provider: its link and code are not for us.

    `real` are the channels that have one. What was kept here is brought to its recipient by people.
    """
    kept = message.state in FILTERS["sent"] and not message.sent_for_real
    return message.sent_for_real or (message.channel in real and not kept)


def open_message(session: Session, actor: Actor, message_id: str, real: Container[Channel]) -> Opened:
    """Raises NotFound.

    Whoever reads here must not be able to answer in the clinician's place, so what has left or is going to
    leave is shown without its link and code. `real` are the channels that have a provider.
    """
    message = outbox.get(session, message_id)
    if message is None:
        raise NotFound(f"There is no message with id {message_id}.")
    sent = _about(session, [message])[0]
    words = _words(session, message)
    body = words.body
    if is_for_recipient_alone(message, real):
        broken = words.drawn and message.kind in WITH_LINK | TO_PATIENT
        body = (_SECRET_ON_PAPER if broken else _SECRET).sub(_LEFT_OUT, body)
    entry = AuditEntry(
        action=Action.READ,
        subtype="message",
        entity=f"Communication/{message.id}",
        patient_id=sent.referral.patient_id,
    )
    audit.record(session, actor, entry)
    sizes = documents.sizes(session, [message.letter_id]) if message.letter_id else {}
    return Opened(
        sent=sent,
        subject=words.subject,
        headers=words.headers,
        body=body,
        masked=body != words.body,
        letter_size=sizes.get(message.letter_id or ""),
        sent_at=message.finished_at if message.state in FILTERS["sent"] else None,
        told_at=provider_events.last_told(session, message.id, message.state),
    )


@dataclass(frozen=True, slots=True)
class _Words:
    """`drawn`: they were read from a page, with the line breaks of the page."""

    subject: str = ""
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    drawn: bool = False


# What a mail program shows above the text.
_SHOWN: Final = ("From", "To", "Subject", "Date", "Reply-To")


def _words(session: Session, message: Message) -> _Words:
    """Of the stored bytes; a letter on paper speaks for itself."""
    if message.envelope_id is None:
        return _Words()
    envelope = documents.get(session, str(message.envelope_id))
    if envelope.content_type == "message/rfc822":
        mail = message_from_bytes(envelope.content, policy=mail_policy)
        part = mail.get_body(("plain",))
        headers = tuple((name, str(mail[name])) for name in _SHOWN if mail[name])
        return _Words(str(mail["Subject"] or ""), part.get_content() if part else "", headers)
    if envelope.content_type.startswith("text/"):
        return _Words(body=envelope.content.decode())
    if message.letter_id is None:
        # A notice on paper: its page is all there is of it. A letter or a record is opened as what it is.
        return _Words(body=words_of(envelope.content), drawn=True)
    return _Words()
