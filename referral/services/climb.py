"""Where a request stands on its ladder: rows to the rulebook's values and back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from referral.domain import contacts
from referral.domain.calendar import BusinessCalendar
from referral.domain.codes import Channel
from referral.domain.records import Clinician, Contact, Referral
from referral.domain.reminders import Climb, Ladder, Rung, due_date, next_step, resumed
from referral.services.calendars import calendar_of
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


def ladder_of(session: Session, referral: Referral) -> Ladder:
    """The ladder that the request was asked with; a newer one of the clinic is not for it (docs/adr/0021)."""
    return clinics.policy_of(session, referral.ladder_version)[1]


def ladder_and_calendar(session: Session, referral: Referral) -> tuple[Ladder, BusinessCalendar]:
    """The request's ladder, and the calendar of the clinician who was asked."""
    clinician = directory.get_clinician(session, referral.clinician_id)
    return ladder_of(session, referral), calendar_of(session, clinician)


def going_on(session: Session, referral: Referral, now: datetime) -> dict[str, Any]:
    """The columns of a held request whose ladder goes on, moved by the business days that it stood still."""
    ladder, calendar = ladder_and_calendar(session, referral)
    moved = resumed(climb_of(referral), calendar, referral.held_at or now, now)
    return {**replanned(moved, ladder, calendar), "held_at": None, "held_for": None}


def first_contact(ladder: Ladder, clinician: Clinician) -> Contact | None:
    """What the request itself travels by; None when nothing on file can carry it."""
    return contacts.for_request(ladder, clinician.contacts)


# What a letter went by: its contact, and that one's channel.
Carrier = tuple[str, Channel]


def carrier_of(message: Message | None) -> Carrier | None:
    """None for no message."""
    return (message.contact_id, message.channel) if message else None


def contact_for(rung: Rung, clinician: Clinician, last: Carrier | None) -> Contact | None:
    """What a reminder travels by; `last` is the letter that was handed over last. None: nothing is sent."""
    return contacts.for_step(rung, clinician.contacts, last)


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
