"""The national register of clinicians: who is not in the directory is looked for there."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import urlencode

import structlog
from fastapi import Request
from starlette.responses import Response

from referral.domain.audit import Actor
from referral.domain.errors import InvalidInput, NotFound, Unavailable
from referral.services.add_from_register import add_from_register
from referral.services.find_registered import look_up_register, remember
from referral.storage import clinics, register
from referral.web.dependencies import PostedDep, RuntimeDep, Visitor, staff, staff_without_transaction
from referral.web.policy import Permission
from referral.web.staff.frame import SeeWork, announce, done, query_of, show, texts
from referral.web.staff.register_view import register_page
from referral.web.turn import Router

router: Final = Router(prefix="/directory/register")
log = structlog.get_logger(__name__)
Manage = Annotated[Visitor, staff(Permission.MANAGE_DIRECTORY)]
ManageOutside = Annotated[Actor, staff_without_transaction(Permission.MANAGE_DIRECTORY)]
_FOUND: Final = 20


@router.get("")
def show_register(request: Request, visitor: SeeWork) -> Response:
    """Whom the register has by these words and the directory does not."""
    words = query_of(request, "q")
    policy, _ = clinics.policy_in_force(visitor.session)
    found, more = look_up_register(visitor.session, words, _FOUND)
    page = register_page(
        words,
        found,
        policy,
        more=more,
        is_empty=not found and register.is_empty(visitor.session),
        may_add=visitor.may(Permission.MANAGE_DIRECTORY),
        may_ask=visitor.runtime.registry is not None and visitor.may(Permission.MANAGE_DIRECTORY),
    )
    return show(request, visitor, "staff/register.html.j2", "directory", page)


@router.post("/look-up")
def ask_register(runtime: RuntimeDep, actor: ManageOutside, posted: PostedDep) -> Response:
    """Ask the register itself, outside of any transaction; what it says is kept like an import of today."""
    if runtime.registry is None:
        raise NotFound("This installation does not ask the national register.")
    words = texts(posted).get("q", "")[:100]
    try:
        found = runtime.registry.find(words)
    except Unavailable as error:
        log.warning("register_silent", reason=str(error))
        return announce(runtime, _page(words), "register-silent")
    if not found:
        return announce(runtime, _page(words), "register-has-none")
    with runtime.transaction(actor.clinic_id) as session:
        remember(session, found, runtime.now())
    return announce(runtime, _page(words), "register-answered")


def _page(words: str) -> str:
    return f"/directory/register?{urlencode({'q': words})}"


@router.post("/add")
def add_registered(visitor: Manage, posted: PostedDep) -> Response:
    """A second click finds whom the first one has added."""
    npi = texts(posted).get("npi", "")
    try:
        made = add_from_register(visitor.session, visitor.actor, npi, visitor.now)
    except InvalidInput as error:
        raise NotFound(error.issues[0].text) from error
    return done(visitor, f"/directory/{made.id}", "clinician-added")
