"""Rows that several lists share: orders, requests, messages."""

from __future__ import annotations

from referral.domain.codes import TaskStatus
from referral.domain.records import Clinician, Contact, Referral
from referral.services.find_messages import contact_of, is_for_recipient_alone
from referral.services.find_orders import OrderState
from referral.services.follow_requests import Followed
from referral.storage.outbox import Message
from referral.web.dependencies import Visitor
from referral.web.staff import present, story
from referral.web.staff.clock import Clock
from referral.web.staff.models import Link, MessageRow, OrderRow, RequestRow


def order_row(state: OrderState, clock: Clock) -> OrderRow:
    """One order in a list."""
    day = state.order.first_infusion_on
    return OrderRow(
        number=present.order_number(state.order),
        href=f"/orders/{state.order.id}",
        patient=present.named(state.patient),
        indication=present.indications(state.order),
        infusion=clock.day(day) if day else None,
        badge=present.gate_badge(state),
        reason=story.reason(state, clock),
    )


def request_row(followed: Followed, title: str, clock: Clock) -> RequestRow:
    """One request in a list; `title` is whom or what the list is not about."""
    referral = followed.referral
    if referral.closed_at is None:
        sentence = story.of_request(followed, clock, naming=False)
    else:
        how = "Answered" if referral.status is TaskStatus.COMPLETED else "Ended"
        reason = present.status_reason(referral.status_reason)
        sentence = f"{how} {clock.date_of(referral.closed_at)}{': ' + reason if reason else ''}."
    return RequestRow(
        number=referral.number,
        href=f"/requests/{referral.id}",
        title=title,
        badge=present.request_badge(referral),
        sentence=sentence,
        asked=clock.day(clock.local(referral.created_at)),
    )


def is_living(visitor: Visitor, message: Message, referral: Referral) -> bool:
    """A letter whose link may still answer the request, and that its recipient alone is to have."""
    own = is_for_recipient_alone(message, visitor.runtime.channels.real)
    return present.is_letter(message) and referral.is_open and own


def message_row(
    message: Message,
    clinician: Clinician,
    clock: Clock,
    about: Link | None = None,
    *,
    receipts: bool,
    living: bool,
    contact: Contact | None = None,
) -> MessageRow:
    """`contact` is where it went, where that may not be one of the clinician's any more.

    `receipts`: whoever looks may read signed answers. `living`: its link may still answer the request.
    """
    contact = contact or contact_of(message, clinician)
    letter = present.is_letter(message)
    may_read = not living if letter else receipts
    document = message.letter_id if message.letter_id and may_read else ""
    return MessageRow(
        kind=present.MESSAGE_KIND[message.kind],
        channel=f"By {present.CHANNEL[message.channel]}",
        icon=present.CHANNEL_ICON[message.channel],
        to=present.address_of(contact),
        when=clock.moment(message.finished_at or message.created_at),
        badge=present.message_badge(message),
        href=f"/outbox/{message.id}",
        document=f"/documents/{document}" if document else "",
        document_label="Letter (PDF)" if letter else "Signed answer (PDF)",
        about=about,
    )
