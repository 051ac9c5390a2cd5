"""One click gives an unknown code its class; one more takes it back."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from referral.domain.errors import NotFound, ReferralError
from referral.services.classify_indication import classify_indication, undo_classification
from referral.storage.db import attempt
from referral.web.dependencies import PostedDep, Visitor, staff
from referral.web.errors import status_of
from referral.web.policy import Permission
from referral.web.staff.classify_view import seen_field
from referral.web.staff.frame import done, texts, version_of
from referral.web.staff.today import show_board
from referral.web.turn import Router

router: Final = Router()
Change = Annotated[Visitor, staff(Permission.CHANGE_POLICY)]


@router.post("/policy/classify")
def classify(request: Request, visitor: Change, posted: PostedDep) -> Response:
    """From the board, and back to it, where it can be undone; a stale click shows the board as it is."""
    typed = texts(posted)
    chosen = typed.get("requirement", "")
    try:
        with attempt(visitor.session):
            saved = classify_indication(
                visitor.session,
                visitor.actor,
                typed.get("order", ""),
                (typed.get("system", ""), typed.get("code", "")),
                chosen,
                based_on=version_of(typed),
                seen=typed.get(seen_field(chosen), ""),
                now=visitor.now,
            )
    except NotFound:
        raise
    except ReferralError as error:
        return show_board(request, visitor, refused=_said(error), status=status_of(error))
    return RedirectResponse(f"/?classified={saved.version}", 303)


@router.post("/policy/undo")
def undo(request: Request, visitor: Change, posted: PostedDep) -> Response:
    """The code is unknown again, and its orders wait."""
    try:
        with attempt(visitor.session):
            undo_classification(visitor.session, visitor.actor, version_of(texts(posted)), visitor.now)
    except ReferralError as error:
        return show_board(request, visitor, refused=_said(error), status=status_of(error))
    return done(visitor, "/", "unclassified")


def _said(error: ReferralError) -> str:
    return " ".join(issue.text for issue in error.issues)
