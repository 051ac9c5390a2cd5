"""Lists as people ask for them: what is shown, in which order, from which place on; and one page of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Generic, TypeVar

PAGE: Final = 50
# Rows that a file is written by: few enough to be read at once, enough that reading them costs most.
CHUNK: Final = 500
# Counting ends here; people read "10,000 or more".
COUNTED: Final = 10_000

# The audit's word for a list that was taken away as a file.
EXPORTED: Final = "export-list"

# Days that a calendar and a database can reckon with.
_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2200

_Row = TypeVar("_Row")
_Other = TypeVar("_Other")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What somebody wants to see of a list.

    `filters` by name; a value that the list does not know narrows nothing. `sort` is one of the list's own
    names, anything else its first one. `after` or `before` is the place that an earlier page has told; what
    is no place of this list and order is its beginning. `export`: all of it is written to a file.
    """

    filters: Mapping[str, str] = field(default_factory=dict)
    sort: str = ""
    after: str = ""
    before: str = ""
    size: int = PAGE
    export: bool = False

    def wants(self, name: str) -> str:
        """The value of one filter, '' for none."""
        return self.filters.get(name, "").strip()

    def noted(self, what: str) -> str:
        """The audit's word for this look at the list `what`: a file leaves the service, a page does not."""
        return EXPORTED if self.export else f"list-{what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[_Row]):
    """`after` and `before` are where the pages next to it begin, '' where there is none.

    `count` is all that the filters let through, at most COUNTED; None where nobody has counted.
    """

    rows: tuple[_Row, ...]
    after: str = ""
    before: str = ""
    count: int | None = None

    def of(self, rows: Iterable[_Other]) -> Page[_Other]:
        """The same page with other rows, in the same order."""
        return Page(rows=tuple(rows), after=self.after, before=self.before, count=self.count)


def day_asked(text: str, first_year: int = _FIRST_YEAR) -> date | None:
    """A day of a filter, written 2026-11-03; None for what is none, which narrows nothing."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if first_year <= day.year <= _LAST_YEAR else None
