"""The people of the clinic, for its administrator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.codes import Role
from referral.domain.errors import DuplicateRequest, InvalidInput, TransitionRefused
from referral.services.find_users import find_users
from referral.services.manage_users import (
    NewPerson,
    SetUp,
    change_role,
    disable_user,
    enable_user,
    end_sessions,
    invite_user,
    new_set_up_link,
    reset_second_factor,
)
from referral.services.own_account import own_sessions
from referral.services.sign_in_rules import SignInRules, change_sign_in_rules, sign_in_rules
from referral.storage import accounts
from referral.storage.accounts import StaffUser
from referral.storage.audit import Subject
from referral.storage.db import attempt
from referral.web.dependencies import PostedDep, Visitor, staff
from referral.web.form import Conflict
from referral.web.policy import Permission
from referral.web.staff.account import check_password_again
from referral.web.staff.account_models import SetUpLinkPage
from referral.web.staff.account_view import new_user_page, rules_page, session_rows, user_page
from referral.web.staff.conflict import CONFLICT, others_faster
from referral.web.staff.frame import clock_of, done, errors_of, form_of, show, texts
from referral.web.staff.lists import show_list
from referral.web.staff.user_list import USERS, user_cells, user_line
from referral.web.turn import Router

router: Final = Router()
Manage = Annotated[Visitor, staff(Permission.MANAGE_ACCOUNTS)]
_Typed = Mapping[str, str]
_NONE: Final[_Typed] = {}
# What administrators do to an account; what its owner does is not theirs.
_DEEDS: Final = ("change-role", "disable-user", "enable-user", "set-up-link", "second-factor-reset")
_ROLES: Final = {role.value: role for role in Role}


@router.get("/users")
def list_users(request: Request, visitor: Manage) -> Response:
    """Who may work here, and as what."""
    clock = clock_of(visitor)
    return show_list(
        request,
        visitor,
        USERS,
        lambda session, view: find_users(session, visitor.actor, view, visitor.now),
        lambda user: user_line(user, clock),
        lambda user: user_cells(user, clock),
        "users",
    )


@router.get("/users/new")
def new_user(request: Request, visitor: Manage) -> Response:
    """An empty form."""
    return _new(request, visitor, _NONE, _NONE)


@router.post("/users/new")
def add_user(request: Request, visitor: Manage, posted: PostedDep) -> Response:
    """Let somebody in. The link by which they set a password is shown this once."""
    typed = texts(posted)
    if wrong := check_password_again(visitor, typed):
        return _new(request, visitor, typed, wrong, 422)
    new = NewPerson(typed.get("email", ""), typed.get("name", "")[:200], _ROLES.get(typed.get("role", "")))
    try:
        with attempt(visitor.session):
            made = invite_user(visitor.session, visitor.actor, new, visitor.now)
    except InvalidInput as error:
        return _new(request, visitor, typed, errors_of(error, {}, "email"), 400)
    except DuplicateRequest as error:
        return _new(request, visitor, typed, {"email": str(error)}, 409)
    return _link(request, visitor, made)


@router.get("/users/rules")
def show_rules(request: Request, visitor: Manage) -> Response:
    """When sessions lock, and who needs a second factor."""
    rules = sign_in_rules(visitor.session)
    page = rules_page(form_of(visitor), str(rules.idle_minutes), rules.second_factor_roles)
    return show(request, visitor, "staff/sign_in_rules.html.j2", "users", page)


@router.post("/users/rules")
def save_rules(request: Request, visitor: Manage, posted: PostedDep) -> Response:
    """Locking changes at once; a second factor is asked for at the next sign-in."""
    typed = texts(posted)
    minutes, roles = typed.get("idle_minutes", ""), [str(role) for role in posted.getlist("second_factor")]
    wrong = check_password_again(visitor, typed)
    about = Subject(subtypes=("sign-in-rules",))
    conflict = None if wrong else others_faster(visitor, clock_of(visitor), typed, about)
    if not wrong and not conflict:
        chosen = frozenset(_ROLES[role] for role in roles if role in _ROLES)
        rules = SignInRules(int(minutes) if minutes in ("5", "10", "15") else 0, chosen)
        try:
            change_sign_in_rules(visitor.session, visitor.actor, rules)
            return done(visitor, "/users", "rules-saved")
        except InvalidInput as error:
            wrong = errors_of(error, {}, "idle_minutes")
    page = rules_page(form_of(visitor, typed, wrong, conflict=conflict), minutes, roles)
    status = CONFLICT if conflict else 422
    return show(request, visitor, "staff/sign_in_rules.html.j2", "users", page, status)


@router.get("/users/{user_id}")
def show_user(request: Request, visitor: Manage, user_id: str) -> Response:
    """One account, and what can be done with it."""
    return _user(request, visitor, accounts.get_user(visitor.session, user_id), _NONE, _NONE)


@router.post("/users/{user_id}/role")
def give_role(request: Request, visitor: Manage, posted: PostedDep, user_id: str) -> Response:
    """Another role, which holds at once."""
    typed = texts(posted)
    user = accounts.get_user(visitor.session, user_id)
    role = _ROLES.get(typed.get("role", ""))
    wrong = check_password_again(visitor, typed, "role_password")
    if role is None:
        wrong["role"] = "Please choose a role."
    if wrong or role is None:
        return _user(request, visitor, user, typed, wrong, 422)
    if conflict := _overtaken(visitor, user_id, typed):
        return _user(request, visitor, user, typed, _NONE, CONFLICT, conflict)
    try:
        change_role(visitor.session, visitor.actor, user_id, role)
    except TransitionRefused as refusal:
        return _user(request, visitor, user, typed, {"role": str(refusal)}, 422)
    return done(visitor, f"/users/{user_id}", "role-changed")


@router.post("/users/{user_id}/set-up")
def reset_password(request: Request, visitor: Manage, posted: PostedDep, user_id: str) -> Response:
    """A new link; the old password is worth nothing from now on."""
    user = accounts.get_user(visitor.session, user_id)
    if wrong := check_password_again(visitor, texts(posted), "link_password"):
        return _user(request, visitor, user, _NONE, wrong, 422)
    if conflict := _overtaken(visitor, user_id, texts(posted)):
        return _user(request, visitor, user, _NONE, _NONE, CONFLICT, conflict)
    return _link(request, visitor, new_set_up_link(visitor.session, visitor.actor, user_id, visitor.now))


@router.post("/users/{user_id}/second-factor")
def reset_factor(request: Request, visitor: Manage, posted: PostedDep, user_id: str) -> Response:
    """For who has lost telephone and recovery codes."""
    user = accounts.get_user(visitor.session, user_id)
    if wrong := check_password_again(visitor, texts(posted), "factor_password"):
        return _user(request, visitor, user, _NONE, wrong, 422)
    if conflict := _overtaken(visitor, user_id, texts(posted)):
        return _user(request, visitor, user, _NONE, _NONE, CONFLICT, conflict)
    reset_second_factor(visitor.session, visitor.actor, user_id, visitor.now)
    return done(visitor, f"/users/{user_id}", "factor-reset")


@router.post("/users/{user_id}/disable")
def disable(request: Request, visitor: Manage, user_id: str) -> Response:
    """Out at once. Needs no password: whoever hurries to close a door is not held up."""
    user = accounts.get_user(visitor.session, user_id)
    try:
        disable_user(visitor.session, visitor.actor, user_id, visitor.now)
    except TransitionRefused as refusal:
        return _user(request, visitor, user, _NONE, {"disable": str(refusal)}, 422)
    return done(visitor, f"/users/{user_id}", "user-disabled")


@router.post("/users/{user_id}/enable")
def enable(request: Request, visitor: Manage, posted: PostedDep, user_id: str) -> Response:
    """In again, as before."""
    user = accounts.get_user(visitor.session, user_id)
    if wrong := check_password_again(visitor, texts(posted), "enable_password"):
        return _user(request, visitor, user, _NONE, wrong, 422)
    if conflict := _overtaken(visitor, user_id, texts(posted)):
        return _user(request, visitor, user, _NONE, _NONE, CONFLICT, conflict)
    enable_user(visitor.session, visitor.actor, user_id)
    return done(visitor, f"/users/{user_id}", "user-enabled")


@router.post("/users/{user_id}/sessions/end")
def end_all_sessions(visitor: Manage, user_id: str) -> Response:
    """Signed out everywhere."""
    end_sessions(visitor.session, visitor.actor, user_id, visitor.now)
    return done(visitor, f"/users/{user_id}", "sessions-ended")


def _overtaken(visitor: Visitor, user_id: str, typed: _Typed) -> Conflict | None:
    """What another administrator has done to the account since the page was shown."""
    return others_faster(visitor, clock_of(visitor), typed, Subject(f"User/{user_id}", subtypes=_DEEDS))


def _new(
    request: Request, visitor: Visitor, typed: _Typed, errors: Mapping[str, str], status: int = 200
) -> Response:
    page = new_user_page(form_of(visitor, typed, errors))
    return show(request, visitor, "staff/new_user.html.j2", "users", page, status)


def _link(request: Request, visitor: Visitor, made: SetUp) -> Response:
    user = accounts.get_user(visitor.session, made.user_id)
    url = f"{visitor.runtime.settings.base_url}/sign-in/set-up/{made.token}"
    page = SetUpLinkPage(user.name, f"/users/{user.id}", url, clock_of(visitor).moment(made.expires_at))
    return show(request, visitor, "staff/set_up_link.html.j2", "users", page)


def _user(
    request: Request,
    visitor: Visitor,
    user: StaffUser,
    typed: _Typed,
    errors: Mapping[str, str],
    status: int = 200,
    conflict: Conflict | None = None,
) -> Response:
    found = own_sessions(visitor.session, user.id, visitor.now)
    clock = clock_of(visitor)
    rows = session_rows(found, clock, visitor.now, visitor.account.token_digest)
    page = user_page(
        user, visitor.account.user_id, rows, form_of(visitor, typed, errors, conflict=conflict), clock
    )
    return show(request, visitor, "staff/user.html.j2", "users", page, status)
