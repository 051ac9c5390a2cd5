"""The portal's door: the constant first page, the link, the short code, and a fresh link."""

from __future__ import annotations

from functools import cache
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from referral.domain.language import Language, phrase
from referral.services.enter_portal import enter_by_code, enter_by_link, send_fresh_link
from referral.translation import say
from referral.web.dependencies import PostedDep, RuntimeDep, check_origin, public
from referral.web.form import Form
from referral.web.pages import environment
from referral.web.portal_guest import caller_of, welcome
from referral.web.reader import language_of, spoken_page
from referral.web.visits import may_look

router: Final = APIRouter(tags=["portal"], include_in_schema=False)


@cache
def _door(language: Language) -> bytes:
    return environment(language).get_template("portal/door.html.j2").render().encode()


@router.api_route(
    "/r/{selector}/{secret}",
    methods=["GET", "HEAD"],
    dependencies=[public("one constant page for every link; reads and writes nothing")],
)
async def door(request: Request, selector: str, secret: str) -> Response:  # noqa: ARG001 - the page is the same
    """Mail scanners open links, run scripts and follow redirects: nothing here depends on the link.

    The language is the browser's or one chosen in it, never that of the person who was written to. Nothing
    here waits: a thread of its own would cost more than the page.
    """
    return HTMLResponse(_door(language_of(request)))


@router.post(
    "/r/{selector}/{secret}",
    dependencies=[public("opens a session for whoever holds the link, nothing more")],
)
def come_in(request: Request, runtime: RuntimeDep, selector: str, secret: str) -> Response:
    """A session for a good link; for every other one the same words."""
    check_origin(request)
    with runtime.transaction() as session:
        token = enter_by_link(session, caller_of(request), selector, secret, runtime.now())
    if token is None:
        return spoken_page(request, "portal/unusable.html.j2", 403, selector=selector)
    return welcome(runtime, token)


@router.post("/request/code", dependencies=[public("the short code of a letter; look-ups are counted")])
def come_in_by_code(request: Request, runtime: RuntimeDep, form: PostedDep) -> Response:
    """A session for whoever holds a letter."""
    check_origin(request)
    typed, now = str(form.get("code", "")), runtime.now()
    if not typed.strip():
        return code_page(request, typed, phrase("Please type the code from your letter."))
    if not may_look(request, runtime):
        text = phrase("Too many codes were tried from here. Please wait an hour, or call.")
        return code_page(request, typed, text, 429)
    with runtime.transaction() as session:
        token = enter_by_code(session, caller_of(request), typed, now)
    if token is None:
        text = phrase("This code cannot be used now. Please check it, or ask for a fresh link below.")
        return code_page(request, typed, text, 403)
    return welcome(runtime, token)


def code_page(
    request: Request, typed: str = "", problem: str = "", status: int = 400, *, was_closed: bool = False
) -> Response:
    """The page of a visitor without a session; 200 where nothing is wrong."""
    said = say(language_of(request), problem) if problem else ""
    form = Form({"code": typed[:40]}, {"code": said} if problem else {})
    status = status if problem else 200
    return spoken_page(request, "portal/code.html.j2", status, form=form, was_closed=was_closed)


@router.post("/request/fresh-link", dependencies=[public("the same words whether the link existed or not")])
def fresh_link(request: Request, runtime: RuntimeDep, form: PostedDep) -> Response:
    """A fresh link to the contact on file, if there is something to send it for."""
    check_origin(request)
    selector, code = str(form.get("selector", "")), str(form.get("code", ""))
    if not selector and not code.strip():
        text = phrase("Please type the code from your letter, so that we know which request it is.")
        return code_page(request, "", text)
    if may_look(request, runtime):
        with runtime.transaction() as session:
            send_fresh_link(session, caller_of(request), runtime.now(), selector=selector, code=code)
    return spoken_page(request, "portal/fresh_link.html.j2")


@router.get("/request/saved", dependencies=[public("says only that something was saved")])
def saved(request: Request) -> Response:
    """How to go on later."""
    return spoken_page(request, "portal/saved.html.j2")


@router.get("/request/left", dependencies=[public("says only that the page was closed")])
def left(request: Request) -> Response:
    """How to come back."""
    return spoken_page(request, "portal/left.html.j2")
