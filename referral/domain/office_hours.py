"""Hours and closed days as people type them: what is wrong with them, field by field, or the values."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, time, timedelta
from typing import Final

from referral.domain.calendar import EARLIEST, LATEST, BusinessCalendar, Closure, Hours
from referral.domain.errors import InvalidInput, Issue

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
# One range; a longer absence is a reason to ask somebody else.
LONGEST: Final = timedelta(days=180)
_FURTHEST: Final = timedelta(days=730)
_MOST_WORDS: Final = 120
_DAY: Final = timedelta(days=1)


def checked_hours(opens: str, closes: str, sends: str, closed_weekdays: Iterable[str] = ()) -> Hours:
    """Times as HH:MM, weekdays by their number from 0. Raises InvalidInput with every issue at its field."""
    issues: list[Issue] = []
    first, last = _time(opens, "opens", issues), _time(closes, "closes", issues)
    at = _time(sends, "sends", issues)
    for moment, name in ((first, "opens"), (last, "closes")):
        if moment is not None and not EARLIEST <= moment <= LATEST:
            text = "Nothing may go out before 8:00 or after 17:00; choose a time in between."
            issues.append(Issue(text, (name,), "value"))
    if first is not None and last is not None and first >= last:
        issues.append(Issue("The hours must end after they begin.", ("closes",), "value"))
    elif first is not None and last is not None and at is not None and not first <= at < last:
        text = f"Reminders leave within the hours: from {first:%H:%M} on, and before {last:%H:%M}."
        issues.append(Issue(text, ("sends",), "value"))
    closed = frozenset(int(day) for day in closed_weekdays if day in {"0", "1", "2", "3", "4"})
    if len(closed) == len(WEEKDAYS):
        text = "Leave at least one weekday open; with none, nothing could ever be sent."
        issues.append(Issue(text, ("closed_weekdays",), "value"))
    if issues or first is None or last is None or at is None:
        raise InvalidInput(*issues)
    return Hours(first, last, at, closed)


def _time(typed: str, name: str, issues: list[Issue]) -> time | None:
    try:
        hour, minute = typed.strip().split(":")[:2]
        return time(int(hour), int(minute))
    except ValueError:
        issues.append(Issue("Write a time of day, for example 09:00.", (name,), "value"))
        return None


def checked_closure(
    id: str, first: str, last: str, words: str, *, today: date, clinician_id: str | None = None
) -> Closure:
    """Dates as YYYY-MM-DD; one day without `last`. Raises InvalidInput with every issue at its field."""
    issues: list[Issue] = []
    start = _date(first, "first_on", issues)
    end = _date(last, "last_on", issues) if last.strip() else start
    if start is not None and end is not None:
        if end < start:
            issues.append(Issue("The last day is before the first.", ("last_on",), "value"))
        elif end - start > LONGEST:
            text = "Half a year at most. Whoever is away for longer cannot answer: ask somebody else."
            issues.append(Issue(text, ("last_on",), "value"))
        if end < today:
            issues.append(Issue("These days are over. Choose days from today on.", ("first_on",), "value"))
        elif start > today + _FURTHEST:
            issues.append(Issue("Choose days within the next two years.", ("first_on",), "value"))
    kept = " ".join(words.split())
    if len(kept) > _MOST_WORDS:
        issues.append(Issue(f"Use {_MOST_WORDS} characters at most.", ("words",), "too-long"))
    if issues or start is None or end is None:
        raise InvalidInput(*issues)
    return Closure(id=id, first_on=start, last_on=end, words=kept, clinician_id=clinician_id)


def _date(typed: str, name: str, issues: list[Issue]) -> date | None:
    try:
        return date.fromisoformat(typed.strip())
    except ValueError:
        issues.append(Issue("Give a day.", (name,), "required"))
        return None


def refuse_shut(calendar: BusinessCalendar, closure: Closure) -> None:
    """Raises InvalidInput where, with this closure among the others, no day would be open for half a year."""
    first = closure.first_on
    while not calendar.is_business_day(first - _DAY) and closure.first_on - first <= LONGEST:
        first -= _DAY
    day = first
    while not calendar.is_business_day(day):
        day += _DAY
        if day - first > LONGEST:
            text = "With the other closed days, nothing would be open for half a year. Shorten one of them."
            raise InvalidInput(Issue(text, ("last_on",), "business-rule"))
