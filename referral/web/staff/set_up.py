"""Where somebody sets the password of their account, by the link that the administrator has handed over."""

from __future__ import annotations

from typing import Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.errors import InvalidInput
from referral.services.own_account import same_twice, set_first_password
from referral.storage import set_up_links
from referral.storage.db import attempt
from referral.web.dependencies import (
    PostedDep,
    RuntimeDep,
    SessionDep,
    check_origin,
    client_address,
    public,
)
from referral.web.form import Form
from referral.web.pages import page as render
from referral.web.staff.account_models import DoorPage
from referral.web.staff.frame import errors_of, texts
from referral.web.turn import Router

router: Final = Router()
_BY_LINK: Final = public("whoever has the link has no password yet")


@router.get("/sign-in/set-up/{token}", dependencies=[_BY_LINK])
def show_set_up(token: str, runtime: RuntimeDep, session: SessionDep) -> Response:
    """Writes nothing: a link is used by sending the form."""
    user = set_up_links.find(session, token, runtime.now())
    if user is None:
        return render("staff/set_up_over.html.j2", 404)
    return _page(token, user.name, {})


@router.post("/sign-in/set-up/{token}", dependencies=[_BY_LINK])
def set_up(
    request: Request, token: str, runtime: RuntimeDep, session: SessionDep, posted: PostedDep
) -> Response:
    """Sets the password and ends the link. Signing in comes after, with what else the account asks for."""
    check_origin(request)
    form, now = texts(posted), runtime.now()
    user = set_up_links.find(session, token, now)
    if user is None:
        return render("staff/set_up_over.html.j2", 404)
    new = form.get("new_password", "")
    try:
        with attempt(session):
            same_twice(new, form.get("again", ""))
            set_first_password(session, token, new, client_address(request), now)
    except InvalidInput as error:
        return _page(token, user.name, errors_of(error, {}, "new_password"), 400)
    return render("staff/set_up_done.html.j2", page=DoorPage(Form(), "", user.name))


def _page(token: str, name: str, errors: dict[str, str], status: int = 200) -> Response:
    page = DoorPage(Form({}, errors), f"/sign-in/set-up/{token}", name)
    return render("staff/set_up.html.j2", status, page=page)
