"""Steps that people take on the page of one thing: done, or refused with the page as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fastapi import Request
from starlette.datastructures import FormData
from starlette.responses import Response

from referral.domain.errors import Forbidden, NotFound, ReferralError
from referral.storage.db import attempt
from referral.web.dependencies import Visitor
from referral.web.errors import status_of
from referral.web.policy import Permission
from referral.web.staff.frame import done, errors_of, texts

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
        return again(Shown(typed, errors_of(error, {}, step), step, status_of(error)), error)
    return done(visitor, page, notice)
