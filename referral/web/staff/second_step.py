"""The second step of signing in: a code, or setting up what makes codes where the role needs it."""

from __future__ import annotations

from typing import Final

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from referral.bootstrap import Runtime
from referral.domain.audit import Actor
from referral.domain.errors import InvalidInput
from referral.services.accounts import TOO_MANY
from referral.services.second_factor import confirm_second_factor, enrolment_uri, prove_code
from referral.services.sign_in import STEP_LIFETIME, finish_session
from referral.storage import accounts, clinics, second_factors
from referral.storage.accounts import StaffSession
from referral.storage.db import Session, attempt
from referral.web.dependencies import (
    STAFF_COOKIE,
    PostedDep,
    RuntimeDep,
    SessionDep,
    check_csrf,
    client_address,
    cookie_name,
    public,
)
from referral.web.form import Form
from referral.web.pages import page as render
from referral.web.staff.account_models import CodesPage, DoorPage
from referral.web.staff.account_view import enrol_page
from referral.web.staff.frame import errors_of, query_of, set_cookie, texts
from referral.web.staff.present import ROLE
from referral.web.staff.sign_in import STEP_COOKIE, came_from, local_path, with_next
from referral.web.turn import Router

router: Final = Router()
_HALF_IN: Final = public("whoever has given the password is not signed in yet")
_LONGEST_CODE: Final = 40


@router.get("/sign-in/code", dependencies=[_HALF_IN])
def show_code(request: Request, runtime: RuntimeDep, session: SessionDep) -> Response:
    """Asks for the code of the app, or a recovery code."""
    onward = local_path(query_of(request, "next"))
    waiting = _waiting(request, runtime, session, "code")
    return _code(waiting, {}, onward) if waiting else RedirectResponse(with_next("/sign-in", onward), 303)


@router.post("/sign-in/code", dependencies=[_HALF_IN])
def give_code(request: Request, runtime: RuntimeDep, session: SessionDep, posted: PostedDep) -> Response:
    """A wrong one is a page, so that its count is committed."""
    form = texts(posted)
    onward = local_path(form.get("next", ""))
    waiting = _waiting(request, runtime, session, "code")
    if waiting is None:
        return RedirectResponse(with_next("/sign-in", onward), 303)
    check_csrf(request, posted, waiting.csrf_token)
    now, address = runtime.now(), client_address(request)
    wrong = prove_code(session, waiting.user_id, form.get("code", "")[:_LONGEST_CODE], address, now)
    if wrong:
        return _code(waiting, {"code": wrong}, onward, 429 if wrong == TOO_MANY else 401)
    token = finish_session(session, waiting, came_from(request), now)
    return _let_in(RedirectResponse(onward or "/", 303), runtime, token)


@router.get("/sign-in/enrol", dependencies=[_HALF_IN])
def show_enrolment(request: Request, runtime: RuntimeDep, session: SessionDep) -> Response:
    """The QR code for the app."""
    onward = local_path(query_of(request, "next"))
    waiting = _waiting(request, runtime, session, "enrol")
    if waiting is None:
        return RedirectResponse(with_next("/sign-in", onward), 303)
    return _enrolment(session, waiting, {}, onward)


@router.post("/sign-in/enrol", dependencies=[_HALF_IN])
def enrol(request: Request, runtime: RuntimeDep, session: SessionDep, posted: PostedDep) -> Response:
    """The app works: its owner is in, and sees the recovery codes once."""
    form = texts(posted)
    onward = local_path(form.get("next", ""))
    waiting = _waiting(request, runtime, session, "enrol")
    if waiting is None:
        return RedirectResponse(with_next("/sign-in", onward), 303)
    check_csrf(request, posted, waiting.csrf_token)
    actor = Actor(waiting.clinic_id, "staff", waiting.user_id, waiting.role, client_address(request))
    try:
        with attempt(session):
            codes = confirm_second_factor(session, actor, form.get("code", "")[:_LONGEST_CODE], runtime.now())
    except InvalidInput as error:
        return _enrolment(session, waiting, errors_of(error, {}, "code"), onward, 400)
    token = finish_session(session, waiting, came_from(request), runtime.now())
    page = CodesPage(codes, onward or "/")
    return _let_in(render("staff/recovery_codes_door.html.j2", page=page), runtime, token)


def _waiting(request: Request, runtime: Runtime, session: Session, stage: str) -> StaffSession | None:
    """Whose password was right a moment ago; enters their clinic."""
    token = request.cookies.get(cookie_name(runtime, STEP_COOKIE))
    found = accounts.find_session(session, token, waiting=True) if token else None
    if found is None or found.stage != stage or runtime.now() - found.created_at > STEP_LIFETIME:
        return None
    return found


def _let_in(response: Response, runtime: Runtime, token: str) -> Response:
    set_cookie(response, runtime, STEP_COOKIE, "", 0)
    set_cookie(response, runtime, STAFF_COOKIE, token)
    return response


def _code(waiting: StaffSession, errors: dict[str, str], onward: str, status: int = 200) -> Response:
    page = DoorPage(Form({}, errors, waiting.csrf_token), onward, waiting.name)
    return render("staff/sign_in_code.html.j2", status, page=page)


def _enrolment(
    session: Session, waiting: StaffSession, errors: dict[str, str], onward: str, status: int = 200
) -> Response:
    factor = second_factors.find(session, waiting.user_id)
    if factor is None or factor.since is not None:
        # Set up in another window meanwhile.
        return RedirectResponse(with_next("/sign-in", onward), 303)
    uri = enrolment_uri(factor, waiting.email, clinics.current(session).name)
    form = Form({}, errors, waiting.csrf_token)
    page = enrol_page(factor, uri, form, onward, ROLE[waiting.role])
    return render("staff/sign_in_enrol.html.j2", status, page=page)
