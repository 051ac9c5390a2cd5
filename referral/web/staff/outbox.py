"""The outbox: every message that was decided, and each as its recipient gets it."""

from __future__ import annotations

import re
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from referral.domain.codes import Channel
from referral.domain.outgoing import MessageState
from referral.services.find_messages import PAGE, Opened, Sent, list_messages, open_message
from referral.web.dependencies import Visitor
from referral.web.policy import Permission
from referral.web.staff import present
from referral.web.staff.clock import Clock
from referral.web.staff.frame import SeeWork, clock_of, page_number, paging, query_of, show
from referral.web.staff.models import Attachment, Choice, Fact, Link, MessagePage, MessageRow, OutboxPage
from referral.web.staff.rows import is_living, message_row

router: Final = APIRouter()
_STATES: Final = {
    "": "All",
    "waiting": "On their way",
    "sent": "Sent",
    "failed": "Not delivered",
    "cancelled": "Not needed any more",
}
_OVER: Final = (MessageState.ACCEPTED, MessageState.DELIVERED)


@router.get("/outbox")
def show_outbox(request: Request, visitor: SeeWork) -> Response:
    """Every message, newest first."""
    words, chosen = query_of(request, "q"), query_of(request, "state")
    clock = clock_of(visitor)
    found, more = list_messages(visitor.session, visitor.actor, words, chosen, page_number(request))
    page = OutboxPage(
        unsent=_unsent_channels(visitor),
        query=words,
        states=tuple(Choice(value, label, checked=value == chosen) for value, label in _STATES.items()),
        rows=tuple(_row(visitor, sent, clock) for sent in found),
        paging=paging(request, PAGE, len(found), more=more),
    )
    return show(request, visitor, "staff/outbox.html.j2", "outbox", page)


def _row(visitor: Visitor, sent: Sent, clock: Clock) -> MessageRow:
    receipts = visitor.may(Permission.SEE_ANSWER)
    living = is_living(visitor, sent.message, sent.referral)
    return message_row(sent.message, sent.clinician, clock, _about(sent), receipts=receipts, living=living)


def _about(sent: Sent) -> Link:
    label = f"{present.titled(sent.clinician)} about {present.named(sent.patient)}, {sent.referral.number}"
    return Link(label, f"/requests/{sent.referral.id}")


def _unsent_channels(visitor: Visitor) -> str:
    """Which channels have no provider here, as a sentence; empty when every one has."""
    channels = visitor.runtime.channels
    written = (Channel.EMAIL, Channel.FAX, Channel.SMS, Channel.POST)
    kept = [present.CHANNEL[c] for c in written if c not in channels.real]
    if not kept:
        return ""
    names = kept[0] if len(kept) == 1 else f"{', '.join(kept[:-1])} and {kept[-1]}"
    return f"No provider is set up for {names}: those messages end in this list, where you can open them."


@router.get("/outbox/{message_id}")
def show_message(request: Request, message_id: str, visitor: SeeWork) -> Response:
    """One message as its recipient gets it."""
    real = visitor.runtime.channels.real
    opened = open_message(visitor.session, visitor.actor, message_id, real)
    return show(
        request, visitor, "staff/message.html.j2", "outbox", _page(visitor, opened, clock_of(visitor))
    )


def _page(visitor: Visitor, opened: Opened, clock: Clock) -> MessagePage:
    sent, message = opened.sent, opened.sent.message
    kept = message.state in _OVER and not message.sent_for_real
    return MessagePage(
        kind=f"{present.MESSAGE_KIND[message.kind]} by {present.CHANNEL[message.channel]}",
        badge=present.message_badge(message),
        unsent=f"No provider is set up for {present.CHANNEL[message.channel]}; it stays here."
        if kept
        else "",
        facts=_facts(visitor, opened, clock),
        subject=opened.subject,
        body=opened.body
        or ("The letter itself is the message." if message.letter_id else "It is being made."),
        links=_links(visitor, opened),
        attachments=_attachments(visitor, opened),
        about=Link(sent.referral.number, f"/requests/{sent.referral.id}"),
        error=_error(opened),
    )


def _facts(visitor: Visitor, opened: Opened, clock: Clock) -> tuple[Fact, ...]:
    sent, message = opened.sent, opened.sent.message
    facts = [
        Fact("To", f"{present.titled(sent.clinician)}, {present.address_of(sent.contact)}"),
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


def _links(visitor: Visitor, opened: Opened) -> tuple[Link, ...]:
    """Only links to our own portal are ever made clickable."""
    own = re.escape(visitor.runtime.settings.base_url)
    found = re.findall(rf"{own}/\S+", opened.body)
    return tuple(Link("Open the link as the clinician", href) for href in dict.fromkeys(found))


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


def _error(opened: Opened) -> str:
    message = opened.sent.message
    if message.state in (*_OVER, MessageState.CANCELLED) or not message.last_error:
        return ""
    return f"{message.last_error[:1].upper()}{message.last_error[1:]}"
