"""What happens in a simulation, as people type it: `email@day2`, `2026-12-01..2026-12-05`, `day5T15:30`.

A moment is a date, a date with a time, or `dayN` with or without a time: the N-th business day of the
recipient after the day of the first letter. All times are local times of the recipient.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from referral.domain.calendar import BusinessCalendar, Closure
from referral.domain.codes import Channel
from referral.domain.errors import InvalidInput, Issue
from referral.domain.simulation import Cause, Happening, Trouble

_MOMENT: Final = re.compile(r"(?:day(\d{1,3})|(\d{4}-\d\d-\d\d))(?:[T ](\d\d:\d\d))?")
_NOON: Final = time(12)
_MIDNIGHT: Final = time(0)
MOST_DAYS: Final = 250
# The holidays of these years are law and known.
YEARS: Final = range(2000, 2100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """`pause` is FROM..LASTDAY, `outage` FROM..UNTIL, `down` CHANNEL@FROM..UNTIL, `bounce` CHANNEL@WHEN."""

    bounce: Sequence[str] = ()
    refuse: Sequence[str] = ()
    down: Sequence[str] = ()
    pause: Sequence[str] = ()
    question: Sequence[str] = ()
    resume: Sequence[str] = ()
    answer: Sequence[str] = ()
    cancel: Sequence[str] = ()
    outage: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    happenings: tuple[Happening, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    refusing: frozenset[Channel] = frozenset()


def read(typed: Typed, calendar: BusinessCalendar, starts_at: datetime) -> Read:
    """Raises InvalidInput with everything that could not be read.

    Its expression is the field, with `-until` for the second moment of a span.
    """
    reading = _Reading(calendar, calendar.next_opening(starts_at))
    happenings = tuple(reading.happenings(typed))
    troubles = tuple(reading.troubles(typed))
    refusing = frozenset(c for text in typed.refuse if (c := reading.channel("refuse", text)) is not None)
    if reading.issues:
        raise InvalidInput(*reading.issues)
    return Read(happenings=happenings, troubles=troubles, refusing=refusing)


def read_start(text: str, calendar: BusinessCalendar) -> datetime:
    """When the request is made: a date (then 10:00), or a date with a time."""
    reading = _Reading(calendar, datetime.min.replace(tzinfo=UTC))
    if text.startswith("day"):
        reading.refuse("start", text, "a date such as 2026-11-20, or 2026-11-20T16:30")
    found = reading.moment("start", text, time(10)) if not reading.issues else None
    if found is None:
        raise InvalidInput(*reading.issues)
    return found


def read_closed(texts: Iterable[str], words: str) -> tuple[Closure, ...]:
    """`2026-12-24` or `2026-12-24..2026-12-31`, each a closure of that name."""
    found: list[Closure] = []
    for place, text in enumerate(texts):
        first, _, last = text.strip().partition("..")
        try:
            days = date.fromisoformat(first), date.fromisoformat(last or first)
        except ValueError:
            days = None
        if days is None or days[1] < days[0] or (days[1] - days[0]).days > MOST_DAYS:
            wanted = f"“{text}” is no closed day. Write 2026-12-24, or 2026-12-24..2026-12-31."
            raise InvalidInput(Issue(wanted, ("closed",), "value"))
        found.append(Closure(id=f"closed-{place}", first_on=days[0], last_on=days[1], words=words))
    return tuple(found)


@dataclass(slots=True)
class _Reading:
    calendar: BusinessCalendar
    first: datetime
    issues: list[Issue] = field(default_factory=list)

    def refuse(self, name: str, text: str, wanted: str) -> None:
        said = (
            f"“{text[:60]}” cannot be read here. Write"
            if text.strip()
            else "Something is missing here. Write"
        )
        self.issues.append(Issue(f"{said} {wanted}.", (name,), "value"))

    def happenings(self, typed: Typed) -> Iterable[Happening]:
        for text in typed.bounce:
            name, _, when = text.partition("@")
            channel, moment = self.channel("bounce", name), self.moment("bounce", when, _NOON)
            if channel is not None and moment is not None:
                yield Happening(moment, Cause.BOUNCE, channel)
        for text in typed.pause:
            span = self.span("pause", text)
            if span is None:
                continue
            last = self.calendar.local_date(span[1])
            if self.calendar.local_date(span[0]) < last:
                yield Happening(span[0], Cause.PAUSE, until=last)
            else:
                self.refuse("pause", text, "the day on which it is paused, and a later last day")
        for cause in (Cause.QUESTION, Cause.RESUME, Cause.ANSWER, Cause.CANCEL):
            for text in getattr(typed, cause.value):
                moment = self.moment(cause.value, text, _NOON)
                if moment is not None:
                    yield Happening(moment, cause)

    def troubles(self, typed: Typed) -> Iterable[Trouble]:
        for text in typed.outage:
            span = self.span("outage", text)
            if span is not None:
                yield Trouble(*span)
        for text in typed.down:
            name, _, rest = text.partition("@")
            channel, span = self.channel("down", name), self.span("down", rest)
            if channel is not None and span is not None:
                yield Trouble(*span, channel)

    def channel(self, name: str, text: str) -> Channel | None:
        written = [channel for channel in Channel if channel is not Channel.PHONE]
        if text.strip() in written:
            return Channel(text.strip())
        self.refuse(name, text, f"one of {', '.join(written)}")
        return None

    def span(self, name: str, text: str) -> tuple[datetime, datetime] | None:
        start, dots, end = text.partition("..")
        if text.strip() and not dots:
            self.refuse(name, text, "two moments with two dots between them, such as day2..day4")
            return None
        found = self.moment(name, start, _MIDNIGHT), self.moment(f"{name}-until", end, _MIDNIGHT)
        if found[0] is None or found[1] is None:
            return None
        if not found[0] <= found[1] <= found[0] + timedelta(days=MOST_DAYS):
            self.refuse(name, text, f"the earlier moment first, and at most {MOST_DAYS} days between them")
            return None
        return found[0], found[1]

    def moment(self, name: str, text: str, clock: time) -> datetime | None:
        """UTC; `clock` is the local time where none is typed."""
        match = _MOMENT.fullmatch(text.strip())
        try:
            if match is not None:
                return self._moment(match, clock)
        except ValueError:
            pass
        self.refuse(name, text, "day2, day2T15:30, 2026-12-01 or 2026-12-01T15:30")
        return None

    def _moment(self, match: re.Match[str], clock: time) -> datetime:
        number, day, typed_clock = match.groups()
        at = time.fromisoformat(typed_clock) if typed_clock else clock
        if number is None:
            found = date.fromisoformat(day)
        else:
            found = self.calendar.local_date(self.calendar.business_day_after(self.first, int(number)))
        if found.year not in YEARS:
            raise ValueError(found)
        return self.calendar.at(found, at)
