"""The portal for the outside clinician: one address, /request, that always shows the next thing to do."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from referral.bootstrap import Runtime
from referral.domain.errors import PortalClosed
from referral.domain.life import Purpose
from referral.services.answer_follow_up import is_asked_about
from referral.services.answer_on_portal import read_sender
from referral.services.keep_draft import read_draft
from referral.services.keep_standing import has_withdrawn
from referral.services.prove_identity import Stage
from referral.services.read_since import is_for_report
from referral.storage import mode
from referral.storage.db import Session
from referral.web import (
    portal_answer,
    portal_ask,
    portal_assistant,
    portal_course,
    portal_entry,
    portal_follow_up,
    portal_identity,
    portal_standing,
    portal_upload,
)
from referral.web.dependencies import RuntimeDep, public
from referral.web.portal_guest import Guest, go, has_cookie, recognize

_START: Final = "/request"


def _require_open(session: Session) -> None:
    """After a restore nobody comes in, by whatever link."""
    if mode.restoring(session):
        raise PortalClosed("The portal is closed for the moment.")


async def _is_open(request: Request, runtime: RuntimeDep) -> None:
    """The constant first page of a link stays; the first page behind it looks in its own transaction."""
    path = request.scope["path"]
    if path != _START and (request.method == "POST" or not path.startswith("/r/")):
        await run_in_threadpool(_look, runtime)


def _look(runtime: Runtime) -> None:
    with runtime.transaction() as session:
        _require_open(session)


router: Final = APIRouter(dependencies=[Depends(_is_open)])


@router.get(
    _START,
    dependencies=[public("asks for a code; shows a request only to a session that was identified")],
    include_in_schema=False,
)
def next_page(request: Request, runtime: RuntimeDep) -> Response:
    """The one address to come back to: the code, the check, the request, or that it is over."""
    shown = None
    with runtime.transaction() as session:
        _require_open(session)
        visitor = recognize(session, request, runtime)
        if visitor is not None and _is_asked(visitor):
            shown = portal_answer.read_request(session, visitor)
    if visitor is not None and shown is not None:
        return portal_answer.request_page(visitor, shown)
    return _other_page(request, runtime, visitor)


def _is_asked(visitor: Guest) -> bool:
    """Identified, and the answer is still to be given."""
    answers = visitor.credential.purpose is Purpose.ANSWER
    return answers and visitor.stage is Stage.IDENTIFIED and not visitor.is_over


def _other_page(request: Request, runtime: Runtime, visitor: Guest | None) -> Response:
    if visitor is None:
        return portal_entry.code_page(request, was_closed=has_cookie(request, runtime))
    if visitor.credential.revoked_at is not None:
        return _closed(visitor)
    if visitor.stage is not Stage.IDENTIFIED or visitor.credential.frozen_at is not None:
        return portal_identity.identity_page(visitor)
    with visitor.transaction() as session:
        if is_asked_about(session, visitor.found):
            return go("/request/follow-up")
        reads = is_for_report(session, visitor.credential)
    return go("/request/since" if reads else "/request/standing")


def _closed(visitor: Guest) -> Response:
    """Answered here: the receipt. Taken back: that. Answered elsewhere, cancelled: nothing is needed."""
    with visitor.transaction() as session:
        signed = read_draft(session, visitor.found).signed if visitor.stage is Stage.IDENTIFIED else None
        sender, withdrawn = read_sender(session), has_withdrawn(session, visitor.found)
    if withdrawn:
        return go("/request/withdrawn")
    if signed is not None:
        return go("/request/receipt")
    return visitor.page("portal/closed.html.j2", sender=sender, token=visitor.found.csrf_token)


for _part in (
    portal_entry,
    portal_identity,
    portal_answer,
    portal_ask,
    portal_assistant,
    portal_upload,
    portal_follow_up,
    portal_standing,
    portal_course,
):
    router.include_router(_part.router)
