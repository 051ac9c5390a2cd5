"""The outbox: every message that was decided, and each as its recipient gets it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.errors import ReferralError
from referral.domain.listing import Page, View
from referral.services.cancel_message import cancel_message
from referral.services.find_messages import Sent, list_calls, list_messages, open_message
from referral.services.message_decision import DECISIONS
from referral.services.park_message import park_message
from referral.services.retry_message import retry_message
from referral.storage.audit import Subject
from referral.storage.db import Session
from referral.storage.on_call import CalledContact
from referral.web.dependencies import PostedDep, Visitor
from referral.web.policy import Permission
from referral.web.staff import present
from referral.web.staff.clock import Clock
from referral.web.staff.frame import EVERYTHING, Ask, SeeWork, clock_of, form_of, show
from referral.web.staff.list_models import OutboxPage, Row
from referral.web.staff.lists import Cell, file_of, list_page, show_list, wants_file
from referral.web.staff.message_view import message_page
from referral.web.staff.models import Link
from referral.web.staff.rows import is_living, message_row
from referral.web.staff.steps import Shown, Steps, Typed, guarded, take
from referral.web.staff.work_lists import (
    ON_CALL,
    OUTBOX,
    WRITTEN,
    called_cells,
    called_line,
    message_cells,
    message_line,
)
from referral.web.turn import Router

router: Final = Router()


@router.get("/outbox")
def show_outbox(request: Request, visitor: SeeWork) -> Response:
    """Every message, newest first."""
    clock = clock_of(visitor)

    def find(session: Session, view: View) -> Page[Sent]:
        return list_messages(session, visitor.actor, view, visitor.now)

    if wants_file(request):
        return file_of(request, visitor, OUTBOX, find, lambda sent: message_cells(sent, clock))
    listed = list_page(request, visitor, OUTBOX, find, lambda sent: _row(visitor, sent, clock))
    page = OutboxPage(_unsent_channels(visitor), listed)
    return show(request, visitor, "staff/outbox.html.j2", "outbox", page, follows=EVERYTHING)


@router.get("/outbox/on-call")
def show_calls(request: Request, visitor: SeeWork) -> Response:
    """Messages to whoever is on call, newest first: accepted, delivered, or not."""
    clock, sees_task = clock_of(visitor), visitor.may(Permission.SEE_ANSWER)

    def find(session: Session, view: View) -> Page[CalledContact]:
        return list_calls(session, visitor.actor, view, visitor.now)

    def row(one: CalledContact) -> Row:
        return called_line(one, clock, sees_task=sees_task)

    def cells(one: CalledContact) -> Iterator[Cell]:
        return called_cells(one, clock)

    return show_list(request, visitor, ON_CALL, find, row, cells, "outbox")


def _row(visitor: Visitor, sent: Sent, clock: Clock) -> Row:
    receipts = visitor.may(Permission.SEE_ANSWER)
    living = is_living(visitor, sent.message, sent.referral)
    return message_line(
        message_row(
            sent.message,
            sent.clinician,
            clock,
            _about(sent),
            receipts=receipts,
            living=living,
            contact=sent.contact,
        )
    )


def _about(sent: Sent) -> Link:
    name = present.named(sent.patient)
    label = f"{present.titled(sent.clinician)} about {name}, {sent.referral.number}"
    if sent.message.patient_id is not None:
        label = f"{name}, the patient, {sent.referral.number}"
    return Link(label, f"/requests/{sent.referral.id}")


def _unsent_channels(visitor: Visitor) -> str:
    """Which channels have no provider here, as a sentence; empty when every one has."""
    channels = visitor.runtime.channels
    kept = [present.CHANNEL[c] for c in WRITTEN if c not in channels.real]
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
    steps = guarded(_STEPS, Subject(f"Communication/{message_id}", subtypes=DECISIONS))
    return take(request, visitor, steps, step, about, posted, again, "Communication")


def _message(request: Request, visitor: Visitor, message_id: str, shown: Shown) -> Response:
    opened = open_message(visitor.session, visitor.actor, message_id, visitor.runtime.channels.real)
    form = form_of(visitor, shown.typed, shown.errors, conflict=shown.conflict)
    page = message_page(visitor, opened, clock_of(visitor), form)
    follows = (f"Communication/{message_id}",)
    return show(request, visitor, "staff/message.html.j2", "outbox", page, shown.status, follows=follows)


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
