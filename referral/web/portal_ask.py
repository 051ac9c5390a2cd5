"""Ways out of the portal's form: a question, a call, a colleague. All of them stop the reminders."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from referral.domain.credential import random_token
from referral.letters.content import printable_text
from referral.services.answer_on_portal import ask, read_sender
from referral.web.dependencies import PostedDep, public
from referral.web.form import Form
from referral.web.pages import page
from referral.web.portal_answer import Identified
from referral.web.portal_guest import Guest, farewell, go

router: Final = APIRouter(tags=["portal"], include_in_schema=False)

_MAX_LENGTH: Final = 2000
# What must be said, and what is said when it was not.
_KINDS: Final = {
    "question": "Please write your question.",
    "call": "Please give a telephone number, and when you can be reached.",
    "colleague": "Please say who should answer, and how we reach them.",
}


def _ask_page(visitor: Guest, about: str, text: str, problem: str) -> Response:
    with visitor.transaction() as session:
        sender = read_sender(session)
    form = Form(
        {"text": text},
        {"text": problem} if problem else {},
        visitor.found.csrf_token,
        key=random_token(size=12),
    )
    return page(
        "portal/ask.html.j2",
        400 if problem else 200,
        form=form,
        sender=sender,
        about=about,
        longest=_MAX_LENGTH,
    )


@router.get("/request/ask/{about}")
def ask_form(visitor: Identified, about: str) -> Response:
    """A box for the words; `about` is question, call or colleague."""
    return _ask_page(visitor, about, "", "") if about in _KINDS else go("/request")


@router.post("/request/ask/{about}")
def send_question(visitor: Identified, form: PostedDep, about: str) -> Response:
    """Tell the clinic; naming a colleague closes this link."""
    text = printable_text(str(form.get("text", "")))
    if about not in _KINDS:
        return go("/request")
    if not text or len(text) > _MAX_LENGTH:
        problem = f"At most {_MAX_LENGTH} characters, these are {len(text)}." if text else _KINDS[about]
        return _ask_page(visitor, about, text, problem)
    with visitor.transaction() as session:
        ask(session, visitor.actor, visitor.found, about, text, str(form.get("key", "")), visitor.now)
    if about == "colleague":
        return farewell(visitor.runtime, f"/request/asked/{about}")
    return go(f"/request/asked/{about}")


@router.get("/request/asked/{about}", dependencies=[public("says only that a message has arrived")])
def asked(about: str) -> Response:
    """What happens now."""
    return page("portal/asked.html.j2", about=about) if about in _KINDS else go("/request")
