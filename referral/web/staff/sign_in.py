"""The door of the staff pages: in, out, and nothing that tells whether an account exists."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from fastapi import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from referral.bootstrap import Runtime
from referral.domain.device import device_words
from referral.services import demo
from referral.services.accounts import LONGEST_PASSWORD, TOO_MANY, prove
from referral.services.find_indications import warm_up
from referral.services.sign_in import STEP_LIFETIME, Came, begin_session
from referral.services.sign_in import sign_out as end
from referral.storage import clinics
from referral.storage.db import Session
from referral.web.dependencies import (
    STAFF_COOKIE,
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
from referral.web.turn import Router

router: Final = Router()
# Between the password and the second step.
STEP_COOKIE: Final = "referral_step"
_STEPS: Final = {"code": "/sign-in/code", "enrol": "/sign-in/enrol"}


@router.get("/sign-in", dependencies=[public("whoever wants to sign in is not signed in yet")])
def show_sign_in(request: Request, runtime: RuntimeDep, session: SessionDep) -> Response:
    """Whoever is signed in already goes on."""
    warm_up()
    if signed_in(request, runtime, session) is not None:
        return RedirectResponse("/", 303)
    return _page(runtime, session, Form(), local_path(query_of(request, "next")))


@router.post("/sign-in", dependencies=[public("whoever wants to sign in is not signed in yet")])
def sign_in(request: Request, runtime: RuntimeDep, session: SessionDep, posted: PostedDep) -> Response:
    """A refusal is a page, not an exception: the count of failures has to be committed."""
    check_origin(request)
    form, now = texts(posted), runtime.now()
    onward = local_path(form.get("next", ""))
    typed = {"email": form.get("email", "")[:200]}
    given = form.get("password", "")[:LONGEST_PASSWORD]
    user = prove(session, typed["email"], given, client_address(request), now)
    if isinstance(user, str):
        status = 429 if user == TOO_MANY else 401
        return _page(runtime, session, Form(typed, {"email": user}), onward, status)
    begun = begin_session(session, user, came_from(request), now)
    if begun.stage in _STEPS:
        response = RedirectResponse(with_next(_STEPS[begun.stage], onward), 303)
        set_cookie(response, runtime, STEP_COOKIE, begun.token, int(STEP_LIFETIME.total_seconds()))
        return response
    response = RedirectResponse(onward or "/", 303)
    set_cookie(response, runtime, STAFF_COOKIE, begun.token)
    return response


@router.post("/sign-out")
def sign_out(visitor: SignedIn) -> Response:
    """The session ends on the server, not only the cookie."""
    end(visitor.session, visitor.actor, visitor.account, visitor.now)
    response = RedirectResponse("/sign-in", 303)
    set_cookie(response, visitor.runtime, STAFF_COOKIE, "", 0)
    return response


def came_from(request: Request) -> Came:
    """The address of the connection, and the browser in our words."""
    return Came(client_address(request), device_words(request.headers.get("user-agent", "")))


def with_next(door: str, onward: str) -> str:
    """A door, and where it leads when it has opened."""
    return f"{door}?next={quote(onward, safe='/')}" if onward else door


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
