"""One request: its page, and the steps that people take on it."""

from __future__ import annotations

from datetime import date
from typing import Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.calls import CallOutcome
from referral.domain.codes import Channel
from referral.domain.errors import InvalidInput, Issue, ReferralError
from referral.domain.life import Cause
from referral.services.ask_renewal import ask_renewal
from referral.services.close_referral import cancel_referral
from referral.services.find_escalations import attend
from referral.services.find_requests import find_request
from referral.services.judge_recommendation import (
    confirm_by_phone,
    review_recommendation,
    revoke_recommendation,
)
from referral.services.keep_contact import keep_contact
from referral.services.keep_late_answer import settle_late_answer
from referral.services.log_call import log_own_call
from referral.services.move_ladder import (
    extend_request,
    hold_request,
    note_back_on,
    pause_request,
    resume_request,
    undo_move,
)
from referral.services.resend import resend, resend_to
from referral.services.write_to_clinician import see_to, write_to_clinician
from referral.storage import referrals
from referral.web.dependencies import PostedDep, Visitor
from referral.web.policy import Permission
from referral.web.staff.calls import log_of, transcription
from referral.web.staff.contacts import new_contact
from referral.web.staff.frame import Ask, SeeWork, clock_of, form_of, show, texts, version_of
from referral.web.staff.present import CANCEL_REASONS
from referral.web.staff.request_view import request_page
from referral.web.staff.steps import Shown, Steps, Typed, take
from referral.web.turn import Router

router: Final = Router()


@router.get("/requests/{referral_id}")
def show_request(request: Request, referral_id: str, visitor: SeeWork) -> Response:
    """One request with its timeline."""
    return _page(request, visitor, referral_id, Shown())


@router.post("/requests/{referral_id}/{step}")
def take_step(request: Request, referral_id: str, step: str, visitor: Ask, posted: PostedDep) -> Response:
    """Do one step and show the page again; a refusal shows it with the reason and with what was typed."""

    def again(shown: Shown, _error: ReferralError) -> Response:
        return _page(request, visitor, referral_id, shown)

    page = f"/requests/{referral_id}"
    if step == "call" and texts(posted).get("call_outcome") == CallOutcome.ANSWER_GIVEN:
        page = transcription(referral_id)
    return take(request, visitor, _STEPS, step, (page, referral_id), posted, again)


def _page(request: Request, visitor: Visitor, referral_id: str, shown: Shown) -> Response:
    view = find_request(
        visitor.session,
        visitor.actor,
        referral_id,
        visitor.now,
        may_read_answers=visitor.may(Permission.SEE_ANSWER),
    )
    # A letter goes to a new contact unless that was unticked.
    typed = shown.typed if shown.failed else {"send_there": "yes"}
    version = str(view.followed.referral.version)
    form = form_of(visitor, typed, shown.errors, version, conflict=shown.conflict)
    page = request_page(visitor, view, clock_of(visitor), form, shown.failed)
    follows = (
        f"Patient/{view.state.order.patient_id}",
        f"PractitionerRole/{view.followed.referral.clinician_id}",
    )
    return show(request, visitor, "staff/request.html.j2", "", page, shown.status, follows=follows)


def _resend(visitor: Visitor, referral_id: str, typed: Typed) -> str:
    channel = typed.get("resend_channel", "")
    resend(visitor.session, visitor.actor, referral_id, version_of(typed), channel, visitor.now)
    return "resent"


def _contact(visitor: Visitor, referral_id: str, typed: Typed) -> str:
    """Keep another contact, and send the letter there at once unless that was unticked."""
    session, actor, now = visitor.session, visitor.actor, visitor.now
    clinician_id = referrals.get(session, referral_id).clinician_id
    kept = keep_contact(
        session, actor, clinician_id, new_contact(typed, instead_of=typed.get("instead_of", "")), now
    )
    if not typed.get("send_there") or kept.channel is Channel.PHONE:
        return "contact-added"
    resend_to(session, actor, referral_id, version_of(typed), kept, now)
    return "contact-sent"


def _call(visitor: Visitor, referral_id: str, typed: Typed) -> str:
    log, version = log_of(typed), version_of(typed)
    task = log_own_call(visitor.session, visitor.actor, referral_id, version, log, visitor.now)
    return f"called-{task.outcome}"


def _pause(visitor: Visitor, referral_id: str, typed: Typed) -> str:
    until = _day(typed, "pause_until", "Give the day until which to pause.")
    pause_request(visitor.session, visitor.actor, referral_id, version_of(typed), until, visitor.now)
    return "paused"


def _hold(visitor: Visitor, referral_id: str, typed: Typed) -> str:
    hold_request(visitor.session, visitor.actor, referral_id, version_of(typed), visitor.now)
    return "held"


def _resume(visitor: Visitor, referral_id: str, typed: Typed) -> str:
    resume_request(visitor.session, visitor.actor, referral_id, version_of(typed), visitor.now)
    return "resumed"


def _extend(visitor: Visitor, referral_id: str, typed: Typed) -> str:
    text = typed.get("extend_days", "").strip()
    days = int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else 0
    extend_request(visitor.session, visitor.actor, referral_id, version_of(typed), days, visitor.now)
    return "extended"


def _away(visitor: Visitor, referral_id: str, typed: Typed) -> str:
    back_on = _day(typed, "back_on", "Give the day on which they are back.")
    note_back_on(visitor.session, visitor.actor, referral_id, version_of(typed), back_on, visitor.now)
    return "away"


def _attend(visitor: Visitor, referral_id: str, typed: Typed) -> str:
    attend(visitor.session, visitor.actor, referral_id, version_of(typed), visitor.now)
    return "attended"


def _undo(visitor: Visitor, referral_id: str, typed: Typed) -> str:
    undo_move(visitor.session, visitor.actor, referral_id, version_of(typed), visitor.now)
    return "undone"


def _day(typed: Typed, name: str, missing: str) -> date:
    try:
        return date.fromisoformat(typed.get(name, ""))
    except ValueError:
        raise InvalidInput(Issue(missing, (name,), "required")) from None


def _as_shown(visitor: Visitor, referral_id: str, typed: Typed) -> None:
    """For steps whose service knows no version: StaleVersion where the request has moved on."""
    referrals.require_version(referrals.get(visitor.session, referral_id, lock=True), version_of(typed))


def _confirm(visitor: Visitor, referral_id: str, typed: Typed) -> str:
    """The call either makes the answer count or ends it."""
    _as_shown(visitor, referral_id, typed)
    spoke_with, number = typed.get("spoke_with", ""), typed.get("called_number", "")
    missing = [
        Issue(text, (name,), "required")
        for name, value, text in (
            ("spoke_with", spoke_with, "Whom did you speak with?"),
            ("called_number", number, "Which number did you call?"),
        )
        if len(value.strip()) < 3
    ]
    if missing:
        raise InvalidInput(*missing)
    if typed.get("outcome") == "denied":
        reason = f"Called {number.strip()}: {spoke_with.strip()} says it was not sent by the clinician."
        revoke_recommendation(
            visitor.session, visitor.actor, referral_id, reason=reason, now=visitor.now, cause=Cause.DENIED
        )
        return "denied"
    confirm_by_phone(
        visitor.session,
        visitor.actor,
        referral_id,
        spoke_with=spoke_with,
        called_number=number,
        now=visitor.now,
    )
    return "confirmed"


def _review(visitor: Visitor, referral_id: str, typed: Typed) -> str:
    """Accepting needs no words of its own; declining does."""
    _as_shown(visitor, referral_id, typed)
    accepted = typed.get("decision") == "accept"
    reason = typed.get("review_reason", "").strip() or ("Accepted as answered." if accepted else "")
    review_recommendation(
        visitor.session, visitor.actor, referral_id, accepted=accepted, reason=reason, now=visitor.now
    )
    return "accepted" if accepted else "declined"


def _void(visitor: Visitor, referral_id: str, typed: Typed) -> str:
    _as_shown(visitor, referral_id, typed)
    reason = typed.get("void_reason", "")
    revoke_recommendation(visitor.session, visitor.actor, referral_id, reason=reason, now=visitor.now)
    return "voided"


def _renewal(visitor: Visitor, referral_id: str, typed: Typed) -> str:
    ask_renewal(visitor.session, visitor.actor, referral_id, version_of(typed), visitor.now)
    return "renewal-asked"


def _cancel(visitor: Visitor, referral_id: str, typed: Typed) -> str:
    reason = typed.get("cancel_reason", "")
    known = reason if reason in CANCEL_REASONS else ""
    cancel_referral(visitor.session, visitor.actor, referral_id, version_of(typed), known, visitor.now)
    return "cancelled"


def _reply(visitor: Visitor, referral_id: str, typed: Typed) -> str:
    text = typed.get("reply", "")
    write_to_clinician(visitor.session, visitor.actor, referral_id, version_of(typed), text, visitor.now)
    return "replied"


def _seen_to(visitor: Visitor, referral_id: str, typed: Typed) -> str:
    see_to(visitor.session, visitor.actor, referral_id, version_of(typed), visitor.now)
    return "seen-to"


def _late(visitor: Visitor, referral_id: str, typed: Typed) -> str:
    _as_shown(visitor, referral_id, typed)
    late, reason = typed.get("late", ""), typed.get("late_reason", "")
    settle_late_answer(visitor.session, visitor.actor, referral_id, late, reason, visitor.now)
    return "late-settled"


_STEPS: Final[Steps] = {
    "late": (Permission.REVIEW, _late),
    "reply": (Permission.SEE_ANSWER, _reply),
    "seen-to": (Permission.ASK, _seen_to),
    "call": (Permission.ASK, _call),
    "resend": (Permission.ASK, _resend),
    "contact": (Permission.MANAGE_DIRECTORY, _contact),
    "pause": (Permission.ASK, _pause),
    "hold": (Permission.ASK, _hold),
    "resume": (Permission.ASK, _resume),
    "away": (Permission.ASK, _away),
    "extend": (Permission.ASK, _extend),
    "undo": (Permission.ASK, _undo),
    "attend": (Permission.ASK, _attend),
    "confirm": (Permission.ASK, _confirm),
    "review": (Permission.REVIEW, _review),
    "renewal": (Permission.ASK, _renewal),
    "void": (Permission.VOID, _void),
    "cancel": (Permission.ASK, _cancel),
}
