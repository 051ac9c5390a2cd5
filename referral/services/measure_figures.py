"""The measures of the return leg over a period, for the reports page, as CSV and as FHIR MeasureReports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from referral.fhir.elements import reference
from referral.fhir.measure import Counted, measure_report
from referral.services.calendars import clinic_calendar
from referral.services.publish import clinic_ref
from referral.storage import measures
from referral.storage.db import Session
from referral.storage.measures import Proportion
from referral.storage.reports import Period

REPORTED: Final = "end-of-course-report"
CMS50: Final = "cms50"
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One proportion over the days `first` to `last`, both included, where the clinic is."""

    name: str
    first: date
    last: date
    counted: Proportion


def find_measures(session: Session, first: date, last: date) -> tuple[Measured, ...]:
    """Courses by their end in the period; CMS50 over the calendar year of `last`, as it is defined."""
    calendar = clinic_calendar(session)

    def starts(day: date) -> datetime:
        return calendar.at(day, time(0))

    period = Period(starts(first), starts(last + _DAY))
    begins, ends = date(last.year, 1, 1), date(last.year, 12, 31)
    year = Period(starts(begins), starts(ends + _DAY))
    looped = measures.cms50(session, year, starts(date(last.year, 11, 1)))
    return (
        Measured(name=REPORTED, first=first, last=last, counted=measures.reported(session, period)),
        Measured(name=CMS50, first=begins, last=ends, counted=looped),
    )


def report_of(session: Session, measured: Measured, now: datetime) -> dict[str, object]:
    """As a FHIR MeasureReport; its Measure is contained."""
    counted = Counted(measured.counted.denominator, measured.counted.numerator, measured.counted.excluded)
    return measure_report(
        measured.name,
        counted,
        (measured.first, measured.last),
        reporter=reference(clinic_ref(session)),
        at=now,
    )
