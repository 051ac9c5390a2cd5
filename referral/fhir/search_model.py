"""A search as data: conditions, order, includes and how much of the answer is wanted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from referral.fhir.index_values import IndexEntry
from referral.fhir.search_values import StringValue, UriValue, Value

DEFAULT_COUNT: Final = 50
MAX_COUNT: Final = 200


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition; several are joined by AND, its `values` by OR.

    `parameter` is the name that index entries carry: `owner:identifier` for `owner:identifier=…`, which is
    a token. With `missing` the values are empty and the entry has to be absent (True) or present (False).
    `modifier` is None, `not` (no entry may match), `exact`, `contains` or `below`.

    With `links` it asks about other resources, any of them by OR. Of a chain (`owner.name=…`) `parameter`
    is the reference that leads there; with the kind `has` it is the one by which they point here.

    `also` are other parameters, any of which may match as well: no client writes that, compartments do.
    """

    parameter: str
    kind: str
    values: tuple[Value, ...] = ()
    modifier: str | None = None
    missing: bool | None = None
    links: tuple[Link, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def types_asked(self) -> frozenset[str]:
        """Types besides the one searched whose content decides."""
        return frozenset(link.type for link in self.links)

    @property
    def name(self) -> str:
        """What the client asked by, without its values: what the audit trail keeps."""
        if not self.links:
            return self.parameter
        link = self.links[0]
        if self.kind == "has":
            return f"_has:{link.type}:{self.parameter}:{link.clause.parameter}"
        return f"{self.parameter}.{link.clause.parameter}"

    def accepts(self, entries: Iterable[IndexEntry]) -> bool:
        """Whether a resource with these entries meets the condition.

        `_id` and `_lastUpdated` have to be among them where they are asked for. What asks about other
        resources has to be resolved first (storage/search.py, `resolved`).
        """
        if self.links:
            raise ValueError(f"{self.name} asks about other resources")
        own = [entry for entry in entries if entry.parameter in (self.parameter, *self.also)]
        if self.missing is not None:
            return self.missing is not bool(own)
        found = any(self._match(value, entry) for value in self.values for entry in own)
        return found is not (self.modifier == "not")

    def _match(self, value: Value, entry: IndexEntry) -> bool:
        if isinstance(value, StringValue | UriValue):
            return value.accepts(entry, self.modifier)
        return value.accepts(entry)


# One of them has to hold, with all its clauses.
Alternatives = tuple[tuple[Clause, ...], ...]


@dataclass(frozen=True, slots=True)
class Link:
    """Resources of `type` for which `clause` holds."""

    type: str
    clause: Clause


@dataclass(frozen=True, slots=True)
class Sort:
    parameter: str
    kind: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Include:
    """`source:parameter`, `target` None for every type; for `_revinclude` the source points here.

    `parameter` is `*` for every reference. With `iterate` what was brought along brings along more.
    """

    source: str
    parameter: str
    target: str | None = None
    iterate: bool = False


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """`count` is at most MAX_COUNT, 0 asks for the total; `understood` are the pairs of the `self` link.

    `within` is what the caller's scopes leave of the type, None for all of it; no client writes it.
    """

    type: str
    clauses: tuple[Clause, ...] = ()
    sort: tuple[Sort, ...] = ()
    count: int = DEFAULT_COUNT
    include: tuple[Include, ...] = ()
    revinclude: tuple[Include, ...] = ()
    total: str = "none"
    elements: tuple[str, ...] = ()
    summary: str | None = None
    cursor: str | None = None
    understood: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()
    within: Alternatives | None = None

    @property
    def types_asked(self) -> frozenset[str]:
        """Types besides the one searched whose content decides what is found."""
        return frozenset().union(*[clause.types_asked for clause in self.clauses])

    def self_query(self) -> str:
        """What was understood, as a query string; without the cursor, which `next` and `previous` add."""
        return urlencode([pair for pair in self.understood if pair[0] != "_cursor"], safe=":|,/")


def kept_entries(id: str, last_updated: datetime) -> list[IndexEntry]:
    """What the store keeps of every resource, for `accepts`; its time is a point, as wide as it is told."""
    until = last_updated + timedelta(microseconds=1)
    return [IndexEntry("_id", value=id), IndexEntry("_lastUpdated", low=last_updated, high=until)]
