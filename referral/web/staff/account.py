"""One's own account: password, second factor, sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from referral.domain.errors import InvalidInput, NotFound
from referral.services.accounts import LONGEST_PASSWORD, MINIMUM_PASSWORD, confirm_password
from referral.services.own_account import (
    change_password,
    end_other_sessions,
    end_own_session,
    own_sessions,
    same_twice,
)
from referral.services.second_factor import (
    confirm_second_factor,
    enrolment_uri,
    offer_second_factor,
    renew_recovery_codes,
    turn_off_second_factor,
)
from referral.services.sign_in_rules import sign_in_rules
from referral.storage import clinics, second_factors
from referral.storage.db import attempt
from referral.web.dependencies import PostedDep, Visitor
from referral.web.staff.account_models import CodesPage
from referral.web.staff.account_view import account_page, enrol_page, session_rows
from referral.web.staff.frame import SignedIn, clock_of, done, errors_of, form_of, show, texts
from referral.web.turn import Router

router: Final = Router()
_NONE: Final[Mapping[str, str]] = {}
_DIGEST: Final = 64


@router.get("/account")
def show_account(request: Request, visitor: SignedIn) -> Response:
    """Who one is here, and how one signs in."""
    return _account(request, visitor, _NONE)


@router.post("/account/password")
def change_own_password(request: Request, visitor: SignedIn, posted: PostedDep) -> Response:
    """The old one and the new one twice; every other session ends."""
    form = texts(posted)
    if wrong := check_password_again(visitor, form):
        return _account(request, visitor, wrong, 422)
    new = form.get("new_password", "")
    try:
        with attempt(visitor.session):
            same_twice(new, form.get("again", ""))
            change_password(visitor.session, visitor.actor, visitor.account, new, visitor.now)
    except InvalidInput as error:
        return _account(request, visitor, errors_of(error, {}, "new_password"), 400)
    return done(visitor, "/account", "password-changed")


@router.post("/account/second-factor")
def begin_second_factor(request: Request, visitor: SignedIn, posted: PostedDep) -> Response:
    """The password once more, then the QR code."""
    if wrong := check_password_again(visitor, texts(posted), "on_password"):
        return _account(request, visitor, wrong, 422)
    offer_second_factor(visitor.session, visitor.actor)
    return RedirectResponse("/account/second-factor", 303)


@router.get("/account/second-factor")
def show_second_factor(request: Request, visitor: SignedIn) -> Response:
    """The QR code of a second factor that was begun; of one that is on nothing is shown any more."""
    return _enrolment(request, visitor, _NONE)


@router.post("/account/second-factor/confirm")
def confirm_own_second_factor(request: Request, visitor: SignedIn, posted: PostedDep) -> Response:
    """The app works; the recovery codes are shown this once."""
    code = texts(posted).get("code", "")[:40]
    try:
        with attempt(visitor.session):
            codes = confirm_second_factor(visitor.session, visitor.actor, code, visitor.now)
    except InvalidInput as error:
        return _enrolment(request, visitor, errors_of(error, {}, "code"), 400)
    return show(request, visitor, "staff/recovery_codes.html.j2", "account", CodesPage(codes, "/account"))


@router.post("/account/recovery-codes")
def renew_codes(request: Request, visitor: SignedIn, posted: PostedDep) -> Response:
    """New ones, for who has used or lost the old."""
    if wrong := check_password_again(visitor, texts(posted), "codes_password"):
        return _account(request, visitor, wrong, 422)
    codes = renew_recovery_codes(visitor.session, visitor.actor, visitor.now)
    return show(request, visitor, "staff/recovery_codes.html.j2", "account", CodesPage(codes, "/account"))


@router.post("/account/second-factor/off")
def turn_off(request: Request, visitor: SignedIn, posted: PostedDep) -> Response:
    """Where the role does not need one."""
    if wrong := check_password_again(visitor, texts(posted), "off_password"):
        return _account(request, visitor, wrong, 422)
    turn_off_second_factor(visitor.session, visitor.actor)
    return done(visitor, "/account", "factor-off")


@router.post("/account/sessions/end")
def end_session(visitor: SignedIn, posted: PostedDep) -> Response:
    """One of one's own elsewhere."""
    handle = texts(posted).get("session", "")
    try:
        digest = bytes.fromhex(handle) if len(handle) == _DIGEST else b""
    except ValueError:
        digest = b""
    if not digest:
        raise NotFound("There is no such session.")
    end_own_session(visitor.session, visitor.actor, digest, visitor.now)
    return done(visitor, "/account#sessions", "session-ended")


@router.post("/account/sessions/end-others")
def end_others(visitor: SignedIn) -> Response:
    """All but this one."""
    end_other_sessions(visitor.session, visitor.actor, visitor.account, visitor.now)
    return done(visitor, "/account#sessions", "sessions-ended")


def check_password_again(visitor: Visitor, form: Mapping[str, str], name: str = "password") -> dict[str, str]:
    """Empty when the visitor's own password was right, else the error of its field; counts as a sign-in."""
    given = form.get(name, "")[:LONGEST_PASSWORD]
    wrong = confirm_password(visitor.session, visitor.actor, visitor.account, given, visitor.now)
    return {name: wrong} if wrong else {}


def _account(request: Request, visitor: Visitor, errors: Mapping[str, str], status: int = 200) -> Response:
    session, account = visitor.session, visitor.account
    found = own_sessions(session, account.user_id, visitor.now)
    page = account_page(
        account,
        second_factors.find(session, account.user_id),
        sign_in_rules(session),
        session_rows(found, clock_of(visitor), visitor.now, account.token_digest),
        form_of(visitor, errors=errors),
        MINIMUM_PASSWORD,
    )
    return show(request, visitor, "staff/account.html.j2", "account", page, status)


def _enrolment(request: Request, visitor: Visitor, errors: Mapping[str, str], status: int = 200) -> Response:
    factor = second_factors.find(visitor.session, visitor.account.user_id)
    if factor is None or factor.since is not None:
        return _account(request, visitor, errors, status)
    uri = enrolment_uri(factor, visitor.account.email, clinics.current(visitor.session).name)
    page = enrol_page(factor, uri, form_of(visitor, errors=errors), "/account")
    return show(request, visitor, "staff/second_factor.html.j2", "account", page, status)
