"""Dates as intervals: `2026-03` is the whole of March, `2026-03-01T10:00:00Z` one second.

Every interval is [low, high) in aware UTC. A date without a zone is read in UTC. Open ends of a Period are
BEGINNING and END, so that a comparison never meets a null.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

Interval = tuple[datetime, datetime]

BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
END: Final = datetime.max.replace(tzinfo=UTC)

_DATE_TIME = re.compile(
    r"([0-9]{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12][0-9]|3[01])"
    r"(?:T([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]|60)(?:\.([0-9]{1,12}))?)?"
    r"(Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])?)?)?)?"
)


def interval(text: object) -> Interval | None:
    """The time that a FHIR date, dateTime or instant may stand for; None for anything that is none.

    Takes what a search value may leave out, too: the zone, and the seconds.
    """
    return _interval(text) if isinstance(text, str) else None


@lru_cache(maxsize=512)
def _interval(text: str) -> Interval | None:
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        if hour is None:
            return _days(int(year), month, day)
        low = datetime(int(year), int(month), int(day), int(hour), int(minute), tzinfo=UTC)
        low -= _offset(zone)
        if second is None:
            return low, _plus(low, timedelta(minutes=1))
        # A leap second, :60, is the first second of the next minute here: UTC as computers keep it has none.
        low += timedelta(seconds=int(second))
        if fraction is None:
            return low, _plus(low, timedelta(seconds=1))
        digits = fraction[:6]
        low += timedelta(microseconds=int(digits.ljust(6, "0")))
        return low, _plus(low, timedelta(microseconds=10 ** (6 - len(digits))))
    except (ValueError, OverflowError):
        return None


def period_interval(period: Any) -> Interval | None:
    """From the start of `start` to the end of `end`; None when both are missing or one cannot be read."""
    if not isinstance(period, dict):
        return None
    start, end = period.get("start"), period.get("end")
    first, last = interval(start), interval(end)
    if (start is not None and first is None) or (end is not None and last is None) or not (first or last):
        return None
    low = first[0] if first else BEGINNING
    high = last[1] if last else END
    return (low, high) if low < high else None


def timing_interval(timing: Any) -> Interval | None:
    """From the first to the last moment that a Timing names by events or bounds; None when it names none."""
    if not isinstance(timing, dict):
        return None
    events = timing.get("event")
    repeat = timing.get("repeat")
    found = [found for event in events if (found := interval(event))] if isinstance(events, list) else []
    bounds = period_interval(repeat.get("boundsPeriod")) if isinstance(repeat, dict) else None
    if bounds:
        found.append(bounds)
    return (min(low for low, _ in found), max(high for _, high in found)) if found else None


def starts_after(first: object, second: object) -> bool:
    """Whether `first` begins after `second` has ended; False when they may overlap or cannot be read."""
    one, other = interval(first), interval(second)
    return one is not None and other is not None and one[0] >= other[1]


def _days(year: int, month: str | None, day: str | None) -> Interval:
    low = datetime(year, int(month or 1), int(day or 1), tzinfo=UTC)
    if day is not None:
        return low, _plus(low, timedelta(days=1))
    # 31 days after the first of a month is always in the next one, 366 days after new year's day in the
    # next year.
    later = _plus(low, timedelta(days=366 if month is None else 31))
    if later is END:
        return low, END
    return low, later.replace(day=1) if month is not None else later.replace(month=1, day=1)


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone == "Z":
        return timedelta(0)
    size = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
    return -size if zone[0] == "-" else size


def _plus(low: datetime, span: timedelta) -> datetime:
    try:
        return low + span
    except OverflowError:
        return END
