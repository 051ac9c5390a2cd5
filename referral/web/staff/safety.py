"""One sign of self-harm: whom to call, and what was done about it."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.errors import NotFound, ReferralError
from referral.services.find_scales import find_safety
from referral.services.raise_safety import settle_safety
from referral.storage.db import attempt
from referral.web.dependencies import PostedDep, Visitor, staff
from referral.web.errors import status_of
from referral.web.form import Form
from referral.web.policy import Permission
from referral.web.staff.frame import clock_of, done, errors_of, form_of, show, texts
from referral.web.staff.scale_view import safety_page
from referral.web.turn import Router

router: Final = Router()
SeeAnswer = Annotated[Visitor, staff(Permission.SEE_ANSWER)]


@router.get("/safety/{task_id}")
def show_safety(request: Request, task_id: str, visitor: SeeAnswer) -> Response:
    """Whom to call and what was said; afterwards, what was done."""
    return _page(request, visitor, task_id, form_of(visitor))


@router.post("/safety/{task_id}")
def settle(request: Request, task_id: str, visitor: SeeAnswer, posted: PostedDep) -> Response:
    """Write down what was done: the only way to end it."""
    request.state.entity, typed = f"Task/{task_id}", texts(posted)
    try:
        with attempt(visitor.session):
            settle_safety(
                visitor.session,
                visitor.actor,
                task_id,
                typed.get("action", ""),
                typed.get("note", ""),
                visitor.now,
            )
    except NotFound:
        raise
    except ReferralError as error:
        form = form_of(visitor, typed, errors_of(error, {}, "action"))
        return _page(request, visitor, task_id, form, status_of(error))
    return done(visitor, "/", "safety-settled")


def _page(request: Request, visitor: Visitor, task_id: str, form: Form, status: int = 200) -> Response:
    view = find_safety(visitor.session, visitor.actor, task_id)
    page = safety_page(view, clock_of(visitor), form)
    return show(request, visitor, "staff/safety.html.j2", "today", page, status)
