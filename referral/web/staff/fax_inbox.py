"""The fax inbox: faxes that came in, each beside the requests that it may belong to, and written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.errors import InvalidInput, ReferralError
from referral.domain.listing import Page, View
from referral.letters.scan import turned
from referral.services.attach_fax import (
    assign_fax,
    dismiss_fax,
    file_fax,
    note_difference,
    restore_fax,
    take_fax_off,
)
from referral.services.find_faxes import Listed, list_faxes, open_fax, read_page
from referral.services.transcribe_fax import transcribe_fax
from referral.storage import faxes
from referral.storage.audit import Subject
from referral.storage.db import Session, attempt
from referral.web.dependencies import PostedDep, Visitor, staff
from referral.web.policy import Permission
from referral.web.portal_questions import posted_values
from referral.web.staff.fax_list import cells, row, shape_of
from referral.web.staff.fax_view import ANSWER_ITEMS, fax_page, page_shown, prefilled
from referral.web.staff.frame import (
    Ask,
    clock_of,
    done,
    errors_of,
    form_of,
    page_number,
    query_of,
    show,
    texts,
    version_of,
)
from referral.web.staff.lists import show_list
from referral.web.staff.steps import Shown, Steps, Typed, refused, take
from referral.web.turn import Router

router: Final = Router()
_See = Annotated[Visitor, staff(Permission.SEE_DOCUMENT)]


@router.get("/fax-inbox")
def show_inbox(request: Request, visitor: _See) -> Response:
    """Newest first."""
    clock = clock_of(visitor)

    def find(session: Session, view: View) -> Page[Listed]:
        return list_faxes(session, visitor.actor, view, visitor.now)

    return show_list(
        request,
        visitor,
        shape_of(query_of(request, "state")),
        find,
        lambda item: row(item, clock),
        lambda item: cells(item, clock),
        "faxes",
    )


@router.get("/fax-inbox/{fax_id}")
def show_fax(request: Request, fax_id: str, visitor: _See) -> Response:
    """One fax: its page beside the requests, or beside the form. One that is gone leads to the inbox."""
    if not faxes.still_kept(visitor.session, [fax_id]):
        return done(visitor, "/fax-inbox", "fax-gone")
    return _page(request, visitor, fax_id, Shown())


@router.get("/fax-inbox/{fax_id}/pages/{number}")
def show_picture(request: Request, fax_id: str, number: str, visitor: _See) -> Response:
    """A page as PNG, drawn here from the bytes that came in."""
    place = int(number) if number.isdecimal() and len(number) < 4 else 0
    found = read_page(visitor.session, visitor.actor, fax_id, place)
    turn = _turn(request)
    return Response(turned(found.content, turn) if turn else found.content, media_type="image/png")


def _turn(request: Request) -> int:
    text = query_of(request, "turn")
    return int(text) if text in ("90", "180", "270") else 0


def _page(
    request: Request,
    visitor: Visitor,
    fax_id: str,
    shown: Shown,
    values: Mapping[str, list[str]] | None = None,
) -> Response:
    request.state.entity = f"DocumentReference/{fax_id}"
    words = query_of(request, "q")
    view = open_fax(visitor.session, visitor.actor, fax_id, words, visitor.now)
    form = form_of(visitor, shown.typed, shown.errors, str(view.fax.version), conflict=shown.conflict)
    picture = page_shown(view.fax, page_number(request), _turn(request))
    page = fax_page(
        visitor,
        view,
        clock_of(visitor),
        form,
        picture,
        query=words,
        values=values if values is not None else prefilled(view.about),
        failed=shown.failed,
    )
    follows = (f"DocumentReference/{view.fax.record_id or view.fax.document_id}",)
    return show(request, visitor, "staff/fax.html.j2", "faxes", page, shown.status, follows=follows)


@router.post("/fax-inbox/{fax_id}/transcribe")
def write_down(request: Request, fax_id: str, visitor: Ask, posted: PostedDep) -> Response:
    """What the fax says becomes the answer; a refusal shows the form with what was typed."""
    request.state.entity = f"DocumentReference/{fax_id}"
    values, typed = posted_values(posted, ANSWER_ITEMS), texts(posted)
    try:
        with attempt(visitor.session):
            transcribe_fax(visitor.session, visitor.actor, fax_id, version_of(typed), values, visitor.now)
    except InvalidInput as refusal:
        errors = errors_of(refusal, {}, "decision")
        errors |= {issue.expression[0]: issue.text for issue in refusal.issues if issue.expression}
        return _page(request, visitor, fax_id, Shown(typed, errors, "transcribe", 400), values)
    except ReferralError as refusal:
        shown = refused(visitor, refusal, typed, "decision", Subject(request.state.entity))
        shown = replace(shown, failed="transcribe")
        return _page(request, visitor, fax_id, shown, values)
    view = open_fax(visitor.session, visitor.actor, fax_id, "", visitor.now)
    return done(visitor, f"/requests/{view.fax.referral_id}", "fax-transcribed")


@router.post("/fax-inbox/{fax_id}/{step}")
def take_step(request: Request, fax_id: str, step: str, visitor: Ask, posted: PostedDep) -> Response:
    """Do one step and show the page again; a refusal shows it with the reason."""

    def again(shown: Shown, _error: ReferralError) -> Response:
        return _page(request, visitor, fax_id, shown)

    page = (f"/fax-inbox/{fax_id}", fax_id)
    return take(request, visitor, _STEPS, step, page, posted, again, type="DocumentReference")


def _assign(visitor: Visitor, fax_id: str, typed: Typed) -> str:
    chosen = typed.get("referral_id", "")
    assign_fax(visitor.session, visitor.actor, fax_id, version_of(typed), chosen, visitor.now)
    return "fax-assigned"


def _dismiss(visitor: Visitor, fax_id: str, typed: Typed) -> str:
    reason = typed.get("reason", "")
    dismiss_fax(visitor.session, visitor.actor, fax_id, version_of(typed), reason, visitor.now)
    return "fax-dismissed"


def _restore(visitor: Visitor, fax_id: str, typed: Typed) -> str:
    restore_fax(visitor.session, visitor.actor, fax_id, version_of(typed), visitor.now)
    return "fax-restored"


def _take_off(visitor: Visitor, fax_id: str, typed: Typed) -> str:
    take_fax_off(visitor.session, visitor.actor, fax_id, version_of(typed), visitor.now)
    return "fax-taken-off"


def _file(visitor: Visitor, fax_id: str, typed: Typed) -> str:
    reason = typed.get("reason", "")
    file_fax(visitor.session, visitor.actor, fax_id, version_of(typed), reason, visitor.now)
    return "fax-filed"


def _differ(visitor: Visitor, fax_id: str, typed: Typed) -> str:
    note_difference(visitor.session, visitor.actor, fax_id, version_of(typed), visitor.now)
    return "fax-differs"


_STEPS: Final[Steps] = {
    "assign": (Permission.ASK, _assign),
    "dismiss": (Permission.ASK, _dismiss),
    "restore": (Permission.ASK, _restore),
    "take-off": (Permission.ASK, _take_off),
    "file": (Permission.ASK, _file),
    "differ": (Permission.ASK, _differ),
}
