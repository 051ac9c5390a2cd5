"""What should happen, worked out by walking hour by hour: nothing here knows the code that is checked.

It stands on `zoneinfo` and `holidays` only. An office is a table of local days, through which a request is
counted as on fingers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import holidays


@dataclass(slots=True)
class Office:
    """One recipient's days between two years, closed on federal holidays, at weekends and on `closed`.

    Walked in hours from a local midnight: in all zones but those whose clocks change by half an hour, every
    full local hour is met. `opening`, `nine` and `closing` are the moments of 8:00, 9:00 and 17:00.
    """

    zone: ZoneInfo
    first_year: int
    last_year: int
    closed: frozenset[date] = frozenset()
    days: list[date] = field(default_factory=list)
    opening: dict[date, datetime] = field(default_factory=dict)
    nine: dict[date, datetime] = field(default_factory=dict)
    closing: dict[date, datetime] = field(default_factory=dict)
    # Local days on which the clocks go forward (+1) or back (-1).
    changes: dict[date, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        years = range(self.first_year, self.last_year + 2)
        federal = set(holidays.country_holidays("US", years=list(years)))
        moment = datetime(self.first_year, 1, 1, tzinfo=self.zone).astimezone(UTC)
        end = datetime(self.last_year + 1, 1, 1, tzinfo=self.zone).astimezone(UTC)
        offset = moment.astimezone(self.zone).utcoffset()
        while moment < end:
            local = moment.astimezone(self.zone)
            day = local.date()
            if local.utcoffset() != offset:
                self.changes[day] = 1 if (local.utcoffset() or timedelta()) > (offset or timedelta()) else -1
                offset = local.utcoffset()
            if day.weekday() < 5 and day not in federal and day not in self.closed:
                for hour, table in ((8, self.opening), (9, self.nine), (17, self.closing)):
                    if local.hour == hour:
                        table.setdefault(day, moment)
            moment += timedelta(hours=1)
        self.days = sorted(self.nine)

    def is_open(self, moment: datetime) -> bool:
        day = moment.astimezone(self.zone).date()
        return day in self.nine and self.opening[day] <= moment < self.closing[day]

    def first_open(self, moment: datetime) -> datetime:
        """The moment itself or the next 8:00 of a business day."""
        day = moment.astimezone(self.zone).date()
        if self.is_open(moment):
            return moment
        ahead = self.days[bisect_left(self.days, day) :]
        return next(self.opening[later] for later in ahead if self.opening[later] > moment)


@dataclass(frozen=True, slots=True)
class Stop:
    """The ladder stands still from `start`; local days up to and with `last` do not count.

    `and_one` is a pause that staff have typed: the day after it is the day on which it is taken up again,
    and does not count either. `end` is when a question was answered.
    """

    start: datetime
    last: date
    and_one: bool
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Life:
    """One request as it should go: `first` is when the letter leaves, `rungs` when each step is taken."""

    first: datetime
    rungs: tuple[datetime, ...]


def live(
    office: Office,
    asked_at: datetime,
    business_days: Iterable[int],
    stops: Iterable[Stop],
    ends_at: datetime | None,
) -> Life:
    """Count business days after that of the first letter; days on which it stood still do not count."""
    first = office.first_open(asked_at)
    standing = _standing(office, stops)
    wanted, taken, count = list(business_days), [], 0
    place = office.days.index(first.astimezone(office.zone).date())
    while wanted:
        place += 1
        day = office.days[place]
        count += day not in standing
        if day not in standing and count == wanted[0]:
            taken.append(office.nine[day])
            wanted.pop(0)
    return Life(first, tuple(moment for moment in taken if ends_at is None or moment < ends_at))


def _standing(office: Office, stops: Iterable[Stop]) -> set[date]:
    """Business days that do not count."""
    found: set[date] = set()
    for stop in stops:
        start = stop.start.astimezone(office.zone).date()
        found.update(_between(office, start, stop.last))
        if stop.and_one:
            found.add(office.days[bisect_left(office.days, stop.last + timedelta(days=1))])
    return found


def _between(office: Office, after: date, last: date) -> list[date]:
    place = bisect_left(office.days, after + timedelta(days=1))
    return [day for day in office.days[place : place + 60] if day <= last]
