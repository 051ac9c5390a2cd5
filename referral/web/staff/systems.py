"""Connected systems: which programs talk to the API of this clinic; let in, given other keys, shut out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.codes import ClientKind
from referral.domain.errors import InvalidInput
from referral.domain.listing import Page, View
from referral.domain.subscription import SubscriptionStatus
from referral.services.accounts import confirm_password
from referral.services.find_systems import find_systems
from referral.services.smart_clients import (
    NewClient,
    change_keys,
    get_client,
    register_client,
    remove_client,
)
from referral.storage import subscriptions
from referral.storage.api_clients import ApiClient
from referral.storage.audit import Subject
from referral.storage.db import Session, attempt
from referral.web.dependencies import PostedDep, Visitor, staff
from referral.web.form import Conflict
from referral.web.policy import Permission
from referral.web.staff.conflict import CONFLICT, others_faster
from referral.web.staff.frame import clock_of, done, errors_of, form_of, show, texts
from referral.web.staff.lists import show_list
from referral.web.staff.plain_lists import SYSTEMS, system_cells, system_line
from referral.web.staff.system_view import added_page, new_page, system_page
from referral.web.turn import Router

router: Final = Router()
Manage = Annotated[Visitor, staff(Permission.MANAGE_ACCOUNTS)]
_Typed = Mapping[str, str]
_NONE: Final[Mapping[str, str]] = {}
_LONGEST_PASSWORD: Final = 1000


@router.get("/systems")
def list_systems(request: Request, visitor: Manage) -> Response:
    """Who is let in, how, and when it was last here."""
    clock = clock_of(visitor)
    followed = subscriptions.living(visitor.session)
    silent = {row.client_id for row in followed if row.status is SubscriptionStatus.ERROR}

    def find(session: Session, view: View) -> Page[ApiClient]:
        return find_systems(session, visitor.actor, view, visitor.now)

    return show_list(
        request,
        visitor,
        SYSTEMS,
        find,
        lambda client: system_line(client, clock, silent=client.id in silent),
        lambda client: system_cells(client, clock),
        "systems",
        follows=(),
    )


@router.get("/systems/new")
def new_system(request: Request, visitor: Manage) -> Response:
    """An empty form."""
    return _new(request, visitor, {"way": "url", "kind": ClientKind.RECORD_SYSTEM}, _NONE)


@router.post("/systems/new")
def add_system(request: Request, visitor: Manage, posted: PostedDep) -> Response:
    """Let a system in; the password of whoever does it is given again. A token is shown this once."""
    typed = texts(posted)
    wrong = _password(visitor, typed)
    if wrong:
        return _new(request, visitor, typed, wrong, 422)
    try:
        with attempt(visitor.session):
            made = register_client(
                visitor.session, visitor.actor, _typed_client(typed), visitor.runtime.outgoing, visitor.now
            )
    except InvalidInput as error:
        return _new(request, visitor, typed, errors_of(error, {}, "name"), 400)
    page = added_page(made, visitor.runtime.settings.base_url)
    response = show(request, visitor, "staff/system_added.html.j2", "systems", page)
    response.headers["Cache-Control"] = "no-store"
    return response


@router.get("/systems/{client_id}")
def show_system(request: Request, visitor: Manage, client_id: str) -> Response:
    """One system: what it may do, its keys, and how it is shut out."""
    return _system(request, visitor, get_client(visitor.session, client_id), _NONE, _NONE)


@router.post("/systems/{client_id}/keys")
def change_system_keys(request: Request, visitor: Manage, posted: PostedDep, client_id: str) -> Response:
    """Other keys; what was given for the old ones ends at once."""
    typed = texts(posted)
    client = get_client(visitor.session, client_id)
    wrong = _password(visitor, typed)
    if wrong:
        return _system(request, visitor, client, typed, wrong, 422)
    about = Subject(f"Client/{client_id}", subtypes=("change-client-keys",))
    if conflict := others_faster(visitor, clock_of(visitor), typed, about):
        return _system(request, visitor, client, typed, _NONE, CONFLICT, conflict)
    try:
        with attempt(visitor.session):
            change_keys(
                visitor.session, visitor.actor, client_id, *_typed_keys(typed), visitor.runtime.outgoing
            )
    except InvalidInput as error:
        return _system(request, visitor, client, typed, errors_of(error, {}, "jwks"), 400)
    return done(visitor, f"/systems/{client_id}", "system-keys")


@router.post("/systems/{client_id}/remove")
def remove_system(visitor: Manage, client_id: str) -> Response:
    """Shut out, at once and for good. Needs no password: whoever hurries to close a door is not held up."""
    remove_client(visitor.session, visitor.actor, client_id, visitor.now)
    return done(visitor, "/systems", "system-removed")


def _password(visitor: Visitor, typed: _Typed) -> dict[str, str]:
    given = typed.get("password", "")[:_LONGEST_PASSWORD]
    wrong = confirm_password(visitor.session, visitor.actor, visitor.account, given, visitor.now)
    return {"password": wrong} if wrong else {}


def _typed_client(typed: _Typed) -> NewClient:
    jwks, jwks_url = _typed_keys(typed)
    own = typed.get("kind") == "own"
    kinds = {kind.value: kind for kind in ClientKind}
    return NewClient(
        name=typed.get("name", ""),
        jwks=jwks,
        jwks_url=jwks_url,
        scopes=tuple(typed.get("scopes", "").split()) or ("",) if own else (),
        kind=kinds.get(typed.get("kind", ""), ClientKind.READER),
    )


def _typed_keys(typed: _Typed) -> tuple[str | None, str | None]:
    """The key set or its URL, whichever was chosen; neither for a token. What is empty is refused later."""
    way = typed.get("way")
    if way == "url":
        return None, typed.get("jwks_url", "").strip()
    return (typed.get("jwks", ""), None) if way == "keys" else (None, None)


def _new(
    request: Request, visitor: Visitor, values: _Typed, errors: Mapping[str, str], status: int = 200
) -> Response:
    page = new_page(form_of(visitor, values, errors))
    return show(request, visitor, "staff/new_system.html.j2", "systems", page, status)


def _system(
    request: Request,
    visitor: Visitor,
    client: ApiClient,
    values: _Typed,
    errors: Mapping[str, str],
    status: int = 200,
    conflict: Conflict | None = None,
) -> Response:
    start = {"way": "keys" if client.jwks is not None else "url", "jwks_url": client.jwks_url or ""}
    form = form_of(visitor, values or start, errors, conflict=conflict)
    page = system_page(client, clock_of(visitor), form, subscriptions.of_client(visitor.session, client.id))
    return show(request, visitor, "staff/system.html.j2", "systems", page, status)
