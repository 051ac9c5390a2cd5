"""Hours and closed days in words."""

from __future__ import annotations

from datetime import time
from typing import Final

from referral.domain.calendar import Closure, Hours
from referral.domain.office_hours import WEEKDAYS
from referral.services.find_calendar import OfficeCalendar
from referral.web.form import Form
from referral.web.staff import present
from referral.web.staff.clock import Clock
from referral.web.staff.ladder_models import ClosureRow, HoursBox, HoursPage
from referral.web.staff.models import Choice

_CLINIC: Final = "/settings/hours"


def hours_words(hours: Hours) -> str:
    """'8:00 AM to 5:00 PM, reminders at 9:00 AM; closed on Fridays'."""
    closed = [f"{WEEKDAYS[day]}s" for day in sorted(hours.closed_weekdays)]
    shut = f"; closed on {' and '.join(closed)}" if closed else ""
    return f"{_hour(hours.opens)} to {_hour(hours.closes)}, reminders at {_hour(hours.sends)}{shut}"


def _hour(at: time) -> str:
    return f"{at.hour % 12 or 12}:{at.minute:02d} {'AM' if at.hour < 12 else 'PM'}"


def values_of(hours: Hours) -> dict[str, str]:
    """The form filled in with hours; a ticked weekday is closed."""
    times = {"opens": hours.opens, "closes": hours.closes, "sends": hours.sends}
    return {
        **{name: f"{moment:%H:%M}" for name, moment in times.items()},
        **{f"closed_{day}": "yes" for day in hours.closed_weekdays},
    }


def hours_page(
    view: OfficeCalendar, clock: Clock, form: Form, *, may_set: bool, may_close: bool
) -> HoursPage:
    """Of the clinic, or of one clinician's office."""
    clinician = view.clinician
    path = f"/directory/{clinician.id}/hours" if clinician else _CLINIC
    summary = f"{hours_words(view.hours)}, by the clock of the office."
    if clinician is not None:
        own = "" if view.own else " These are the clinic’s hours; the office has none of its own."
        zone = clinician.time_zone.split("/")[-1].replace("_", " ")
        summary = f"{hours_words(view.hours)}, by the clock of {zone}.{own}"
    box = HoursBox(
        title=present.titled(clinician) if clinician else "",
        summary=summary,
        closures=tuple(_closure(closure, clock, may_close=may_close) for closure in view.closures),
        form=form,
        save=path if may_set else "",
        clear=f"{path}/clear" if may_set and clinician and view.own else "",
        close=f"{path}/closed-days" if may_close else "",
        weekdays=tuple(
            Choice(f"closed_{day}", name, checked=bool(form.value(f"closed_{day}")))
            for day, name in enumerate(WEEKDAYS)
        )
        if clinician
        else (),
        open=f"/directory/{clinician.id}" if clinician else "",
        office=clinician.id if clinician else "",
    )
    holidays = tuple(ClosureRow(clock.day(day).text, name) for day, name in view.holidays)
    return HoursPage(box, holidays)


def _closure(closure: Closure, clock: Clock, *, may_close: bool) -> ClosureRow:
    first, last = clock.day(closure.first_on).text, clock.day(closure.last_on).text
    days = first if closure.first_on == closure.last_on else f"{first} to {last}"
    return ClosureRow(days, closure.words, f"/closed-days/{closure.id}/remove" if may_close else "")
