"""A search as a client writes it, read into a SearchQuery; nothing here knows SQL.

Parameters that repeat are joined by AND, values with commas between them by OR. What cannot be answered as
asked is refused: an unknown modifier and an empty value always, because ignoring them would widen the
answer; an unknown parameter when the client wants `handling=strict`, else it is named in `ignored`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl

from referral.fhir import search_values
from referral.fhir.definitions import resource_types
from referral.fhir.problems import InvalidSearch, Issue
from referral.fhir.search_model import DEFAULT_COUNT, MAX_COUNT, Clause, Include, SearchQuery, Sort
from referral.fhir.search_parameters import SearchParameter, parameters
from referral.fhir.search_values import Value, split_values

__all__ = [
    "MAX_COUNT",
    "Clause",
    "Include",
    "SearchQuery",
    "Sort",
    "parse_search",
    "query_pairs",
    "read_search",
]

_MAX_PARAMETERS: Final = 100
_MAX_VALUES: Final = 200
_ELEMENT: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z][A-Za-z0-9]*)*")
# Read by whoever writes the answer; they choose no resources.
_PRESENTATION: Final = frozenset({"_format", "_pretty"})
# FHIR has them, we do not: ignoring one would answer another question than was asked.
_NOT_SUPPORTED: Final = frozenset(
    {"_text", "_content", "_list", "_filter", "_query", "_type", "_contained", "_containedType", "_has"}
)
_MODIFIERS: Final = {
    "token": frozenset({"not", "missing"}),
    "reference": frozenset({"identifier", "missing"}),
    "string": frozenset({"exact", "contains", "missing"}),
}
_ONLY_MISSING: Final = frozenset({"missing"})


class _Refused(Exception):
    """Becomes an issue of the parameter that is being read."""

    def __init__(self, text: str, code: str = "invalid") -> None:
        super().__init__(text)
        self.code = code


@dataclass(slots=True)
class _Reading:
    """What is put together while the pairs are read."""

    type: str
    now: datetime
    base_url: str
    clauses: list[Clause] = field(default_factory=list)
    sort: list[Sort] = field(default_factory=list)
    include: list[Include] = field(default_factory=list)
    revinclude: list[Include] = field(default_factory=list)
    elements: list[str] = field(default_factory=list)
    count: int = DEFAULT_COUNT
    total: str = "none"
    summary: str | None = None
    cursor: str | None = None


def parse_search(
    resource_type: str, query: str, *, now: datetime, strict: bool = False, base_url: str = ""
) -> SearchQuery:
    """Raises InvalidSearch with every fault.

    `query` is what stands behind the question mark, or the body of a `_search`. `base_url` is the address
    that the client used: references below it are read as relative. `now` is what `ap` measures from.
    """
    return read_search(resource_type, query_pairs(query), now=now, strict=strict, base_url=base_url)


def query_pairs(query: str) -> list[tuple[str, str]]:
    """Decoded names and values in their order."""
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS)
    except UnicodeError as error:
        raise InvalidSearch(Issue("The query is not UTF-8.", ("http.query",), "structure")) from error
    except ValueError as error:
        text = f"The query has more than {_MAX_PARAMETERS} parameters."
        raise InvalidSearch(Issue(text, ("http.query",), "too-costly")) from error


def read_search(
    resource_type: str,
    pairs: Iterable[tuple[str, str]],
    *,
    now: datetime,
    strict: bool = False,
    base_url: str = "",
) -> SearchQuery:
    """As `parse_search`, from decoded pairs, such as those of a URL and of a form together."""
    reading = _Reading(resource_type, now, base_url)
    understood: list[tuple[str, str]] = []
    ignored: list[str] = []
    issues: list[Issue] = []
    for name, value in pairs:
        try:
            if _read_pair(reading, name, value):
                understood.append((name, value))
            elif strict:
                raise _Refused(f"is no search parameter of {resource_type}", "not-supported")
            else:
                ignored.append(name)
        except _Refused as refused:
            shown = ascii(name)[1:-1][:64]
            issues.append(Issue(f"{shown} {refused}.", (f"http.{shown}",), refused.code))
    if issues:
        raise InvalidSearch(*issues)
    return SearchQuery(
        type=resource_type,
        clauses=tuple(reading.clauses),
        sort=tuple(reading.sort),
        count=reading.count,
        include=tuple(dict.fromkeys(reading.include)),
        revinclude=tuple(dict.fromkeys(reading.revinclude)),
        total=reading.total,
        elements=tuple(dict.fromkeys(reading.elements)),
        summary=reading.summary,
        cursor=reading.cursor,
        understood=tuple(understood),
        ignored=tuple(dict.fromkeys(ignored)),
    )


def _read_pair(reading: _Reading, name: str, value: str) -> bool:
    """False when there is no such parameter."""
    plain, _, modifier = name.partition(":")
    if plain in _PRESENTATION:
        return True
    if plain in _NOT_SUPPORTED:
        raise _Refused("is not supported here", "not-supported")
    control = _CONTROLS.get(plain)
    if control is not None:
        if modifier:
            raise _Refused(f"does not take the modifier :{modifier[:20]}", "not-supported")
        if not value:
            raise _Refused("has no value")
        control(reading, value)
        return True
    found = parameters(reading.type).get(plain)
    if found is None:
        chained = parameters(reading.type).get(plain.partition(".")[0])
        if chained is not None and "." in name:
            raise _Refused("is a chain, which is not supported here", "not-supported")
        return False
    reading.clauses.append(_clause(reading, found, modifier, value))
    return True


def _clause(reading: _Reading, found: SearchParameter, modifier: str, value: str) -> Clause:
    if not value:
        raise _Refused("has no value; leave the parameter out to find everything")
    if "." in modifier:
        raise _Refused("is a chain, which is not supported here", "not-supported")
    if modifier and found.kind == "reference" and modifier in resource_types():
        # subject:Patient=123 is one type out of those that are allowed.
        found = SearchParameter(found.name, found.kind, found.paths, (modifier,))
        modifier = ""
    if modifier and modifier not in _MODIFIERS.get(found.kind, _ONLY_MISSING):
        raise _Refused(f"does not take the modifier :{modifier[:20]}", "not-supported")
    if modifier == "missing":
        if value not in {"true", "false"}:
            raise _Refused("has to be true or false")
        return Clause(found.name, found.kind, missing=value == "true")
    if modifier == "identifier":
        found = SearchParameter(f"{found.name}:identifier", "token", found.paths)
        modifier = ""
    return Clause(found.name, found.kind, _values(reading, found, value), modifier or None)


def _values(reading: _Reading, found: SearchParameter, text: str) -> tuple[Value, ...]:
    parts = split_values(text)
    if len(parts) > _MAX_VALUES:
        raise _Refused(f"has more than {_MAX_VALUES} values", "too-costly")
    if not all(part.strip() for part in parts):
        raise _Refused("has an empty value between commas")
    try:
        return tuple(dict.fromkeys(_value(reading, found, part) for part in parts))
    except ValueError as error:
        raise _Refused(str(error)) from error


def _value(reading: _Reading, found: SearchParameter, text: str) -> Value:
    if found.kind == "date":
        return search_values.date(text, reading.now)
    if found.kind == "reference":
        canonical = any(path.endswith((":canonical", ":uri")) for path in found.paths)
        return search_values.reference(text, found.targets, reading.base_url, canonical)
    return _READERS[found.kind](text)


_READERS: Final[dict[str, Callable[[str], Value]]] = {
    "token": search_values.token,
    "string": search_values.string,
    "uri": search_values.uri,
    "number": search_values.number,
    "quantity": search_values.quantity,
}


def _read_count(reading: _Reading, value: str) -> None:
    if not (value.isascii() and value.isdigit()) or len(value) > 12:
        raise _Refused("has to be a whole number from 0")
    reading.count = min(int(value), MAX_COUNT)


def _read_sort(reading: _Reading, value: str) -> None:
    for part in split_values(value):
        name = part.removeprefix("-")
        found = parameters(reading.type).get(name)
        if found is None:
            raise _Refused(f"names '{name[:40]}', which is no search parameter of {reading.type}")
        if name not in {sort.parameter for sort in reading.sort}:
            reading.sort.append(Sort(name, found.kind, part.startswith("-")))


def _read_include(reading: _Reading, value: str) -> None:
    include = _include(value)
    if include.source != reading.type:
        raise _Refused(f"has to start with {reading.type}, the type that is searched")
    reading.include.append(include)


def _read_revinclude(reading: _Reading, value: str) -> None:
    include = _include(value)
    if include.target is not None and include.target != reading.type:
        raise _Refused(f"has to point at {reading.type}, the type that is searched")
    reading.revinclude.append(include)


def _include(value: str) -> Include:
    source, _, rest = value.partition(":")
    name, _, target = rest.partition(":")
    found = parameters(source).get(name)
    if found is None or found.kind != "reference":
        raise _Refused("has to be written as Type:parameter, where the parameter is a reference")
    if target and target not in resource_types():
        raise _Refused(f"names '{target[:40]}', which is no resource type")
    return Include(source, name, target or None)


def _read_elements(reading: _Reading, value: str) -> None:
    names = value.split(",")
    if not all(_ELEMENT.fullmatch(name) for name in names):
        raise _Refused("has to be a list of element names with commas between them")
    # `Patient.name` is the same as `name` when patients are searched.
    reading.elements.extend(name.removeprefix(f"{reading.type}.") for name in names)


def _read_total(reading: _Reading, value: str) -> None:
    if value not in {"none", "estimate", "accurate"}:
        raise _Refused("has to be none, estimate or accurate")
    reading.total = value


def _read_summary(reading: _Reading, value: str) -> None:
    if value not in {"true", "text", "data", "count", "false"}:
        raise _Refused("has to be true, text, data, count or false")
    reading.summary = None if value == "false" else value


def _read_cursor(reading: _Reading, value: str) -> None:
    reading.cursor = value


_CONTROLS: Final[dict[str, Callable[[_Reading, str], None]]] = {
    "_count": _read_count,
    "_sort": _read_sort,
    "_include": _read_include,
    "_revinclude": _read_revinclude,
    "_elements": _read_elements,
    "_total": _read_total,
    "_summary": _read_summary,
    "_cursor": _read_cursor,
}
