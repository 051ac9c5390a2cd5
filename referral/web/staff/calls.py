"""The list of calls, and logging what came of one."""

from __future__ import annotations

from datetime import date
from typing import Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.calls import CallLog, CallOutcome
from referral.domain.codes import Channel
from referral.domain.errors import InvalidInput, Issue, NotFound, ReferralError
from referral.domain.listing import Page, View
from referral.services.find_calls import Call, list_calls, open_call
from referral.services.log_call import log_call
from referral.storage import calls, clinics
from referral.storage.audit import Subject
from referral.storage.db import Session, attempt
from referral.web.dependencies import PostedDep, Visitor
from referral.web.staff.call_view import call_page
from referral.web.staff.frame import Ask, SeeWork, clock_of, done, form_of, show, texts, version_of
from referral.web.staff.lists import show_list
from referral.web.staff.steps import Shown, Typed, refused
from referral.web.staff.work_lists import CALLS, call_cells, calls_row
from referral.web.turn import Router

router: Final = Router()


@router.get("/calls")
def show_calls(request: Request, visitor: SeeWork) -> Response:
    """Whom to call, most urgent first."""
    clock = clock_of(visitor)

    def find(session: Session, view: View) -> Page[Call]:
        return list_calls(session, visitor.actor, visitor.now, view)

    return show_list(
        request,
        visitor,
        CALLS,
        find,
        lambda call: calls_row(call, clock),
        lambda call: call_cells(call, clock),
        "calls",
    )


@router.get("/calls/{call_id}")
def show_call(request: Request, call_id: str, visitor: SeeWork) -> Response:
    """One call: the number, what to say, what came of it."""
    return _page(request, visitor, call_id, Shown())


def _page(request: Request, visitor: Visitor, call_id: str, shown: Shown) -> Response:
    call = open_call(visitor.session, visitor.actor, call_id, visitor.now)
    version = str(call.task.version)
    form = form_of(visitor, shown.typed, shown.errors, version, conflict=shown.conflict)
    page = call_page(call, clinics.current(visitor.session), form, clock_of(visitor))
    follows = (f"ServiceRequest/{call.task.referral_id}",)
    return show(request, visitor, "staff/call.html.j2", "calls", page, shown.status, follows=follows)


@router.post("/calls/{call_id}")
def log(request: Request, call_id: str, visitor: Ask, posted: PostedDep) -> Response:
    """Log it, and go on: to the list, or to writing down the answer."""
    request.state.entity = f"call/{call_id}"
    typed = texts(posted)
    try:
        with attempt(visitor.session):
            given, version = log_of(typed), version_of(typed)
            task = log_call(visitor.session, visitor.actor, call_id, version, given, visitor.now)
    except NotFound:
        raise
    except ReferralError as error:
        made = calls.get(visitor.session, call_id)
        about = Subject(f"ServiceRequest/{made.referral_id}" if made else f"call/{call_id}")
        shown = refused(visitor, error, typed, "call_outcome", about)
        return _page(request, visitor, call_id, shown)
    # An answer on the telephone is written down at once.
    said = task.outcome is CallOutcome.ANSWER_GIVEN
    return done(visitor, transcription(task.referral_id) if said else "/calls", f"called-{task.outcome}")


def log_of(typed: Typed) -> CallLog:
    """What was ticked and typed; InvalidInput without a choice of the list."""
    try:
        outcome = CallOutcome(typed.get("call_outcome", ""))
    except ValueError:
        raise InvalidInput(Issue("Choose what came of the call.", ("call_outcome",), "required")) from None
    channel, day = typed.get("call_channel", ""), typed.get("call_back_on", "")
    return CallLog(
        outcome=outcome,
        channel=Channel(channel) if channel in set(Channel) else None,
        back_on=_day(day),
        spoke_with=typed.get("call_spoke_with", ""),
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def transcription(referral_id: str | None) -> str:
    """Where an answer given on the telephone is written down."""
    return f"/requests/{referral_id}/transcribe"
