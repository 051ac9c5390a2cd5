"""The door of the staff pages: in, out, and nothing that tells whether an account exists."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from referral.bootstrap import Runtime
from referral.services import demo
from referral.services.accounts import TOO_MANY, open_staff_session, prove
from referral.storage import accounts, clinics
from referral.storage.db import Session
from referral.web.dependencies import (
    PostedDep,
    RuntimeDep,
    SessionDep,
    check_origin,
    client_address,
    public,
    signed_in,
)
from referral.web.form import Form
from referral.web.pages import page as render
from referral.web.staff.frame import SignedIn, query_of, set_cookie, texts
from referral.web.staff.models import DemoAccount, SignInPage
from referral.web.staff.present import ROLE

router: Final = APIRouter()
SESSION_COOKIE: Final = "referral_staff"


@router.get("/sign-in", dependencies=[public("whoever wants to sign in is not signed in yet")])
def show_sign_in(request: Request, runtime: RuntimeDep, session: SessionDep) -> Response:
    """Whoever is signed in already goes on."""
    if signed_in(request, runtime, session) is not None:
        return RedirectResponse("/", 303)
    return _page(runtime, session, Form(), local_path(query_of(request, "next")))


@router.post("/sign-in", dependencies=[public("whoever wants to sign in is not signed in yet")])
def sign_in(request: Request, runtime: RuntimeDep, session: SessionDep, posted: PostedDep) -> Response:
    """A refusal is a page, not an exception: the count of failures has to be committed."""
    check_origin(request)
    form, now = texts(posted), runtime.now()
    address = client_address(request)
    onward = local_path(form.get("next", ""))
    typed = {"email": form.get("email", "")[:200]}
    user = prove(session, typed["email"], form.get("password", "")[:1000], address, now)
    if isinstance(user, str):
        status = 429 if user == TOO_MANY else 401
        return _page(runtime, session, Form(typed, {"email": user}), onward, status)
    opened = open_staff_session(session, user, address, now)
    response = RedirectResponse(onward or "/", 303)
    set_cookie(response, runtime, SESSION_COOKIE, opened.token)
    return response


@router.post("/sign-out")
def sign_out(visitor: SignedIn) -> Response:
    """The session ends on the server, not only the cookie."""
    accounts.end_session(visitor.session, visitor.account.token_digest, visitor.now)
    response = RedirectResponse("/sign-in", 303)
    set_cookie(response, visitor.runtime, SESSION_COOKIE, "", 0)
    return response


def local_path(wanted: str) -> str:
    """The path when it leads to a page of this site, else nothing: `//host` and `/\\host` lead elsewhere."""
    safe = wanted.startswith("/") and not wanted.startswith(("//", "/\\", "/sign-"))
    return wanted if safe and wanted.isprintable() and "\\" not in wanted else ""


def _page(runtime: Runtime, session: Session, form: Form, onward: str, status: int = 200) -> HTMLResponse:
    known = clinics.every(session)
    shown = demo.ACCOUNTS if runtime.settings.demo else ()
    page = SignInPage(
        clinic=known[0].name if len(known) == 1 else "",
        form=form,
        next=onward,
        demo=tuple(DemoAccount(a.email, a.password, ROLE[a.role]) for a in shown),
    )
    return render("staff/sign_in.html.j2", status, page=page)
