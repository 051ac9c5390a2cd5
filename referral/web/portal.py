"""The portal for the outside clinician: one address, /request, that always shows the next thing to do."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from referral.domain.errors import PortalClosed
from referral.domain.life import Purpose
from referral.services.answer_on_portal import read_sender
from referral.services.keep_draft import read_draft
from referral.services.keep_standing import has_withdrawn
from referral.services.prove_identity import Stage
from referral.storage import mode
from referral.web import (
    portal_answer,
    portal_ask,
    portal_assistant,
    portal_course,
    portal_entry,
    portal_identity,
    portal_standing,
    portal_upload,
)
from referral.web.dependencies import RuntimeDep, public
from referral.web.portal_guest import Guest, find_guest, go, has_cookie


def _is_open(request: Request, runtime: RuntimeDep) -> None:
    """After a restore nobody comes in, by whatever link; the constant first page of a link stays."""
    if request.url.path.startswith("/r/") and request.method != "POST":
        return
    with runtime.transaction() as session:
        if mode.restoring(session):
            raise PortalClosed("The portal is closed for the moment.")


router: Final = APIRouter(dependencies=[Depends(_is_open)])


def _maybe(request: Request, runtime: RuntimeDep) -> Guest | None:
    return find_guest(request, runtime)


@router.get(
    "/request",
    dependencies=[public("asks for a code; shows a request only to a session that was identified")],
    include_in_schema=False,
)
def next_page(
    request: Request, runtime: RuntimeDep, visitor: Annotated[Guest | None, Depends(_maybe)]
) -> Response:
    """The one address to come back to: the code, the check, the request, or that it is over."""
    if visitor is None:
        return portal_entry.code_page(request, was_closed=has_cookie(request, runtime))
    if visitor.credential.revoked_at is not None:
        return _closed(visitor)
    if visitor.stage is not Stage.IDENTIFIED or visitor.credential.frozen_at is not None:
        return portal_identity.identity_page(visitor)
    if visitor.credential.purpose is Purpose.STANDING:
        return go("/request/standing")
    return portal_answer.request_page(visitor)


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
    portal_standing,
    portal_course,
):
    router.include_router(_part.router)
