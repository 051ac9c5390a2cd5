"""A session that has locked: its door, and the ways to lock it and to keep it awake."""

from __future__ import annotations

from typing import Final

from fastapi import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from referral.bootstrap import Runtime
from referral.domain.audit import Actor
from referral.services.accounts import LONGEST_PASSWORD, TOO_MANY
from referral.services.lock_session import has_ended, is_locked, lock_session, unlock_session
from referral.services.sign_in import sign_out
from referral.storage.accounts import StaffSession
from referral.storage.db import Session
from referral.web.dependencies import (
    STAFF_COOKIE,
    PostedDep,
    RuntimeDep,
    SessionDep,
    check_csrf,
    client_address,
    found_session,
    public,
)
from referral.web.form import Form
from referral.web.pages import page as render
from referral.web.staff.account_models import DoorPage
from referral.web.staff.frame import SignedIn, query_of, set_cookie, texts
from referral.web.staff.sign_in import local_path, with_next
from referral.web.turn import Router

router: Final = Router()
_LOCKED: Final = public("whoever is locked out gives the password here")


@router.get("/sign-in/unlock", dependencies=[_LOCKED])
def show_lock(request: Request, runtime: RuntimeDep, session: SessionDep) -> Response:
    """Asks for the password only. Whoever is not locked goes on."""
    onward = local_path(query_of(request, "next"))
    found = _running(request, runtime, session)
    if found is None:
        return RedirectResponse(with_next("/sign-in", onward), 303)
    if not is_locked(found, runtime.now()):
        return RedirectResponse(onward or "/", 303)
    return _door(found, "", onward)


@router.post("/sign-in/unlock", dependencies=[_LOCKED])
def unlock(request: Request, runtime: RuntimeDep, session: SessionDep, posted: PostedDep) -> Response:
    """The page that was left, or a word to its script. A wrong password is counted, so it is no exception."""
    form, now = texts(posted), runtime.now()
    onward = local_path(form.get("next", ""))
    by_script = request.headers.get("accept") == "application/json"
    found = _running(request, runtime, session)
    if found is None:
        told = "This session has ended. Please sign in again."
        return _told(told, 410) if by_script else RedirectResponse(with_next("/sign-in", onward), 303)
    check_csrf(request, posted, found.csrf_token)
    actor = _actor(request, found)
    token, wrong = unlock_session(session, actor, found, form.get("password", "")[:LONGEST_PASSWORD], now)
    if wrong:
        status = 429 if wrong == TOO_MANY else 401
        return _told(wrong, status) if by_script else _door(found, wrong, onward, status)
    response = Response(status_code=204) if by_script else RedirectResponse(onward or "/", 303)
    set_cookie(response, runtime, STAFF_COOKIE, token)
    return response


@router.post("/sign-in/leave", dependencies=[_LOCKED])
def leave(request: Request, runtime: RuntimeDep, session: SessionDep, posted: PostedDep) -> Response:
    """Signing out needs no password, so that somebody else can sign in here."""
    found = found_session(request, runtime, session)
    if found is not None:
        check_csrf(request, posted, found.csrf_token)
        sign_out(session, _actor(request, found), found, runtime.now())
    response = RedirectResponse("/sign-in", 303)
    set_cookie(response, runtime, STAFF_COOKIE, "", 0)
    return response


@router.post("/lock")
def lock(request: Request, visitor: SignedIn) -> Response:
    """At once, by whoever leaves the desk; or by the page, when nobody has used it for so long."""
    lock_session(visitor.session, visitor.actor, visitor.account, visitor.now)
    if request.headers.get("accept") == "application/json":
        return Response(status_code=204)
    return RedirectResponse("/sign-in/unlock", 303)


@router.post("/here")
def here(visitor: SignedIn) -> Response:
    """Somebody types on a page: being let in has moved the time already."""
    del visitor
    return Response(status_code=204)


def _running(request: Request, runtime: Runtime, session: Session) -> StaffSession | None:
    found = found_session(request, runtime, session)
    return None if found is None or has_ended(found, runtime.now()) else found


def _actor(request: Request, found: StaffSession) -> Actor:
    return Actor(found.clinic_id, "staff", found.user_id, found.role, client_address(request))


def _told(sentence: str, status: int) -> Response:
    return JSONResponse({"sentence": sentence}, status)


def _door(found: StaffSession, wrong: str, onward: str, status: int = 200) -> Response:
    form = Form({}, {"password": wrong} if wrong else {}, found.csrf_token)
    return render("staff/unlock.html.j2", status, page=DoorPage(form, onward, found.name))
