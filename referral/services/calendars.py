"""Business calendars: the recipient's time zone and hours, federal holidays, everybody's closed days."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import cache
from zoneinfo import ZoneInfo

import holidays

from referral.domain.calendar import BusinessCalendar, Closure, Hours
from referral.domain.records import Clinician, Patient
from referral.domain.time_zones import time_zone_of
from referral.storage import clinics, closures
from referral.storage.clinics import Clinic
from referral.storage.db import Session


@cache
def _federal(year: int) -> dict[date, str]:
    """US federal holidays with their observed days (5 U.S.C. 6103) and names.

    Whole years, never changed: the library's own table fills up while it is asked, and a thread that asks in
    the middle would be told that a holiday is none.
    """
    # New Year's Day can be observed on the last day of the year before.
    found = holidays.country_holidays("US", years=(year, year + 1), expand=False)
    return {day: name for day, name in found.items() if day.year == year}


def federal_holidays(first: date, last: date) -> list[tuple[date, str]]:
    """Those between two days, both included, in order, with their English names."""
    years = range(first.year, last.year + 1)
    found = [item for year in years for item in _federal(year).items() if first <= item[0] <= last]
    return sorted(found)


def business_calendar(
    time_zone: str, hours: Hours, closed: Iterable[Closure] = (), closed_days: Iterable[date] = ()
) -> BusinessCalendar:
    """Pure: the calendar that follows from these facts and the federal holidays."""
    ranges, days, weekdays = tuple(closed), frozenset(closed_days), hours.closed_weekdays

    @cache
    def is_closed(day: date) -> bool:
        return (
            day.weekday() in weekdays
            or day in _federal(day.year)
            or day in days
            or any(closure.covers(day) for closure in ranges)
        )

    return BusinessCalendar(
        time_zone=ZoneInfo(time_zone),
        is_closed=is_closed,
        opens=hours.opens,
        closes=hours.closes,
        sends=hours.sends,
    )


def hours_of(clinic: Clinic) -> Hours:
    """When the clinic's letters leave, in the recipient's time zone, unless the recipient has hours."""
    data = clinic.settings.get("hours")
    return closures.hours_from(data) if data else Hours()


def closed_by_clinic(session: Session) -> tuple[tuple[Closure, ...], frozenset[date]]:
    """The clinic's closed days, as ranges and as single days of its settings."""
    return closures.of(session, ())[""], _closed_days(clinics.current(session))


def clinic_calendar(session: Session) -> BusinessCalendar:
    """Business days and hours of the clinic itself, in its time zone; quiet hours of letters are no hours."""
    clinic = clinics.current(session)
    closed = closures.of(session, ())[""]
    return business_calendar(clinic.time_zone, Hours(), closed, _closed_days(clinic))


def calendars_of(session: Session, clinicians: Iterable[Clinician]) -> dict[str, BusinessCalendar]:
    """By clinician id: in their time zone and hours, without their closed days and those of the clinic."""
    people = list(clinicians)
    clinic = clinics.current(session)
    closed = closures.of(session, [person.id for person in people])
    days = _closed_days(clinic)
    return {
        person.id: business_calendar(
            person.time_zone, person.hours or hours_of(clinic), (*closed[""], *closed[person.id]), days
        )
        for person in people
    }


def calendars_of_patients(session: Session, patients: Iterable[Patient]) -> dict[str, BusinessCalendar]:
    """By patient id: the clinic's days and hours, in the time zone of the state of the patient's address.

    Without one, in the clinic's: nobody is woken by a message about a form.
    """
    people = list(patients)
    if not people:
        return {}
    clinic = clinics.current(session)
    closed, days = closed_by_clinic(session)
    return {
        person.id: business_calendar(
            time_zone_of(person.address, clinic.time_zone), hours_of(clinic), closed, days
        )
        for person in people
    }


def calendar_of(session: Session, clinician: Clinician) -> BusinessCalendar:
    """As calendars_of(), for one."""
    return calendars_of(session, [clinician])[clinician.id]


def _closed_days(clinic: Clinic) -> frozenset[date]:
    """Single days out of the clinic's settings, as older clinics have them."""
    return frozenset(date.fromisoformat(day) for day in clinic.settings.get("closed_days", []))
