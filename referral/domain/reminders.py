"""The ladder: what is due now for one request, and what happens next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from referral.domain.calendar import BusinessCalendar


class Step(StrEnum):
    """What a rung does. `EXPIRE` ends the request unless staff have extended it."""

    REMIND = "remind"
    REMIND_OTHER_CHANNEL = "remind-other-channel"
    CALL = "call"
    SUGGEST_ANOTHER = "suggest-another"
    EXPIRE = "expire"


@dataclass(frozen=True, slots=True)
class Rung:
    business_day: int
    step: Step


@dataclass(frozen=True, slots=True)
class Ladder:
    """Rungs in the order of their business days, counted from the day of the first delivery."""

    rungs: tuple[Rung, ...] = (
        Rung(2, Step.REMIND),
        Rung(4, Step.REMIND_OTHER_CHANNEL),
        Rung(6, Step.CALL),
        Rung(8, Step.SUGGEST_ANOTHER),
        Rung(10, Step.EXPIRE),
    )

    @property
    def days(self) -> int:
        return self.rungs[-1].business_day


@dataclass(frozen=True, slots=True, kw_only=True)
class Climb:
    """Where one request stands. `climbed` counts rungs done or skipped.

    `shifted_days` are business days that pauses have moved every rung by; `extended_days`
    move only the expiry.
    `held` is set while a person of the clinic has to do something first.
    """

    started_at: datetime
    climbed: int = 0
    shifted_days: int = 0
    extended_days: int = 0
    held: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """`ordinal` counts from 1; `skipped` are the ordinals that an outage left behind and nobody gets.

    `extend_days` moves the expiry away where the outage has eaten the time to answer.
    """

    ordinal: int
    step: Step
    due_at: datetime
    skipped: tuple[int, ...] = ()
    extend_days: int = 0


def due_date(ladder: Ladder, calendar: BusinessCalendar, climb: Climb) -> datetime:
    """When the request expires: the last rung, moved by pauses and by what staff have added."""
    return _due_at(climb, ladder.rungs[-1], calendar)


def _due_at(climb: Climb, rung: Rung, calendar: BusinessCalendar) -> datetime:
    extended = climb.extended_days if rung.step is Step.EXPIRE else 0
    return calendar.business_day_after(climb.started_at, rung.business_day + climb.shifted_days + extended)


def next_step(climb: Climb, ladder: Ladder, calendar: BusinessCalendar) -> Planned | None:
    """The next rung and when it is due; None when the ladder is done or held."""
    if climb.held or climb.climbed >= len(ladder.rungs):
        return None
    rung = ladder.rungs[climb.climbed]
    return Planned(climb.climbed + 1, rung.step, _due_at(climb, rung, calendar))


def reminder_due(climb: Climb, ladder: Ladder, calendar: BusinessCalendar, now: datetime) -> Planned | None:
    """The rung to climb now, or None.

    At most one is due at a time: after an outage the clinician gets the latest rung, not the backlog.
    Outside the recipient's business hours nothing is due.
    """
    if climb.held or not calendar.is_open(now):
        return None
    due = [
        Planned(place + 1, rung.step, _due_at(climb, rung, calendar))
        for place, rung in enumerate(ladder.rungs)
        if place >= climb.climbed and _due_at(climb, rung, calendar) <= now
    ]
    if not due:
        return None
    # Expiry never overtakes: after an outage the clinician gets the latest rung and two more business days.
    overtaken = due[-1].step is Step.EXPIRE and len(due) > 1
    latest = due[-2] if overtaken else due[-1]
    skipped = tuple(planned.ordinal for planned in due if planned.ordinal < latest.ordinal)
    extend = calendar.business_days_between(due[-1].due_at, now) + 2 if overtaken else 0
    return Planned(latest.ordinal, latest.step, latest.due_at, skipped, extend)


def advanced(climb: Climb, planned: Planned) -> Climb:
    """After the rung has been climbed; those that an outage left behind count as climbed too."""
    return replace(climb, climbed=planned.ordinal, extended_days=climb.extended_days + planned.extend_days)


def paused_until(climb: Climb, calendar: BusinessCalendar, now: datetime, until: date) -> Climb:
    """Every rung moved by the business days from now to the day after `until`; a hold ends with it."""
    end = datetime.combine(until, calendar.closes, calendar.time_zone)
    days = calendar.business_days_between(now, end) + 1
    return replace(climb, shifted_days=climb.shifted_days + days, held=False)


def resumed(climb: Climb, calendar: BusinessCalendar, held_at: datetime, now: datetime) -> Climb:
    """Goes on, moved by the business days that it stood still."""
    stood = calendar.business_days_between(held_at, now)
    return replace(climb, shifted_days=climb.shifted_days + stood, held=False)


def from_first_delivery(climb: Climb, calendar: BusinessCalendar, at: datetime) -> Climb | None:
    """The ladder counts from the first delivery: a late one moves it, unless it has been climbed (None)."""
    late = calendar.local_date(at) > calendar.local_date(climb.started_at)
    return replace(climb, started_at=at) if late and not climb.climbed else None
