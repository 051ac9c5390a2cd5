"""The outbox: every message that was decided, and each as its recipient gets it."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from referral.domain.codes import Channel
from referral.domain.errors import ReferralError
from referral.services.cancel_message import cancel_message
from referral.services.find_messages import PAGE, Sent, Wanted, list_messages, open_message
from referral.services.park_message import park_message
from referral.services.retry_message import retry_message
from referral.web.dependencies import PostedDep, Visitor
from referral.web.policy import Permission
from referral.web.staff import present
from referral.web.staff.clock import Clock
from referral.web.staff.frame import Ask, SeeWork, clock_of, form_of, page_number, paging, query_of, show
from referral.web.staff.message_view import message_page
from referral.web.staff.models import Choice, Link, MessageRow, OutboxPage
from referral.web.staff.rows import is_living, message_row
from referral.web.staff.steps import Shown, Steps, Typed, take

router: Final = APIRouter()
_STATES: Final = {
    "": "All",
    "waiting": "On their way",
    "print": "To print and mail",
    "sent": "Sent",
    "failed": "Not delivered",
    "parked": "Set aside for a person",
    "cancelled": "Not needed any more",
}
_WRITTEN: Final = (Channel.EMAIL, Channel.FAX, Channel.SMS, Channel.POST)


@router.get("/outbox")
def show_outbox(request: Request, visitor: SeeWork) -> Response:
    """Every message, newest first."""
    wanted = Wanted(
        words=query_of(request, "q"), state=query_of(request, "state"), channel=query_of(request, "channel")
    )
    clock = clock_of(visitor)
    found, more = list_messages(visitor.session, visitor.actor, wanted, page_number(request))
    page = OutboxPage(
        unsent=_unsent_channels(visitor),
        query=wanted.words,
        states=tuple(Choice(value, label, checked=value == wanted.state) for value, label in _STATES.items()),
        channels=_channels(wanted.channel),
        rows=tuple(_row(visitor, sent, clock) for sent in found),
        paging=paging(request, PAGE, len(found), more=more),
        filtered=wanted != Wanted(),
    )
    return show(request, visitor, "staff/outbox.html.j2", "outbox", page)


def _row(visitor: Visitor, sent: Sent, clock: Clock) -> MessageRow:
    receipts = visitor.may(Permission.SEE_ANSWER)
    living = is_living(visitor, sent.message, sent.referral)
    return message_row(
        sent.message,
        sent.clinician,
        clock,
        _about(sent),
        receipts=receipts,
        living=living,
        contact=sent.contact,
    )


def _channels(chosen: str) -> tuple[Choice, ...]:
    every = [("", "All"), *((channel, present.CHANNEL[channel].capitalize()) for channel in _WRITTEN)]
    return tuple(Choice(value, label, checked=value == chosen) for value, label in every)


def _about(sent: Sent) -> Link:
    name = present.named(sent.patient)
    label = f"{present.titled(sent.clinician)} about {name}, {sent.referral.number}"
    if sent.message.patient_id is not None:
        label = f"{name}, the patient, {sent.referral.number}"
    return Link(label, f"/requests/{sent.referral.id}")


def _unsent_channels(visitor: Visitor) -> str:
    """Which channels have no provider here, as a sentence; empty when every one has."""
    channels = visitor.runtime.channels
    kept = [present.CHANNEL[c] for c in _WRITTEN if c not in channels.real]
    if not kept:
        return ""
    names = kept[0] if len(kept) == 1 else f"{', '.join(kept[:-1])} and {kept[-1]}"
    return f"No provider is set up for {names}: those messages end in this list, where you can open them."


@router.get("/outbox/{message_id}")
def show_message(request: Request, message_id: str, visitor: SeeWork) -> Response:
    """One message as its recipient gets it."""
    return _message(request, visitor, message_id, Shown())


@router.post("/outbox/{message_id}/{step}")
def take_step(request: Request, message_id: str, step: str, visitor: Ask, posted: PostedDep) -> Response:
    """Try again, set aside or cancel; a refusal shows the message with the reason."""

    def again(shown: Shown, _error: ReferralError) -> Response:
        return _message(request, visitor, message_id, shown)

    about = (f"/outbox/{message_id}", message_id)
    return take(request, visitor, _STEPS, step, about, posted, again, "Communication")


def _message(request: Request, visitor: Visitor, message_id: str, shown: Shown) -> Response:
    opened = open_message(visitor.session, visitor.actor, message_id, visitor.runtime.channels.real)
    form = form_of(visitor, shown.typed, shown.errors)
    page = message_page(visitor, opened, clock_of(visitor), form)
    return show(request, visitor, "staff/message.html.j2", "outbox", page, shown.status)


def _retry(visitor: Visitor, message_id: str, typed: Typed) -> str:
    sure = bool(typed.get("did_not_arrive"))
    retry_message(visitor.session, visitor.actor, message_id, visitor.now, did_not_arrive=sure)
    return "message-retried"


def _park(visitor: Visitor, message_id: str, _typed: Typed) -> str:
    park_message(visitor.session, visitor.actor, message_id, visitor.now)
    return "message-parked"


def _cancel(visitor: Visitor, message_id: str, _typed: Typed) -> str:
    cancel_message(visitor.session, visitor.actor, message_id, visitor.now)
    return "message-cancelled"


_STEPS: Final[Steps] = {
    "retry": (Permission.ASK, _retry),
    "park": (Permission.ASK, _park),
    "cancel": (Permission.ASK, _cancel),
}
