"""Who is on call: told at once, at any hour, when a safety task waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.codes import Channel
from referral.domain.errors import InvalidInput, StaleVersion, TransitionRefused
from referral.domain.on_call import CHANNELS, WAITS, OnCallContact
from referral.services.call_on_duty import wait_of
from referral.services.keep_on_call import add_on_call, remove_on_call, set_wait, tell_first
from referral.storage import on_call
from referral.storage.audit import Subject
from referral.storage.db import attempt
from referral.web.dependencies import PostedDep, Visitor, staff
from referral.web.form import Conflict, Form
from referral.web.policy import Permission
from referral.web.staff import present
from referral.web.staff.conflict import CONFLICT, conflict_of, refuse_if_others_changed
from referral.web.staff.frame import clock_of, done, errors_of, form_of, show, texts
from referral.web.staff.models import Choice
from referral.web.turn import Router

router: Final = Router()
See = Annotated[Visitor, staff(Permission.SEE_POLICY)]
Change = Annotated[Visitor, staff(Permission.CHANGE_POLICY)]
_HREF: Final = "/settings/on-call"
_NONE: Final[Mapping[str, str]] = {}
# Whom, in which order, how long: each of it says something about the others.
_LIST: Final = Subject(subtypes=("on-call-changed",))
_BY: Final = {Channel.SMS: "Text message", Channel.EMAIL: "E-mail"}


@dataclass(frozen=True, slots=True)
class OnCallRow:
    """`address` is empty for who may not change the list: it is a colleague's own."""

    id: str
    name: str
    by: str
    address: str
    is_first: bool


@dataclass(frozen=True, slots=True)
class OnCallPage:
    """`unsent` are channels without a provider, as a sentence."""

    rows: tuple[OnCallRow, ...]
    wait: int
    waits: tuple[Choice, ...]
    channels: tuple[Choice, ...]
    form: Form
    may: bool
    unsent: str


@router.get("/settings/on-call")
def show_on_call(request: Request, visitor: See) -> Response:
    """Whom, in which order, and after how long the next one."""
    return _page(request, visitor, _NONE, _NONE)


@router.post("/settings/on-call")
def save_wait(request: Request, visitor: Change, posted: PostedDep) -> Response:
    """How long until the next one is told."""
    typed = texts(posted)

    def act() -> None:
        refuse_if_others_changed(visitor, typed, _LIST)
        set_wait(visitor.session, visitor.actor, typed.get("wait", ""))

    return _try(request, visitor, typed, act)


@router.post("/settings/on-call/contacts")
def add(request: Request, visitor: Change, posted: PostedDep) -> Response:
    """One more at the end of the list."""
    typed = texts(posted)

    def act() -> None:
        given = (typed.get("name", ""), typed.get("channel", ""), typed.get("address", ""))
        add_on_call(visitor.session, visitor.actor, *given, visitor.now)

    return _try(request, visitor, typed, act)


@router.post("/settings/on-call/remove")
def remove(request: Request, visitor: Change, posted: PostedDep) -> Response:
    """Off the list."""
    typed = texts(posted)

    def act() -> None:
        refuse_if_others_changed(visitor, typed, _LIST)
        remove_on_call(visitor.session, visitor.actor, typed.get("contact", ""), visitor.now)

    return _try(request, visitor, typed, act)


@router.post("/settings/on-call/first")
def make_first(request: Request, visitor: Change, posted: PostedDep) -> Response:
    """To the top of the list."""
    typed = texts(posted)

    def act() -> None:
        refuse_if_others_changed(visitor, typed, _LIST)
        tell_first(visitor.session, visitor.actor, typed.get("contact", ""))

    return _try(request, visitor, typed, act)


def _try(request: Request, visitor: Visitor, typed: Mapping[str, str], act: Callable[[], object]) -> Response:
    """A refusal shows the page again with what was typed, and has changed nothing."""
    try:
        with attempt(visitor.session):
            act()
    except (InvalidInput, TransitionRefused) as error:
        return _page(request, visitor, typed, errors_of(error, {}, "name"), 400)
    except StaleVersion as error:
        # What a button carries is nothing that anybody has typed.
        own = {name: value for name, value in typed.items() if name != "contact"}
        conflict = conflict_of(visitor, clock_of(visitor), error, own, _LIST)
        return _page(request, visitor, own, _NONE, CONFLICT, conflict)
    return done(visitor, _HREF, "on-call-saved")


def _page(
    request: Request,
    visitor: Visitor,
    typed: Mapping[str, str],
    errors: Mapping[str, str],
    status: int = 200,
    conflict: Conflict | None = None,
) -> Response:
    may, wait = visitor.may(Permission.CHANGE_POLICY), wait_of(visitor.session)
    found = on_call.contacts(visitor.session)
    chosen = typed.get("channel", "")
    page = OnCallPage(
        rows=tuple(
            OnCallRow(one.id, one.name, _BY[one.channel], _shown(one) if may else "", is_first=place == 0)
            for place, one in enumerate(found)
        ),
        wait=wait,
        waits=tuple(Choice(str(one), f"{one} minutes", checked=one == wait) for one in WAITS),
        channels=tuple(Choice(one, _BY[one], checked=one == chosen) for one in CHANNELS),
        form=form_of(visitor, {"wait": str(wait), **typed}, errors, conflict=conflict),
        may=may,
        unsent=_unsent(visitor, {one.channel for one in found}),
    )
    return show(request, visitor, "staff/on_call.html.j2", "on-call", page, status)


def _shown(one: OnCallContact) -> str:
    return present.phone(one.address) if one.channel is Channel.SMS else one.address


def _unsent(visitor: Visitor, used: set[Channel]) -> str:
    """Which of the channels in use have no provider here."""
    missing = [f"{_BY[one].lower()}s" for one in CHANNELS if one in used - visitor.runtime.channels.real]
    return (
        f"No provider is set up for {' and '.join(missing)}: nobody gets these messages." if missing else ""
    )
