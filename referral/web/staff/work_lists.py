"""The lists of faxes, calls, messages and bookings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from referral.domain.calls import CallReason
from referral.domain.codes import Channel
from referral.domain.on_call import OnCallContact
from referral.services.find_bookings import Seat
from referral.services.find_calls import Call
from referral.services.find_messages import Sent
from referral.storage.on_call import CalledContact
from referral.web.staff import present
from referral.web.staff.booking_view import booking_row
from referral.web.staff.call_view import call_row
from referral.web.staff.call_words import WHY
from referral.web.staff.clock import Clock
from referral.web.staff.list_models import NEWEST_FIRST, Day, Empty, Filter, Row, Shape
from referral.web.staff.lists import Cell
from referral.web.staff.models import Link, MessageRow
from referral.web.staff.scale_view import call_badge

CALLS: Final = Shape(
    path="/calls",
    one="call",
    title="Calls",
    intro="By the date of the first infusion, then by who has waited longest.",
    columns=(
        *("Clinician", "Telephone", "Patient", "Request", "Why", "Business days waiting"),
        *("First infusion", "Due", "Tries"),
    ),
    search="Clinician, patient or request number",
    filters=(
        Filter(
            name="state",
            label="Show",
            options=(("", "All"), ("now", "To call now"), ("later", "Later")),
            main=True,
        ),
        Filter(
            name="why",
            label="Reason",
            options=(("", "Any"), *((reason.value, WHY[reason].text) for reason in CallReason)),
        ),
    ),
    sorts=(("", "Next infusion first"), ("waited", "Longest waiting first"), ("due", "Due first")),
    empty=Empty(
        title="Nobody to call now.",
        text="Clinicians who have not answered for some business days, who ask for a call, or whose number is"
        " new appear here.",
    ),
)


def calls_row(call: Call, clock: Clock) -> Row:
    """The number to ring first."""
    shown = call_row(call, clock)
    infusion = f"First infusion {shown.infusion.text}" if shown.infusion else "No infusion date yet"
    later = f"Next try {shown.later}. " if shown.later else ""
    return Row(
        title=shown.clinician,
        href=shown.href,
        lead_text=shown.phone or "No number yet",
        lead_href=f"tel:{shown.phone}" if shown.phone else "",
        detail=f"about {shown.patient}",
        badges=(shown.why,),
        sentence=f"{later}{shown.waiting}. {infusion}.",
        action=shown.action,
        about=f"{shown.clinician} about {shown.patient}",
    )


def call_cells(call: Call, clock: Clock) -> Iterator[Cell]:
    """As CALLS.columns."""
    infusion = call.state.order.first_infusion_on
    yield present.titled(call.followed.clinician)
    yield present.phone(call.number.address) if call.number else ""
    yield from (present.named(call.state.patient), call.followed.referral.number, WHY[call.task.why].text)
    yield call.followed.waited
    yield infusion.isoformat() if infusion else ""
    yield from (clock.local(call.task.due_at).isoformat(), call.task.tries)


def _sent_by(*channels: Channel) -> Filter:
    options = (("", "All"), *((channel.value, present.CHANNEL[channel].capitalize()) for channel in channels))
    return Filter(name="channel", label="Sent by", options=options, main=True)


WRITTEN: Final = (Channel.EMAIL, Channel.FAX, Channel.SMS, Channel.POST)
OUTBOX: Final = Shape(
    path="/outbox",
    one="message",
    title="Outbox",
    intro="Every message to a clinician or a patient, as the recipient gets it.",
    columns=("Message", "Sent by", "To", "State", "Time", "Clinician", "Patient", "Request"),
    actions=(Link("To whoever is on call", "/outbox/on-call"),),
    search="Recipient or request number",
    filters=(
        Filter(
            name="state",
            label="State",
            options=(
                ("", "All"),
                ("waiting", "On their way"),
                ("print", "To print and mail"),
                ("sent", "Sent"),
                ("failed", "Not delivered"),
                ("parked", "Set aside for a person"),
                ("cancelled", "Not needed any more"),
            ),
            main=True,
        ),
        _sent_by(*WRITTEN),
    ),
    sorts=NEWEST_FIRST,
    empty=Empty(
        title="No messages here.",
        text="A request makes the first one within a minute.",
        link=Link("New request", "/requests/new"),
    ),
    no_match="Look for fewer letters, or for every state and channel.",
)


def message_line(shown: MessageRow) -> Row:
    """What it is, to whom and about whom; its letter, where whoever looks may open it."""
    action = Link(shown.document_label, shown.document) if shown.document else Link("Open", shown.href)
    return Row(
        title=shown.kind,
        href=shown.href,
        lead=shown.when,
        icon=shown.icon,
        detail=f"{shown.channel} to {shown.to}",
        badges=(shown.badge,),
        link=shown.about,
        action=action,
        about=f"{shown.kind}, {shown.when.text}",
    )


def message_cells(sent: Sent, clock: Clock) -> Iterator[Cell]:
    """As OUTBOX.columns; no link, no code and no words of it."""
    message = sent.message
    yield from (present.MESSAGE_KIND[message.kind], present.CHANNEL[message.channel])
    yield from (present.address_of(sent.contact), present.message_badge(message).text)
    yield clock.moment(message.finished_at or message.created_at).iso
    yield from (present.titled(sent.clinician), present.named(sent.patient), sent.referral.number)


ON_CALL: Final = Shape(
    path="/outbox/on-call",
    one="message",
    title="To whoever is on call",
    intro="Messages about safety tasks, each to one contact; they say no more than that somebody is needed.",
    columns=("To", "Sent by", "Address", "State", "Time", "Reason", "Task"),
    search="Name or address",
    filters=(
        Filter(
            name="state",
            label="State",
            options=(
                ("", "All"),
                ("waiting", "On their way"),
                ("sent", "Sent"),
                ("failed", "Not delivered"),
                ("parked", "Nobody knows, or given up"),
                ("cancelled", "Not needed any more"),
            ),
            main=True,
        ),
        _sent_by(Channel.SMS, Channel.EMAIL),
    ),
    sorts=NEWEST_FIRST,
    empty=Empty(
        title="Nobody on call was told of anything.",
        text="A sign of self-harm or a serious adverse event makes the first message at once.",
        link=Link("Who is on call", "/settings/on-call"),
    ),
    no_match="Look for fewer letters, or for every state and channel.",
    actions=(Link("Outbox", "/outbox"),),
)


def called_line(one: CalledContact, clock: Clock, *, sees_task: bool) -> Row:
    """The task, where whoever looks may see it: it names the patient."""
    call, contact, href = one.call, one.contact, f"/safety/{one.call.task_id}"
    when = clock.moment(call.finished_at or call.created_at)
    return Row(
        title=contact.name,
        href=href if sees_task else "",
        lead=when,
        detail=f"{present.CHANNEL[contact.channel]} to {_address(contact)}",
        badges=(call_badge(call),),
        sentence=(call.last_error or "").strip().capitalize(),
        action=Link("Safety task", href) if sees_task else None,
        about=f"{contact.name}, {when.text}",
    )


def _address(contact: OnCallContact) -> str:
    return present.phone(contact.address) if contact.channel is Channel.SMS else contact.address


def called_cells(one: CalledContact, clock: Clock) -> Iterator[Cell]:
    """As ON_CALL.columns."""
    call, contact = one.call, one.contact
    yield from (contact.name, present.CHANNEL[contact.channel], _address(contact), call_badge(call).text)
    yield clock.moment(call.finished_at or call.created_at).iso
    yield from (call.last_error or "", call.task_id)


BOOKINGS: Final = Shape(
    path="/bookings/all",
    one="booking",
    title="All bookings",
    columns=("Begins", "Ends", "Chair", "Patient", "Order", "State", "Held until or why it ended"),
    search="Patient",
    filters=(
        Filter(
            name="state",
            label="State",
            options=(
                ("", "Ahead"),
                ("tentative", "Tentative"),
                ("released", "Released"),
                ("cancelled", "Cancelled"),
                ("missed", "Did not come"),
                ("started", "Treatment started"),
                ("all", "All"),
            ),
            main=True,
        ),
    ),
    days=(Day(name="from", label="From"), Day(name="to", label="To")),
    sorts=(("", "Earliest first"), ("latest", "Latest first")),
    empty=Empty(
        title="No chair is booked ahead.",
        text="A chair is booked on the page of an order.",
        link=Link("Orders", "/orders"),
    ),
    no_match="Look for fewer letters, or choose another state or other days.",
    actions=(Link("A day of every chair", "/bookings"),),
)


def seat_row(seat: Seat, clock: Clock) -> Row:
    """When and where, for whom, and whether the gate lets it be."""
    patient = present.named(seat.state.patient)
    shown = booking_row(seat, clock, title=patient)
    return Row(
        title=patient,
        href=shown.href,
        lead=shown.when,
        detail=f"{shown.chair} · {present.indications(seat.state.order)}",
        badges=(shown.badge,),
        sentence=shown.hold,
        action=Link("See booking", shown.href),
        about=f"{patient}, {shown.when.text}",
    )


def seat_cells(seat: Seat, clock: Clock) -> Iterator[Cell]:
    """As BOOKINGS.columns."""
    shown = booking_row(seat, clock)
    yield from (clock.moment(seat.booking.starts_at).iso, clock.moment(seat.booking.ends_at).iso)
    yield from (shown.chair, present.named(seat.state.patient), present.order_number(seat.state.order))
    yield from (shown.badge.text, shown.hold)
