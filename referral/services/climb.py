"""Where a request stands on its ladder: rows to the rulebook's values and back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from referral.domain.calendar import BusinessCalendar
from referral.domain.records import Referral
from referral.domain.reminders import Climb, Ladder, due_date, next_step
from referral.services.calendars import calendar_for
from referral.storage import clinics, directory
from referral.storage.db import Session


def climb_of(referral: Referral) -> Climb:
    """What the rulebook needs of a request; it is held while the clinic owes the clinician an answer."""
    return Climb(
        started_at=referral.started_at,
        climbed=referral.climbed,
        shifted_days=referral.shifted_days,
        extended_days=referral.extended_days,
        held=referral.held_at is not None,
    )


def ladder_and_calendar(session: Session, referral: Referral) -> tuple[Ladder, BusinessCalendar]:
    """The clinic's ladder, and the calendar of the clinician who was asked."""
    _, ladder = clinics.policy_in_force(session)
    clinician = directory.get_clinician(session, referral.clinician_id)
    return ladder, calendar_for(clinics.current(session), clinician.time_zone)


def replanned(climb: Climb, ladder: Ladder, calendar: BusinessCalendar) -> dict[str, Any]:
    """The columns of the request that follow from its climb."""
    planned = next_step(climb, ladder, calendar)
    due: datetime = due_date(ladder, calendar, climb)
    return {
        "climbed": climb.climbed,
        "shifted_days": climb.shifted_days,
        "extended_days": climb.extended_days,
        "due_at": due,
        "next_step_at": planned.due_at if planned else None,
    }
