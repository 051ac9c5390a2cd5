"""Clinic policy: what is in force and its history; for the medical director a form, a preview, and saving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.errors import InvalidInput, Issue, StaleVersion
from referral.domain.policy import Policy
from referral.domain.policy_change import changes
from referral.domain.policy_draft import checked
from referral.services.change_policy import PreviewOutdated, change_policy, outrun
from referral.services.classify_indication import newest_classification
from referral.services.find_policy import changes_since, find_policy
from referral.services.foresee_policy import preview_policy
from referral.storage import clinics
from referral.storage.db import attempt
from referral.web.dependencies import PostedDep, Visitor, staff
from referral.web.policy import Permission
from referral.web.staff.frame import (
    clock_of,
    done,
    errors_of,
    form_of,
    query_of,
    show,
    texts,
    version_of,
)
from referral.web.staff.policy_form import carried, draft_from, policy_form, values_of
from referral.web.staff.policy_view import policy_page, preview_page
from referral.web.turn import Router

router: Final = Router()
See = Annotated[Visitor, staff(Permission.SEE_POLICY)]
Change = Annotated[Visitor, staff(Permission.CHANGE_POLICY)]
_Typed = Mapping[str, str]
_NONE: Final[Mapping[str, str]] = {}


@router.get("/policy")
def show_policy(request: Request, visitor: See) -> Response:
    """In words, with who changed what, when and why."""
    text = query_of(request, "below")
    below = int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else None
    view = find_policy(visitor.session, below if below is None or below > 1 else None)
    may_change = visitor.may(Permission.CHANGE_POLICY)
    page = policy_page(view, clock_of(visitor), may_change=may_change)
    made = newest_classification(visitor.session) if may_change else None
    if made is not None:
        page = replace(page, undo=made.policy.version, token=visitor.account.csrf_token)
    return show(request, visitor, "staff/policy.html.j2", "policy", page)


@router.get("/policy/edit")
def edit_policy(request: Request, visitor: Change) -> Response:
    """The form with the version in force."""
    policy, _ = clinics.policy_in_force(visitor.session)
    return _form(request, visitor, policy, values_of(policy), _NONE)


@router.post("/policy/edit")
def edit_again(request: Request, visitor: Change, posted: PostedDep) -> Response:
    """Back from the preview, with what was typed; the version stays the one that it was typed over."""
    typed = texts(posted)
    policy, _ = clinics.policy_in_force(visitor.session)
    if version_of(typed) != policy.version:
        return _stale(request, visitor, policy, typed)
    return _form(request, visitor, policy, typed, _NONE)


@router.post("/policy/preview")
def preview(request: Request, visitor: Change, posted: PostedDep) -> Response:
    """What would change, in words and for every order; nothing is written."""
    typed = texts(posted)
    policy, _ = clinics.policy_in_force(visitor.session)
    if version_of(typed) != policy.version:
        return _stale(request, visitor, policy, typed)
    try:
        new = _checked(typed, policy)
    except InvalidInput as error:
        return _form(request, visitor, policy, typed, errors_of(error, {}, "policy"), 400)
    return _preview(request, visitor, policy, new, typed, _NONE)


@router.post("/policy")
def save_policy(request: Request, visitor: Change, posted: PostedDep) -> Response:
    """The preview was agreed to, and says why."""
    typed = texts(posted)
    policy, _ = clinics.policy_in_force(visitor.session)
    if version_of(typed) != policy.version:
        return _stale(request, visitor, policy, typed)
    try:
        new = _checked(typed, policy)
    except InvalidInput as error:
        return _form(request, visitor, policy, typed, errors_of(error, {}, "policy"), 400)
    try:
        with attempt(visitor.session):
            change_policy(
                visitor.session,
                visitor.actor,
                new,
                based_on=version_of(typed),
                seen=typed.get("seen", ""),
                reason=typed.get("reason", ""),
                now=visitor.now,
            )
    except InvalidInput as error:
        return _preview(request, visitor, policy, new, typed, errors_of(error, {}, "reason"), 400)
    except PreviewOutdated as error:
        return _preview(request, visitor, policy, new, typed, _NONE, 412, str(error))
    except StaleVersion:
        return _stale(request, visitor, clinics.policy_in_force(visitor.session)[0], typed)
    return done(visitor, "/policy", "policy-saved")


def _checked(typed: _Typed, policy: Policy) -> Policy:
    new = checked(draft_from(typed), policy)
    if not changes(policy, new):
        text = "Nothing is different from the policy in force. Change something, or leave it as it is."
        raise InvalidInput(Issue(text, ("policy",), "value"))
    return new


def _form(
    request: Request,
    visitor: Visitor,
    policy: Policy,
    values: _Typed,
    errors: Mapping[str, str],
    status: int = 200,
    stale: str = "",
    changed: tuple[str, ...] = (),
) -> Response:
    form = form_of(visitor, values, errors, version=str(policy.version))
    page = policy_form(form, stale, changed)
    return show(request, visitor, "staff/policy_edit.html.j2", "policy", page, status)


def _stale(request: Request, visitor: Visitor, policy: Policy, typed: _Typed) -> Response:
    """What was typed, over the version that is in force now, with what somebody else has changed."""
    changed = changes_since(visitor.session, version_of(typed), policy)
    return _form(request, visitor, policy, typed, _NONE, 412, str(outrun(policy)), changed)


def _preview(
    request: Request,
    visitor: Visitor,
    policy: Policy,
    new: Policy,
    typed: _Typed,
    errors: Mapping[str, str],
    status: int = 200,
    outdated: str = "",
) -> Response:
    seen = preview_policy(visitor.session, visitor.actor, policy, new, visitor.now)
    form = form_of(visitor, typed, errors, version=str(policy.version))
    page = preview_page(
        seen, changes(policy, new), policy, new, form, carried(typed), clock_of(visitor), outdated
    )
    return show(request, visitor, "staff/policy_preview.html.j2", "policy", page, status)
