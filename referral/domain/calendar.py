"""Business days and hours of one recipient, in that recipient's time zone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

# Nothing leaves before the first or at or after the second in the recipient's time zone, whatever people set.
EARLIEST: Final = time(8)
LATEST: Final = time(17)


@dataclass(frozen=True, slots=True)
class Hours:
    """When an office takes letters, local time; `sends` is when a rung is climbed.

    `closed_weekdays` are days that are never open, Monday is 0; Saturdays and Sundays never are.
    """

    opens: time = EARLIEST
    closes: time = LATEST
    sends: time = time(9)
    closed_weekdays: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """Days that do not count and on which nothing goes out, the first and the last among them.

    `clinician_id` is whose office is closed, None for the clinic itself. `words` are the clinic's own.
    """

    id: str
    first_on: date
    last_on: date
    words: str
    clinician_id: str | None = None

    def covers(self, day: date) -> bool:
        return self.first_on <= day <= self.last_on


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessCalendar:
    """`is_closed` says whether a date is a holiday or a closed day; Saturdays and Sundays always are.

    Nothing goes out before `opens` or at or after `closes`, local time; a rung is climbed at `sends`.
    """

    time_zone: ZoneInfo
    is_closed: Callable[[date], bool]
    opens: time = EARLIEST
    closes: time = LATEST
    sends: time = time(9)

    def is_business_day(self, day: date) -> bool:
        return day.weekday() < 5 and not self.is_closed(day)

    def local_date(self, moment: datetime) -> date:
        return moment.astimezone(self.time_zone).date()

    def at(self, day: date, clock: time) -> datetime:
        """Local wall time as UTC. A time that a DST change skips moves forward with the clock."""
        return datetime.combine(day, clock, self.time_zone).astimezone(UTC)

    def is_open(self, moment: datetime) -> bool:
        local = moment.astimezone(self.time_zone)
        return self.is_business_day(local.date()) and self.opens <= local.time() < self.closes

    def next_opening(self, moment: datetime) -> datetime:
        """The moment itself when it lies in business hours, else the next opening; UTC."""
        if self.is_open(moment):
            return moment
        local = moment.astimezone(self.time_zone)
        day = local.date()
        if local.time() >= self.opens:
            day += timedelta(days=1)
        return self.at(self._first_business_day(day), self.opens)

    def business_day_after(self, start: datetime, count: int) -> datetime:
        """`sends` o'clock on the `count`-th business day after the local day of `start`; UTC.

        0 is that day itself, or the next business day when it is none.
        """
        day = self._first_business_day(self.local_date(start))
        for _ in range(count):
            day = self._first_business_day(day + timedelta(days=1))
        return self.at(day, self.sends)

    def business_day_after_date(self, day: date) -> date:
        """The first business day that comes after `day`."""
        return self._first_business_day(day + timedelta(days=1))

    def business_day_before(self, start: datetime, count: int) -> datetime:
        """`closes` o'clock on the `count`-th business day before the local day of `start`; UTC."""
        day = self.local_date(start)
        for _ in range(count):
            day = self._first_business_day(day - timedelta(days=1), -1)
        return self.at(day, self.closes)

    def next_closing(self, moment: datetime) -> datetime:
        """`closes` o'clock of the business day that runs or comes next; UTC."""
        return self.at(self.local_date(self.next_opening(moment)), self.closes)

    def business_days_between(self, start: datetime, end: datetime) -> int:
        """Business days that began after the local day of `start`, up to and including that of `end`."""
        day, last, count = self.local_date(start), self.local_date(end), 0
        while day < last:
            day += timedelta(days=1)
            count += self.is_business_day(day)
        return count

    def open_hours_between(self, start: datetime, end: datetime) -> float:
        """Business hours in the half-open span; 0 when `end` is not after `start`."""
        day, last, total = self.local_date(start), self.local_date(end), timedelta(0)
        while day <= last:
            if self.is_business_day(day):
                opened, closed = self.at(day, self.opens), self.at(day, self.closes)
                total += max(min(closed, end) - max(opened, start), timedelta(0))
            day += timedelta(days=1)
        return total / timedelta(hours=1)

    def _first_business_day(self, day: date, step: int = 1) -> date:
        """The day itself or the nearest business day; `step` -1 looks backwards."""
        for _ in range(366):
            if self.is_business_day(day):
                return day
            day += timedelta(days=step)
        raise ValueError("no business day within a year: the calendar is closed throughout")
