"""The list of all requests: its page, its file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.codes import BusinessStatus, Channel
from referral.domain.listing import Page, View
from referral.services.follow_requests import Followed, last_letter
from referral.services.list_requests import AGES, ListedRequest, list_requests
from referral.storage.db import Session
from referral.web.staff import present
from referral.web.staff.clock import Clock
from referral.web.staff.frame import SeeWork, clock_of
from referral.web.staff.list_models import Empty, Filter, Row, Shape
from referral.web.staff.lists import Cell, show_list
from referral.web.staff.models import Link
from referral.web.staff.rows import request_row
from referral.web.turn import Router

router: Final = Router()
_SENT_BY: Final = (Channel.EMAIL, Channel.FAX, Channel.SMS, Channel.POST)
SHAPE: Final = Shape(
    path="/requests",
    one="request",
    title="Requests",
    intro="Every request to a clinician; the open ones first.",
    columns=(
        *("Request", "Patient", "Clinician", "State", "Sent by", "Asked", "Delivered", "Identified"),
        *("Due", "Ended", "Business days", "What happens next"),
    ),
    search="Patient, clinician or request number",
    filters=(
        Filter(
            name="state",
            label="State",
            options=(
                ("", "Open"),
                ("overdue", "Open, past their date"),
                ("not-delivered", "Open, not delivered"),
                ("opened", "Opened, not answered"),
                ("held", "On hold or paused"),
                ("answered", "Answered"),
                ("ended", "Ended without an answer"),
                ("all", "All"),
            ),
            main=True,
        ),
        Filter(
            name="age",
            label="Waiting for",
            options=(("", "Any time"), *((age, f"{age} business days or more") for age in AGES)),
        ),
        Filter(
            name="due",
            label="Due",
            options=(
                ("", "Any day"),
                ("today", "Today or before"),
                ("tomorrow", "By the next business day"),
                ("week", "Within 5 business days"),
            ),
        ),
        Filter(
            name="channel",
            label="Sent by",
            options=(
                ("", "Any channel"),
                *((channel.value, present.CHANNEL[channel].capitalize()) for channel in _SENT_BY),
            ),
        ),
    ),
    pinned=(
        ("patient", "Only the requests about one patient"),
        ("clinician", "Only the requests to one clinician"),
    ),
    sorts=(
        ("", "Due first"),
        ("newest", "Newest first"),
        ("oldest", "Oldest first"),
        ("patient", "By patient"),
        ("clinician", "By clinician"),
    ),
    empty=Empty(
        title="No request is open.",
        text="A new request is sent in a minute; what has ended is under another state.",
        link=Link("New request", "/requests/new"),
    ),
    no_match="Look for fewer letters, or choose another state.",
    primary=Link("New request", "/requests/new"),
)


@router.get("/requests")
def show_requests(request: Request, visitor: SeeWork) -> Response:
    """By state, words, age, due date and channel."""
    clock = clock_of(visitor)

    def find(session: Session, view: View) -> Page[ListedRequest]:
        return list_requests(session, visitor.actor, view, visitor.now)

    return show_list(
        request,
        visitor,
        SHAPE,
        find,
        lambda item: row(item, clock),
        lambda item: cells(item, clock),
        "requests",
    )


def row(item: ListedRequest, clock: Clock) -> Row:
    """Where it stands, what happens next, and the one thing to do."""
    followed, referral = item.followed, item.followed.referral
    who = present.titled(followed.clinician)
    shown = request_row(followed, present.named(item.patient), clock)
    due = "Due" if referral.is_open else "Asked"
    return Row(
        title=shown.title,
        href=shown.href,
        lead=clock.day(clock.local(referral.due_at if referral.is_open else referral.created_at)),
        lead_before=due,
        detail=f"{who} · {referral.number}",
        badges=(shown.badge,),
        sentence=shown.sentence,
        action=_action(followed, shown.href),
        about=f"{shown.title}, {referral.number}",
    )


def _action(followed: Followed, href: str) -> Link:
    """What waits for a person here; a request that goes on by itself is looked at."""
    referral = followed.referral
    if referral.is_open and followed.question is not None:
        return Link("Read and reply", f"{href}#timeline")
    if referral.is_open and referral.business_status is BusinessStatus.DELIVERY_FAILED:
        return Link("Send again", f"{href}#resend")
    return Link("See request", href)


def cells(item: ListedRequest, clock: Clock) -> Iterator[Cell]:
    """As SHAPE.columns; days are the clinic's."""
    followed, referral = item.followed, item.followed.referral
    shown = request_row(followed, "", clock)
    letter = last_letter(followed.messages)
    yield from (referral.number, present.named(item.patient), present.titled(followed.clinician))
    yield from (shown.badge.text, present.CHANNEL[letter.channel] if letter else "")
    times = (referral.created_at, referral.delivered_at, referral.identified_at, referral.due_at)
    for moment in (*times, referral.closed_at):
        yield clock.local(moment).isoformat() if moment else ""
    yield from (followed.waited, shown.sentence)
