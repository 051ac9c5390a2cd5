"""Steps that people take on the page of one thing: done, or refused with the page as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fastapi import Request
from starlette.datastructures import FormData
from starlette.responses import Response

from referral.domain.errors import Forbidden, NotFound, ReferralError
from referral.storage.audit import Subject
from referral.storage.db import attempt
from referral.web.dependencies import Visitor
from referral.web.errors import status_of
from referral.web.form import Conflict
from referral.web.policy import Permission
from referral.web.staff.conflict import CONFLICT, conflict_of, refuse_if_others_changed
from referral.web.staff.frame import clock_of, done, errors_of, texts

Typed = Mapping[str, str]
# Takes the id of the thing and what was typed; returns the notice of what was done.
Act = Callable[[Visitor, str, Typed], str]
Steps = Mapping[str, tuple[Permission, Act]]


@dataclass(frozen=True, slots=True)
class Shown:
    """How a page is shown: as it is, or again after the step `failed`, with what was typed and why not."""

    typed: Typed = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    failed: str = ""
    status: int = 200
    conflict: Conflict | None = None


def take(
    request: Request,
    visitor: Visitor,
    steps: Steps,
    step: str,
    about: tuple[str, str],
    posted: FormData,
    again: Callable[[Shown, ReferralError], Response],
    type: str = "ServiceRequest",
) -> Response:
    """`about`: the page and the id of a resource of this type. `again` shows the page after a refusal.

    What the step has written before it was refused is undone; what `again` writes stays.
    """
    page, id = about
    request.state.entity = f"{type}/{id}"
    if step not in steps:
        raise NotFound("There is no such page.")
    permission, act = steps[step]
    if not visitor.may(permission):
        raise Forbidden("Your role may not do this. Ask the clinic's administrator if it should.")
    typed = texts(posted)
    try:
        with attempt(visitor.session):
            notice = act(visitor, id, typed)
    except NotFound:
        raise
    except ReferralError as error:
        return again(refused(visitor, error, typed, step, Subject(f"{type}/{id}")), error)
    return done(visitor, page, notice)


def guarded(steps: Steps, about: Subject) -> Steps:
    """The same steps, each refused where somebody else has changed `about` since the page was shown.

    For what has no version of its own.
    """

    def guard(act: Act) -> Act:
        def guarded_act(visitor: Visitor, id: str, typed: Typed) -> str:
            refuse_if_others_changed(visitor, typed, about)
            return act(visitor, id, typed)

        return guarded_act

    return {name: (permission, guard(act)) for name, (permission, act) in steps.items()}


def refused(visitor: Visitor, error: ReferralError, typed: Typed, step: str, about: Subject) -> Shown:
    """How the page is shown: with the reason beside its field, or with what somebody else has done."""
    conflict = conflict_of(visitor, clock_of(visitor), error, typed, about)
    if conflict is not None:
        return Shown(typed, {}, step, CONFLICT, conflict)
    return Shown(typed, errors_of(error, {}, step), step, status_of(error))
