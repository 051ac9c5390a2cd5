"""One message as its recipient gets it, what became of it, and what may be done about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from referral.domain.codes import Channel
from referral.domain.language import Language
from referral.domain.message_decisions import MAY_CANCEL, MAY_HAVE_ARRIVED, MAY_PARK, MAY_RETRY
from referral.domain.outgoing import MessageState
from referral.services.find_messages import Opened, Sent
from referral.storage.outbox import Message
from referral.web.dependencies import Visitor
from referral.web.form import Form
from referral.web.policy import Permission
from referral.web.staff import present
from referral.web.staff.clock import Clock
from referral.web.staff.models import Attachment, Fact, Link, MessagePage
from referral.web.staff.rows import is_living

OVER: Final = (MessageState.ACCEPTED, MessageState.DELIVERED)
_LOOK: Final = {Channel.EMAIL: "mail", Channel.SMS: "sms"}
# GSM 03.38: what a text message of 160 characters is made of; those of the second line count twice.
_GSM: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_TWICE: Final = frozenset("^{}\\[~]|€")
_FATE: Final = {
    MessageState.QUEUED: "It is being made and appears here within a minute.",
    MessageState.RENDERING: "It is being made and appears here within a minute.",
    MessageState.SENDING: "It is being handed over at this moment.",
    MessageState.BY_HAND: "It waits for somebody to print it and put it in the mail; see Print.",
    MessageState.CANCELLED: "It was not needed any more, and did not leave.",
}


def message_page(visitor: Visitor, opened: Opened, clock: Clock, form: Form) -> MessagePage:
    """As this visitor may see it."""
    sent, message = opened.sent, opened.sent.message
    channel = present.CHANNEL[message.channel]
    kept = message.state in OVER and not message.sent_for_real
    waiting = "It is being made." if message.envelope_id is None else "The letter itself is the message."
    return MessagePage(
        kind=f"{present.MESSAGE_KIND[message.kind]} by {channel}",
        badge=present.message_badge(message),
        unsent=f"No provider is set up for {channel}; it stays here." if kept else "",
        facts=_facts(visitor, opened, clock),
        subject=opened.subject,
        body=opened.body or waiting,
        lang=_language(sent) if opened.body else Language.ENGLISH,
        links=_links(visitor, opened),
        attachments=_attachments(visitor, opened),
        about=Link(sent.referral.number, f"/requests/{sent.referral.id}"),
        href=f"/outbox/{message.id}",
        form=form,
        fate=_fate(visitor, opened, clock),
        look=_LOOK.get(message.channel, "paper"),
        headers=tuple(Fact(name, value) for name, value in opened.headers),
        size=segments(opened.body) if message.channel is Channel.SMS and message.envelope_id else "",
        actions=tuple(_actions(visitor, message)),
        may_have_arrived=message.state in MAY_HAVE_ARRIVED,
    )


def _language(sent: Sent) -> Language:
    """What the recipient reads, for whoever has the page read aloud."""
    if sent.message.patient_id is not None:
        return Language.of([sent.patient.language or ""]) or Language.ENGLISH
    return sent.clinician.language or Language.ENGLISH


def segments(text: str) -> str:
    """How many parts a text message has, which is what it costs, in words."""
    if set(text) <= _GSM | _GSM_TWICE:
        length = sum(2 if character in _GSM_TWICE else 1 for character in text)
        one, more = 160, 153
    else:
        length, (one, more) = len(text.encode("utf-16-be")) // 2, (70, 67)
    count = 1 if length <= one else -(-length // more)
    return f"{length} characters, {count} segment{'s' if count > 1 else ''}"


def _fate(visitor: Visitor, opened: Opened, clock: Clock) -> str:
    """What became of it, and what to do where a person has to do something."""
    message = opened.sent.message
    reason = _reason(message)
    if message.state is MessageState.READY:
        return _waits(visitor, message, clock)
    if message.state in OVER:
        return _handed_over(message, clock)
    if message.state is MessageState.FAILED:
        return f"It could not be delivered. {reason} Correct the contact, or send it another way."
    if message.state is MessageState.UNKNOWN:
        return f"Nobody knows whether it arrived. {reason} Ask the recipient before it is sent again."
    if message.state is MessageState.DEAD:
        return f"It is set aside. {reason} Put the cause right and try again, or cancel it."
    return _FATE[message.state]


def _waits(visitor: Visitor, message: Message, clock: Clock) -> str:
    if message.not_before <= visitor.now:
        return "It is ready and leaves in a moment."
    when = clock.moment(message.not_before).text
    if message.tries:
        again = f"It is tried again {when}; if that goes on, send the request another way."
        return f"It could not be handed over yet. {_reason(message)} {again}"
    return f"It waits for their business hours and leaves {when}."


def _handed_over(message: Message, clock: Clock) -> str:
    when = f" {clock.moment(message.finished_at).text}" if message.finished_at else ""
    if not message.sent_for_real:
        return f"It ended here{when}. Nobody has got it, unless somebody brings it to them."
    if message.state is MessageState.DELIVERED:
        return f"It was sent{when}, and the provider says that it arrived."
    return f"The provider took it{when}. Whether it arrived is not known yet."


def _reason(message: Message) -> str:
    """What the provider or the worker said, as a sentence; empty where nobody said anything."""
    said = (message.last_error or "").strip().rstrip(".")
    return f"{said[:1].upper()}{said[1:]}." if said else ""


def _actions(visitor: Visitor, message: Message) -> Iterator[str]:
    if not visitor.may(Permission.ASK):
        return
    for name, states in (("retry", MAY_RETRY), ("park", MAY_PARK), ("cancel", MAY_CANCEL)):
        if message.state in states:
            yield name


def _facts(visitor: Visitor, opened: Opened, clock: Clock) -> tuple[Fact, ...]:
    sent, message = opened.sent, opened.sent.message
    facts = [
        Fact("To", f"{_recipient(sent)}, {present.address_of(sent.contact)}"),
        Fact("Decided", clock.moment(message.created_at).text),
    ]
    if opened.sent_at is not None:
        label = "Sent" if message.sent_for_real else "Would have left"
        facts.append(Fact(label, clock.moment(opened.sent_at).text))
    if opened.told_at is not None:
        label = "Delivered" if message.state is MessageState.DELIVERED else "Failed"
        facts.append(Fact(label, clock.moment(opened.told_at).text))
    if message.provider_reference and message.sent_for_real:
        facts.append(Fact("Reference", message.provider_reference))
    if opened.masked:
        facts.append(Fact("Left out here", "link and code: only the recipient may use them"))
    if message.letter_id and is_living(visitor, message, sent.referral):
        facts.append(Fact("Letter", "carries the link too; it can be read here once the request is closed"))
    return tuple(facts)


def _recipient(sent: Sent) -> str:
    """The patient by name as well: whoever may look here sees whom the request is about."""
    return present.titled(sent.clinician) if sent.message.patient_id is None else present.named(sent.patient)


def _links(visitor: Visitor, opened: Opened) -> tuple[Link, ...]:
    """Only links to our own portal are ever made clickable."""
    own = re.escape(visitor.runtime.settings.base_url)
    found = re.findall(rf"{own}/\S+", opened.body)
    who = "clinician" if opened.sent.message.patient_id is None else "patient"
    return tuple(Link(f"Open the link as the {who}", href) for href in dict.fromkeys(found))


def _attachments(visitor: Visitor, opened: Opened) -> tuple[Attachment, ...]:
    message = opened.sent.message
    if opened.letter_size is None or not message.letter_id:
        return ()
    letter = present.is_letter(message)
    if not letter and not visitor.may(Permission.SEE_ANSWER):
        return ()
    if is_living(visitor, message, opened.sent.referral):
        return ()
    label = "Letter" if letter else "Signed answer"
    size = f"PDF, {max(1, opened.letter_size // 1024)} KB"
    return (Attachment(label, f"/documents/{message.letter_id}", size),)
