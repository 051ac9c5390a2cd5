"""The ladder of the clinic: for the medical director a form, a preview with dates, and saving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.errors import InvalidInput, Issue, StaleVersion
from referral.domain.ladder_draft import ladder_changes
from referral.domain.reminders import Ladder
from referral.services.change_ladder import change_ladder, preview_ladder
from referral.services.change_policy import outrun
from referral.services.find_policy import changes_since
from referral.storage import clinics
from referral.storage.db import attempt
from referral.web.dependencies import PostedDep, Visitor, staff
from referral.web.policy import Permission
from referral.web.staff.frame import done, errors_of, form_of, show, texts, version_of
from referral.web.staff.ladder_view import (
    ZONES,
    carried,
    ladder_form,
    preview_page,
    typed_ladder,
    values_of,
)
from referral.web.turn import Router

router: Final = Router()
Change = Annotated[Visitor, staff(Permission.CHANGE_POLICY)]
_Typed = Mapping[str, str]
_NONE: Final[Mapping[str, str]] = {}


@router.get("/policy/ladder")
def edit_ladder(request: Request, visitor: Change) -> Response:
    """The form with the ladder in force."""
    _, ladder = clinics.policy_in_force(visitor.session)
    return _form(request, visitor, values_of(ladder), _NONE)


@router.post("/policy/ladder/edit")
def edit_again(request: Request, visitor: Change, posted: PostedDep) -> Response:
    """Back from the preview, with what was typed."""
    typed = texts(posted)
    return _stale(request, visitor, typed) or _form(request, visitor, typed, _NONE)


@router.post("/policy/ladder/preview")
def preview(request: Request, visitor: Change, posted: PostedDep) -> Response:
    """What a request of today would get, with dates; nothing is written."""
    typed = texts(posted)
    new = _checked(request, visitor, typed)
    if isinstance(new, Response):
        return new
    return _preview(request, visitor, new, typed, _NONE)


@router.post("/policy/ladder")
def save_ladder(request: Request, visitor: Change, posted: PostedDep) -> Response:
    """The preview was agreed to, and says why."""
    typed = texts(posted)
    new = _checked(request, visitor, typed)
    if isinstance(new, Response):
        return new
    try:
        with attempt(visitor.session):
            change_ladder(
                visitor.session,
                visitor.actor,
                new,
                based_on=version_of(typed),
                reason=typed.get("reason", ""),
                now=visitor.now,
            )
    except InvalidInput as error:
        return _preview(request, visitor, new, typed, errors_of(error, {}, "reason"), 400)
    except StaleVersion:
        return _stale(request, visitor, typed) or _form(request, visitor, typed, _NONE, 412)
    return done(visitor, "/policy#ladder", "ladder-saved")


def _checked(request: Request, visitor: Visitor, typed: _Typed) -> Ladder | Response:
    """The ladder that was typed, or the form once more, with what is wrong with it or has changed since."""
    stale = _stale(request, visitor, typed)
    if stale is not None:
        return stale
    try:
        new = typed_ladder(typed)
        if not ladder_changes(clinics.policy_in_force(visitor.session)[1], new):
            text = "Nothing is different from the ladder in force. Change something, or leave it as it is."
            raise InvalidInput(Issue(text, ("request_channel",), "value"))
    except InvalidInput as error:
        return _form(request, visitor, typed, errors_of(error, {}, "what_1"), 400)
    return new


def _stale(request: Request, visitor: Visitor, typed: _Typed) -> Response | None:
    """What was typed, over the version that is in force now; None where it is still the same."""
    policy, _ = clinics.policy_in_force(visitor.session)
    if version_of(typed) == policy.version:
        return None
    changed = changes_since(visitor.session, version_of(typed), policy)
    return _form(request, visitor, typed, _NONE, 412, str(outrun(policy)), changed)


def _form(
    request: Request,
    visitor: Visitor,
    values: _Typed,
    errors: _Typed,
    status: int = 200,
    stale: str = "",
    changed: tuple[str, ...] = (),
) -> Response:
    policy, ladder = clinics.policy_in_force(visitor.session)
    form = form_of(visitor, values, errors, version=str(policy.version))
    page = ladder_form(form, ladder.days, stale, changed)
    return show(request, visitor, "staff/ladder_edit.html.j2", "policy", page, status)


def _preview(
    request: Request, visitor: Visitor, new: Ladder, typed: _Typed, errors: _Typed, status: int = 200
) -> Response:
    policy, in_force = clinics.policy_in_force(visitor.session)
    zone = typed.get("zone", "")
    if zone not in ZONES:
        zone = clinics.current(visitor.session).time_zone
    seen = preview_ladder(visitor.session, new, zone, visitor.now)
    form = form_of(visitor, {**typed, "zone": zone}, errors, version=str(policy.version))
    changed = ladder_changes(in_force, new)
    page = preview_page(seen, new, changed, policy.version, form, carried(typed), visitor.now)
    return show(request, visitor, "staff/ladder_preview.html.j2", "policy", page, status)
