"""Hours and closed days: of the clinic, and of each outside clinician's office."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.errors import InvalidInput, StaleVersion
from referral.services.find_calendar import find_calendar
from referral.services.keep_calendar import clear_hours, close_days, open_days, set_hours
from referral.storage.audit import Subject
from referral.storage.db import attempt
from referral.web.dependencies import PostedDep, Visitor, staff
from referral.web.form import Conflict
from referral.web.policy import Permission
from referral.web.staff.conflict import CONFLICT, conflict_of, refuse_if_changed, refuse_if_others_changed
from referral.web.staff.frame import SeeWork, clock_of, done, errors_of, form_of, show, texts
from referral.web.staff.hours_view import hours_page, values_of
from referral.web.turn import Router

router: Final = Router()
See = Annotated[Visitor, staff(Permission.SEE_POLICY)]
Change = Annotated[Visitor, staff(Permission.CHANGE_POLICY)]
Manage = Annotated[Visitor, staff(Permission.MANAGE_DIRECTORY)]
_Typed = Mapping[str, str]
_NONE: Final[Mapping[str, str]] = {}


@router.get("/settings/hours")
def show_hours(request: Request, visitor: See) -> Response:
    """When the clinic's letters leave, its closed days, and the holidays to come."""
    return _page(request, visitor, None, _NONE, _NONE)


@router.post("/settings/hours")
def save_hours(request: Request, visitor: Change, posted: PostedDep) -> Response:
    """What is planned follows."""
    return _save(request, visitor, None, texts(posted))


@router.post("/settings/hours/closed-days")
def add_closed_days(request: Request, visitor: Manage, posted: PostedDep) -> Response:
    """Days on which the clinic sends nothing and that do not count."""
    return _close(request, visitor, None, texts(posted))


@router.get("/directory/{clinician_id}/hours")
def show_office(request: Request, clinician_id: str, visitor: SeeWork) -> Response:
    """When an office takes letters, and when it is away."""
    return _page(request, visitor, clinician_id, _NONE, _NONE)


@router.post("/directory/{clinician_id}/hours")
def save_office(request: Request, clinician_id: str, visitor: Manage, posted: PostedDep) -> Response:
    """Hours of their own."""
    return _save(request, visitor, clinician_id, texts(posted))


@router.post("/directory/{clinician_id}/hours/clear")
def clear_office(request: Request, clinician_id: str, visitor: Manage, posted: PostedDep) -> Response:
    """Back to the clinic's hours; doing it twice is harmless."""
    typed = texts(posted)

    def act() -> None:
        refuse_if_others_changed(visitor, typed, _hours_of(clinician_id))
        clear_hours(visitor.session, visitor.actor, clinician_id, visitor.now)

    return _try(request, visitor, clinician_id, typed, act, "hours-saved")


@router.post("/directory/{clinician_id}/hours/closed-days")
def add_absence(request: Request, clinician_id: str, visitor: Manage, posted: PostedDep) -> Response:
    """The clinician is away, or the office is closed."""
    return _close(request, visitor, clinician_id, texts(posted))


@router.post("/closed-days/{closure_id}/remove")
def remove_closed_days(request: Request, closure_id: str, visitor: Manage, posted: PostedDep) -> Response:
    """Open again from today on. `office` says whose page it was: days that are gone say it no more."""
    typed = texts(posted)
    clinician_id = typed.get("office") or None

    def act() -> None:
        refuse_if_others_changed(visitor, typed, _days_of(clinician_id, closure_id))
        open_days(visitor.session, visitor.actor, closure_id, visitor.now)

    days = _days_of(clinician_id, closure_id)
    return _try(request, visitor, clinician_id, typed, act, "days-opened", days)


def _path(clinician_id: str | None) -> str:
    return f"/directory/{clinician_id}/hours" if clinician_id else "/settings/hours"


def _hours_of(clinician_id: str | None) -> Subject:
    """What is overwritten when hours are saved."""
    entity = f"PractitionerRole/{clinician_id}" if clinician_id else None
    return Subject(entity, subtypes=("set-hours", "clear-hours"))


def _days_of(clinician_id: str | None, closure_id: str = "") -> Subject:
    """What is closed: one range, or all of an office."""
    entity = f"PractitionerRole/{clinician_id}" if clinician_id else None
    return Subject(entity, subtypes=("close-days", "open-days"), names=closure_id)


def _save(request: Request, visitor: Visitor, clinician_id: str | None, typed: _Typed) -> Response:
    def act() -> None:
        times = (typed.get("opens", ""), typed.get("closes", ""), typed.get("sends", ""))
        weekdays = [str(day) for day in range(5) if clinician_id and typed.get(f"closed_{day}")]
        refuse_if_changed(visitor, typed, _hours_of(clinician_id))
        set_hours(visitor.session, visitor.actor, clinician_id, times, weekdays, visitor.now)

    return _try(request, visitor, clinician_id, typed, act, "hours-saved")


def _close(request: Request, visitor: Visitor, clinician_id: str | None, typed: _Typed) -> Response:
    def act() -> None:
        days = (typed.get("first_on", ""), typed.get("last_on", ""), typed.get("words", ""))
        refuse_if_others_changed(visitor, typed, _days_of(clinician_id))
        close_days(visitor.session, visitor.actor, clinician_id, days, visitor.now)

    return _try(request, visitor, clinician_id, typed, act, "days-closed", _days_of(clinician_id))


def _try(
    request: Request,
    visitor: Visitor,
    clinician_id: str | None,
    typed: _Typed,
    act: Callable[[], None],
    notice: str,
    about: Subject | None = None,
) -> Response:
    """A refusal shows the page again with what was typed, and has changed nothing.

    `about` is what somebody else may have changed, the hours unless it is given.
    """
    try:
        with attempt(visitor.session):
            act()
    except InvalidInput as error:
        return _page(request, visitor, clinician_id, typed, errors_of(error, {}, "first_on"), 400)
    except StaleVersion as error:
        conflict = conflict_of(visitor, clock_of(visitor), error, typed, about or _hours_of(clinician_id))
        return _page(request, visitor, clinician_id, typed, _NONE, CONFLICT, conflict)
    return done(visitor, _path(clinician_id), notice)


def _page(
    request: Request,
    visitor: Visitor,
    clinician_id: str | None,
    typed: _Typed,
    errors: _Typed,
    status: int = 200,
    conflict: Conflict | None = None,
) -> Response:
    view = find_calendar(visitor.session, clinician_id, visitor.now)
    values = typed if "opens" in typed else {**values_of(view.hours), **typed}
    form = form_of(visitor, values, errors, conflict=conflict)
    own = Permission.MANAGE_DIRECTORY if clinician_id else Permission.CHANGE_POLICY
    page = hours_page(
        view,
        clock_of(visitor),
        form,
        may_set=visitor.may(own),
        may_close=visitor.may(Permission.MANAGE_DIRECTORY),
    )
    active = "directory" if clinician_id else "hours"
    return show(request, visitor, "staff/hours.html.j2", active, page, status)
