"""“My assistant fills, I sign”: an assistant says who they are, and hands over to the clinician."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from referral.domain.errors import InvalidInput
from referral.letters.content import printable_text
from referral.services.answer_on_portal import leave, read_card, read_sender
from referral.services.enter_portal import send_fresh_link
from referral.services.fill_in_for import fill_in_for
from referral.web.dependencies import PostedDep
from referral.web.form import Form
from referral.web.portal_answer import Identified
from referral.web.portal_guest import Guest, caller_of, farewell, go

router: Final = APIRouter(tags=["portal"], include_in_schema=False)


@router.get("/request/assistant")
def assistant_form(visitor: Identified) -> Response:
    """Says what follows, and asks for a name."""
    return _assistant_page(visitor, "", "")


def _assistant_page(visitor: Guest, name: str, problem: str) -> Response:
    with visitor.transaction() as session:
        card = read_card(session, visitor.actor, visitor.about, visitor.found, visitor.now)
        sender = read_sender(session)
    form = Form({"name": name}, {"name": problem} if problem else {}, visitor.found.csrf_token)
    return visitor.page(
        "portal/assistant.html.j2", 400 if problem else 200, form=form, card=card, sender=sender
    )


@router.post("/request/assistant")
def become_assistant(visitor: Identified, form: PostedDep) -> Response:
    """From here on this visit fills in, and cannot sign."""
    name = printable_text(str(form.get("name", "")))
    try:
        with visitor.transaction() as session:
            fill_in_for(session, visitor.actor, visitor.found, name, visitor.now)
    except InvalidInput as refusal:
        return _assistant_page(visitor, name[:200], visitor.tell(str(refusal)))
    return go("/request")


@router.post("/request/hand-over")
def hand_over(request: Request, visitor: Identified) -> Response:
    """What was filled in is kept; a link to sign it goes to the contact on file, and this visit ends."""
    with visitor.transaction() as session:
        selector, caller = visitor.found.selector, caller_of(request)
        send_fresh_link(session, caller, visitor.now, selector=selector)
        leave(session, visitor.found, visitor.now)
    return farewell(visitor.runtime, "/request/saved")
