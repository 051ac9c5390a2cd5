"""What the pages about hours and closed days show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from referral.domain.calendar import Closure, Hours
from referral.domain.records import Clinician
from referral.services.calendars import calendar_of, clinic_calendar, federal_holidays, hours_of
from referral.storage import clinics, closures, directory
from referral.storage.db import Session

_AHEAD: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeCalendar:
    """`hours` are in force, `own` says whether they are the office's own. Closures are those not over.

    `clinician` None: the clinic itself. `holidays` are those of the next year.
    """

    clinician: Clinician | None
    hours: Hours
    own: bool
    closures: tuple[Closure, ...]
    holidays: tuple[tuple[date, str], ...]


def find_calendar(session: Session, clinician_id: str | None, now: datetime) -> OfficeCalendar:
    """Nothing here is about a patient, so no audit row is written."""
    clinic_hours = hours_of(clinics.current(session))
    clinician = directory.get_clinician(session, clinician_id) if clinician_id else None
    calendar = calendar_of(session, clinician) if clinician else clinic_calendar(session)
    today = calendar.local_date(now)
    every = closures.of(session, [clinician_id] if clinician_id else [])[clinician_id or ""]
    own = clinician.hours if clinician else clinic_hours
    return OfficeCalendar(
        clinician=clinician,
        hours=own or clinic_hours,
        own=own is not None,
        closures=tuple(closure for closure in every if closure.last_on >= today),
        holidays=tuple(federal_holidays(today, today + _AHEAD)),
    )
