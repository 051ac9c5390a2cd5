"""Where a request stands on its ladder: rows to the rulebook's values and back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from referral.domain import contacts
from referral.domain.calendar import BusinessCalendar
from referral.domain.records import Clinician, Contact, Referral
from referral.domain.reminders import Climb, Ladder, Step, due_date, next_step, resumed
from referral.services.calendars import calendar_for
from referral.storage import clinics, directory
from referral.storage.db import Session
from referral.storage.outbox import Message


def climb_of(referral: Referral) -> Climb:
    """What the rulebook needs of a request; it is held while a person of the clinic has to do something."""
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


def going_on(session: Session, referral: Referral, now: datetime) -> dict[str, Any]:
    """The columns of a held request whose ladder goes on, moved by the business days that it stood still."""
    ladder, calendar = ladder_and_calendar(session, referral)
    moved = resumed(climb_of(referral), calendar, referral.held_at or now, now)
    return {**replanned(moved, ladder, calendar), "held_at": None}


def contact_for(step: Step, clinician: Clinician, last: Message | None) -> Contact | None:
    """What a reminder travels by; `last` is the letter that was handed over last. None: nothing is sent."""
    used = (last.contact_id, last.channel) if last else None
    return contacts.for_step(step, clinician.contacts, used)


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
