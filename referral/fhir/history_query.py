"""What is asked of a history: since or at which time, how much of it, and which page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NoReturn
from urllib.parse import urlencode

from referral.fhir.intervals import Interval, interval
from referral.fhir.problems import InvalidSearch, Issue
from referral.fhir.search_model import DEFAULT_COUNT, MAX_COUNT, Alternatives

_PRESENTATION: Final = frozenset({"_format", "_pretty"})
# They say how much of each version is wanted and are read by whoever writes the answer.
_PARTS: Final = frozenset({"_summary", "_elements"})
# R4 has them, we do not: ignoring one would answer another question than was asked.
_NOT_SUPPORTED: Final = frozenset({"_list", "_sort"})


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """`id` is None for all resources of the type, `type` is None for all types.


    `since` takes in what was written at that very moment, `at` what was current at some time within it.
    `within` is what the caller's scopes leave of a type, for types that they do not leave whole; it is asked
    of the newest versions.
    """

    type: str | None
    id: str | None = None
    count: int = DEFAULT_COUNT
    since: datetime | None = None
    at: Interval | None = None
    cursor: str | None = None
    understood: tuple[tuple[str, str], ...] = ()
    within: tuple[tuple[str, Alternatives], ...] = ()

    @property
    def path(self) -> str:
        """Below the base: `Patient/1/_history`, `Patient/_history` or `_history`."""
        return "/".join(step for step in (self.type, self.id, "_history") if step)

    def self_query(self) -> str:
        """What was understood, without the cursor, which `next` adds."""
        return urlencode(self.understood, safe=":|,/")


@dataclass(slots=True)
class _Reading:
    count: int = DEFAULT_COUNT
    since: datetime | None = None
    at: Interval | None = None
    cursor: str | None = None
    understood: list[tuple[str, str]] = field(default_factory=list)


def read_history_query(
    type: str | None, id: str | None, pairs: Iterable[tuple[str, str]], *, strict: bool = False
) -> HistoryQuery:
    """Raises InvalidSearch; what a history does not know is ignored, or refused where `strict`."""
    reading = _Reading()
    for name, value in pairs:
        if name in _READERS:
            _READERS[name](reading, value)
        elif name in _NOT_SUPPORTED or (strict and name not in _PRESENTATION | _PARTS):
            _refuse(name, "is not supported in a history", "not-supported")
        if name in _PARTS or (name in _READERS and name != "_cursor"):
            reading.understood.append((name, value))
    return HistoryQuery(
        type, id, reading.count, reading.since, reading.at, reading.cursor, tuple(reading.understood)
    )


def _count(reading: _Reading, value: str) -> None:
    if not (value.isascii() and value.isdigit()) or len(value) > 12 or int(value) == 0:
        _refuse("_count", "has to be a whole number from 1", "value")
    reading.count = min(int(value), MAX_COUNT)


def _since(reading: _Reading, value: str) -> None:
    reading.since = _interval("_since", value)[0]


def _at(reading: _Reading, value: str) -> None:
    reading.at = _interval("_at", value)


def _cursor(reading: _Reading, value: str) -> None:
    reading.cursor = value


def _interval(name: str, value: str) -> Interval:
    # A plus sign that was not encoded arrives as a space.
    found = interval(value.replace(" ", "+"))
    if found is None:
        _refuse(name, "has to be an instant such as 2026-03-01T10:00:00Z", "value")
    return found


_READERS: Final[dict[str, Callable[[_Reading, str], None]]] = {
    "_count": _count,
    "_since": _since,
    "_at": _at,
    "_cursor": _cursor,
}


def _refuse(name: str, text: str, code: str) -> NoReturn:
    shown = ascii(name)[1:-1][:64]
    raise InvalidSearch(Issue(f"{shown} {text}.", (f"http.{shown}",), code))
