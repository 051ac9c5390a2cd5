"""The measures of the return leg over a period, for the reports page, as CSV and as FHIR MeasureReports."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from referral.fhir.elements import reference
from referral.fhir.measure import Counted, Quartiles, measure_report
from referral.services.calendars import clinic_calendar
from referral.services.publish import clinic_ref
from referral.storage import clinics, measures
from referral.storage.db import Session
from referral.storage.measures import Proportion, Spread
from referral.storage.reports import Period

REPORTED: Final = "end-of-course-report"
DATED: Final = "follow-up-date"
SEEN: Final = "follow-up-seen"
DAYS: Final = "follow-up-days"
CMS50: Final = "cms50"
EVERY: Final = (REPORTED, DATED, SEEN, DAYS, CMS50)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One measure over the days `first` to `last`, both included, where the clinic is."""

    name: str
    first: date
    last: date
    counted: Proportion | Spread


def find_measures(
    session: Session, first: date, last: date, now: datetime, names: Collection[str] = EVERY
) -> tuple[Measured, ...]:
    """Courses by their end in the period; CMS50 over the calendar year of `last`, as it is defined.

    Only those of `names` are counted; the three of visits are one statement.
    """
    calendar = clinic_calendar(session)

    def starts(day: date) -> datetime:
        return calendar.at(day, time(0))

    period = Period(starts(first), starts(last + _DAY))
    counted: dict[str, Proportion | Spread] = {}
    if REPORTED in names:
        counted[REPORTED] = measures.reported(session, period)
    if not {DATED, SEEN, DAYS}.isdisjoint(names):
        zone, today = clinics.current(session).time_zone, calendar.local_date(now)
        visits = measures.visits(session, period, zone, today)
        counted |= {DATED: visits.dated, SEEN: visits.seen, DAYS: visits.days}
    begins, ends = date(last.year, 1, 1), date(last.year, 12, 31)
    if CMS50 in names:
        year = Period(starts(begins), starts(ends + _DAY))
        counted[CMS50] = measures.cms50(session, year, starts(date(last.year, 11, 1)))
    days = {name: (begins, ends) if name == CMS50 else (first, last) for name in counted}
    return tuple(
        Measured(name=name, first=days[name][0], last=days[name][1], counted=found)
        for name, found in counted.items()
        if name in names
    )


def report_of(session: Session, measured: Measured, now: datetime) -> dict[str, object]:
    """As a FHIR MeasureReport; its Measure is contained."""
    found = measured.counted
    counted = (
        Counted(found.denominator, found.numerator, found.excluded)
        if isinstance(found, Proportion)
        else Quartiles(found.population, found.counted, found.low, found.median, found.high)
    )
    return measure_report(
        measured.name,
        counted,
        (measured.first, measured.last),
        reporter=reference(clinic_ref(session)),
        at=now,
    )
