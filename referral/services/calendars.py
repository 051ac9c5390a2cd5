"""Business calendars: the recipient's time zone, US federal holidays, and the clinic's closed days."""

from __future__ import annotations

from datetime import date
from functools import cache
from zoneinfo import ZoneInfo

import holidays

from referral.domain.calendar import BusinessCalendar
from referral.storage.clinics import Clinic


@cache
def _federal(year: int) -> frozenset[date]:
    """US federal holidays with their observed days (5 U.S.C. 6103).

    Whole years, never changed: the library's own table fills up while it is asked, and a thread that asks in
    the middle would be told that a holiday is none.
    """
    # New Year's Day can be observed on the last day of the year before.
    found = holidays.country_holidays("US", years=(year, year + 1), expand=False)
    return frozenset(day for day in found if day.year == year)


def calendar_for(clinic: Clinic, time_zone: str) -> BusinessCalendar:
    """The calendar of a recipient in `time_zone`; the clinic's own closed days count as well."""
    closed = frozenset(date.fromisoformat(day) for day in clinic.settings.get("closed_days", []))
    return BusinessCalendar(
        time_zone=ZoneInfo(time_zone), is_closed=lambda day: day in closed or day in _federal(day.year)
    )
