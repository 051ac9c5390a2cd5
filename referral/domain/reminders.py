"""The ladder: what is due now for one request, and what happens next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from referral.domain.calendar import BusinessCalendar
from referral.domain.codes import Channel


class Step(StrEnum):
    """What a rung does. `EXPIRE` ends the request unless staff have extended it."""

    REMIND = "remind"
    REMIND_OTHER_CHANNEL = "remind-other-channel"
    CALL = "call"
    SUGGEST_ANOTHER = "suggest-another"
    ESCALATE = "escalate"
    EXPIRE = "expire"


class Audience(StrEnum):
    """Whose task a rung is that asks a person to do something."""

    FRONT_DESK = "front-desk"
    CLINICIAN = "clinician"
    MEDICAL_DIRECTOR = "medical-director"


# When a request comes up again that had to be put off.
PUT_OFF: Final = timedelta(minutes=15)
# Steps that send something; the others are a person's task, or the end.
REMINDING: Final = frozenset({Step.REMIND, Step.REMIND_OTHER_CHANNEL})
# Steps that are a person's task, and whose it is where the ladder says nothing else.
ASKING: Final = {
    Step.CALL: Audience.FRONT_DESK,
    Step.SUGGEST_ANOTHER: Audience.FRONT_DESK,
    Step.ESCALATE: Audience.MEDICAL_DIRECTOR,
}


@dataclass(frozen=True, slots=True)
class Rung:
    """`channel` is what a reminder goes by where the clinician has it, None for the step's own rule.

    `to` says whose task it is; None for what nobody has to do.
    """

    business_day: int
    step: Step
    channel: Channel | None = None
    to: Audience | None = None

    @property
    def audience(self) -> Audience | None:
        return self.to or ASKING.get(self.step)


@dataclass(frozen=True, slots=True)
class Ladder:
    """Rungs in the order of their business days, counted from the day of the first delivery.

    Day 0 is always the request itself, by `request_channel` where the clinician has it, else the best.
    `patient_channels` are those by which the patient is told when a second clinician is suggested; none: the
    clinic writes to no patient.
    """

    rungs: tuple[Rung, ...] = (
        Rung(2, Step.REMIND),
        Rung(4, Step.REMIND_OTHER_CHANNEL),
        Rung(6, Step.CALL),
        Rung(8, Step.SUGGEST_ANOTHER),
        Rung(10, Step.EXPIRE),
    )
    request_channel: Channel | None = None
    patient_channels: tuple[Channel, ...] = (Channel.EMAIL, Channel.SMS)

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
    rung: Rung
    due_at: datetime
    skipped: tuple[int, ...] = ()
    extend_days: int = 0

    @property
    def step(self) -> Step:
        return self.rung.step


@dataclass(frozen=True, slots=True)
class Coming:
    """A rung and the moment at which a sweep climbs it."""

    planned: Planned
    at: datetime


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
    return Planned(climb.climbed + 1, rung, _due_at(climb, rung, calendar))


def reminder_due(climb: Climb, ladder: Ladder, calendar: BusinessCalendar, now: datetime) -> Planned | None:
    """The rung to climb now, or None.

    At most one is due at a time: after an outage the clinician gets the latest rung, not the backlog.
    Outside the recipient's business hours nothing is due. What was left over from an earlier day takes along
    what falls due later on the same day: nobody gets two letters within the hour.
    """
    if climb.held or not calendar.is_open(now):
        return None
    left = [
        Planned(place + 1, rung, _due_at(climb, rung, calendar))
        for place, rung in enumerate(ladder.rungs)
        if place >= climb.climbed
    ]
    today = calendar.local_date(now)
    if not left or left[0].due_at > now:
        return None
    late = calendar.local_date(left[0].due_at) < today
    due = [p for p in left if p.due_at <= now or (late and calendar.local_date(p.due_at) == today)]
    # Expiry never overtakes: after an outage the clinician gets the latest rung and two more business days.
    overtaken = due[-1].step is Step.EXPIRE and len(due) > 1
    latest = due[-2] if overtaken else due[-1]
    skipped = tuple(planned.ordinal for planned in due if planned.ordinal < latest.ordinal)
    extend = calendar.business_days_between(due[-1].due_at, now) + 2 if overtaken else 0
    return Planned(latest.ordinal, latest.rung, latest.due_at, skipped, extend)


def comes_too_early(planned: Planned, *, delivered: bool, letter_waits: bool) -> bool:
    """A reminder of a letter that still waits to leave: that one goes first, and the ladder counts from it.

    What people are asked to do does not wait: the letter may be waiting for them.
    """
    return planned.step in REMINDING and letter_waits and not delivered


def advanced(climb: Climb, planned: Planned) -> Climb:
    """Where the request stands once this rung has been climbed."""
    return replace(climb, climbed=planned.ordinal, extended_days=climb.extended_days + planned.extend_days)


def comes_up_at(climb: Climb, ladder: Ladder, calendar: BusinessCalendar, now: datetime) -> datetime | None:
    """When a sweep has to look at this request: its next rung, in business hours. None: never by itself."""
    planned = next_step(climb, ladder, calendar)
    return calendar.next_opening(max(planned.due_at, now)) if planned else None


def coming(climb: Climb, ladder: Ladder, calendar: BusinessCalendar, now: datetime) -> tuple[Coming, ...]:
    """All that will happen by itself from `now` on, unless somebody answers or acts; in the order of time.

    Worked out by climbing: the very rule that sweeps follow, at the moments at which they look.
    """
    return tuple(_coming(climb, ladder, calendar, now))


def _coming(climb: Climb, ladder: Ladder, calendar: BusinessCalendar, now: datetime) -> Iterator[Coming]:
    at = comes_up_at(climb, ladder, calendar, now)
    while at is not None:
        planned = reminder_due(climb, ladder, calendar, at)
        if planned is None:
            return
        yield Coming(planned, at)
        climb = advanced(climb, planned)
        at = comes_up_at(climb, ladder, calendar, at)


def paused_until(climb: Climb, calendar: BusinessCalendar, now: datetime, until: date) -> Climb:
    """Every rung moved by the business days from now to the day after `until`; a hold ends with it."""
    end = datetime.combine(until, calendar.closes, calendar.time_zone)
    days = calendar.business_days_between(now, end) + 1
    return replace(climb, shifted_days=climb.shifted_days + days, held=False)


def stopped(climb: Climb, ordinals: Iterable[int]) -> Climb:
    """After reminders of these rungs were stopped before they left: the newest rung is climbed once more."""
    return replace(climb, climbed=climb.climbed - 1) if climb.climbed in set(ordinals) else climb


def after_switch(climb: Climb, ladder: Ladder, calendar: BusinessCalendar, now: datetime) -> Climb | None:
    """After a refused letter was handed to another channel; None where the climb stays as it is.

    It leaves at the next opening. A reminder that is due by the end of that day would be the second letter of
    a day, and more than the ladder has: the one that goes another way takes its place.
    """
    planned = next_step(climb, ladder, calendar)
    if planned is None or planned.step not in REMINDING:
        return None
    leaves_on = calendar.local_date(calendar.next_opening(now))
    return advanced(climb, planned) if calendar.local_date(planned.due_at) <= leaves_on else None


def ended_early(climb: Climb, calendar: BusinessCalendar, until: date, now: datetime) -> Climb:
    """A pause that ends before its day: the rungs come back by the business days that were left of it."""
    end = datetime.combine(until, calendar.closes, calendar.time_zone)
    left = calendar.business_days_between(now, end) + 1
    return replace(climb, shifted_days=max(0, climb.shifted_days - left), held=False)


def extended(climb: Climb, days: int) -> Climb:
    """The expiry alone moves, by so many business days."""
    return replace(climb, extended_days=climb.extended_days + days)


def resumed(climb: Climb, calendar: BusinessCalendar, held_at: datetime, now: datetime) -> Climb:
    """Goes on, moved by the business days that it stood still."""
    stood = calendar.business_days_between(held_at, now)
    return replace(climb, shifted_days=climb.shifted_days + stood, held=False)


def from_first_delivery(climb: Climb, calendar: BusinessCalendar, at: datetime) -> Climb | None:
    """The ladder counts from the first delivery: a late one moves it, unless it has been climbed (None)."""
    late = calendar.local_date(at) > calendar.local_date(climb.started_at)
    return replace(climb, started_at=at) if late and not climb.climbed else None
