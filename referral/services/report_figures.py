"""The figures of a period: how far requests came, how old the open ones are, how long answers take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.calendar import BusinessCalendar, Closure
from referral.domain.life import ASK_AHEAD
from referral.domain.listing import EXPORTED
from referral.services.calendars import business_calendar, clinic_calendar, closed_by_clinic, hours_of
from referral.services.measure_figures import Measured, find_measures
from referral.storage import audit, clinics, closures, reports
from referral.storage.db import Session
from referral.storage.reports import Asked, Days, Funnel, Groups, Period

# The rungs of the usual ladder, in business days: from each one to the next is a group of age.
AGES: Final = (0, 2, 4, 6, 8, 10)
LONGEST: Final = 800


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """`first` and `last` are days of the clinic, both included.

    `ages` are open requests by business days since the first delivery, as AGES; `undelivered` have none yet.
    `ending` are recommendations that end within 30 days by week, 0 is the first.
    """

    first: date
    last: date
    funnel: Funnel
    undelivered: int
    ages: tuple[int, ...]
    took: Groups
    names: Mapping[str, str]
    ending: Mapping[int, int]
    overrides: Mapping[str, int]
    measures: tuple[Measured, ...]


def find_figures(session: Session, first: date, last: date, now: datetime) -> Figures:
    """Names clinicians and no patient, so it leaves no audit row of one."""
    calendar = clinic_calendar(session)
    until = calendar.at(last + timedelta(days=1), time(0))
    period = Period(calendar.at(first, time(0)), until)
    policy, _ = clinics.policy_in_force(session)
    found = reports.funnel(
        session,
        period,
        strong=policy.counts_at_once,
        flags=policy.red_flags_need_director,
        conditions=policy.conditions_need_director,
    )
    undelivered, ages = _ages(session, calendar, now)
    took, names = _took(session, period, first, now)
    return Figures(
        first=first,
        last=last,
        funnel=found,
        undelivered=undelivered,
        ages=ages,
        took=took,
        names=names,
        ending=reports.ending(session, now, now + ASK_AHEAD),
        overrides=reports.overrides(session, period),
        measures=find_measures(session, first, last, now),
    )


def note_taken(session: Session, actor: Actor, name: str) -> None:
    """The figures leave the service as a file."""
    entry = AuditEntry(action=Action.READ, subtype=EXPORTED, detail={"list": f"report-{name}"})
    audit.record(session, actor, entry)


def _ages(session: Session, calendar: BusinessCalendar, now: datetime) -> tuple[int, tuple[int, ...]]:
    """In days of the clinic: one statement for all, whoever the recipients are."""
    moments = [calendar.business_day_before(now, age) if age else now for age in AGES]
    undelivered, older = reports.ageing(session, moments)
    return undelivered, tuple(a - b for a, b in zip(older, [*older[1:], 0], strict=True))


# ---- Business days of the recipients


def _took(session: Session, period: Period, first: date, now: datetime) -> tuple[Groups, Mapping[str, str]]:
    """Each answer by the calendar of its recipient; recipients who keep the same hours share one."""
    people, names = reports.asked(session, period)
    clinic = clinics.current(session)
    closed = closures.of(session, [one.id for one in people])
    common, single = closed_by_clinic(session)
    numbers: dict[tuple[object, ...], int] = {}
    calendars: list[tuple[Days, float]] = []
    of: list[tuple[Asked, int]] = []
    for one in people:
        hours = one.hours or hours_of(clinic)
        own: tuple[Closure, ...] = tuple(closed[one.id])
        key = (one.time_zone, hours, tuple((c.first_on, c.last_on) for c in own))
        if key not in numbers:
            numbers[key] = len(calendars)
            made = business_calendar(one.time_zone, hours, (*common, *own), single)
            usual = datetime.combine(first, made.closes) - datetime.combine(first, made.opens)
            calendars.append((_days(made, _before(first), now), usual.total_seconds()))
        of.append((one, numbers[key]))
    groups = reports.took(session, period, clinic.time_zone, _before(first), calendars, of)
    return groups, names


def _before(first: date) -> date:
    """A recipient west of the clinic is still at the day before."""
    return first - timedelta(days=1)


def _days(calendar: BusinessCalendar, first: date, now: datetime) -> Days:
    """Every day until tomorrow; one that is closed opens and closes at the same moment."""
    last, total = now.date() + timedelta(days=1), 0.0
    opens: list[datetime] = []
    closes: list[datetime] = []
    before: list[float] = []
    for day in _each(first, last):
        opened = calendar.at(day, calendar.opens)
        closed = calendar.at(day, calendar.closes) if calendar.is_business_day(day) else opened
        opens.append(opened)
        closes.append(closed)
        before.append(total)
        total += (closed - opened).total_seconds()
    return Days(opens, closes, before)


def _each(first: date, last: date) -> Iterable[date]:
    return (first + timedelta(days=count) for count in range((last - first).days + 1))
