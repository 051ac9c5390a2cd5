"""What is asked of a history: `_since`, `_count` and which page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NoReturn
from urllib.parse import urlencode

from referral.fhir.intervals import interval
from referral.fhir.problems import InvalidSearch, Issue
from referral.fhir.search_model import DEFAULT_COUNT, MAX_COUNT

_PRESENTATION: Final = frozenset({"_format", "_pretty"})
# R4 has them, we do not: ignoring one would answer another question than was asked.
_NOT_SUPPORTED: Final = frozenset({"_at", "_list", "_sort"})


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """`id` is None for all resources of the type. `since` takes in what was written at that very moment."""

    type: str
    id: str | None = None
    count: int = DEFAULT_COUNT
    since: datetime | None = None
    cursor: str | None = None
    understood: tuple[tuple[str, str], ...] = ()

    def self_query(self) -> str:
        """What was understood, without the cursor, which `next` adds."""
        return urlencode(self.understood, safe=":|,/")


def read_history_query(
    type: str, id: str | None, pairs: Iterable[tuple[str, str]], *, strict: bool = False
) -> HistoryQuery:
    """Raises InvalidSearch; what a history does not know is ignored, or refused where `strict`."""
    count, since, cursor = DEFAULT_COUNT, None, None
    understood = []
    for name, value in pairs:
        if name == "_count":
            count = _count(value)
        elif name == "_since":
            since = _since(value)
        elif name == "_cursor":
            cursor = value
        elif name in _NOT_SUPPORTED or (strict and name not in _PRESENTATION):
            _refuse(name, "is not supported in a history", "not-supported")
        if name in ("_count", "_since"):
            understood.append((name, value))
    return HistoryQuery(type, id, count, since, cursor, tuple(understood))


def _count(value: str) -> int:
    if not (value.isascii() and value.isdigit()) or len(value) > 12 or int(value) == 0:
        _refuse("_count", "has to be a whole number from 1", "value")
    return min(int(value), MAX_COUNT)


def _since(value: str) -> datetime:
    # A plus sign that was not encoded arrives as a space.
    found = interval(value.replace(" ", "+"))
    if found is None:
        _refuse("_since", "has to be an instant such as 2026-03-01T10:00:00Z", "value")
    return found[0]


def _refuse(name: str, text: str, code: str) -> NoReturn:
    shown = ascii(name)[1:-1][:64]
    raise InvalidSearch(Issue(f"{shown} {text}.", (f"http.{shown}",), code))
