"""A search as a client writes it, read into a SearchQuery; nothing here knows SQL.

Parameters that repeat are joined by AND, values with commas between them by OR. What cannot be answered as
asked is refused: an unknown modifier and an empty value always, because ignoring them would widen the
answer; an unknown parameter when the client wants `handling=strict`, else it is named in `ignored`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl

from referral.fhir.problems import InvalidSearch, Issue
from referral.fhir.search_clauses import MAX_LINKED, Context, Refused, read_clause
from referral.fhir.search_controls import Controls, read_control
from referral.fhir.search_model import MAX_COUNT, Clause, Include, Link, SearchQuery, Sort

__all__ = [
    "MAX_COUNT",
    "Clause",
    "Include",
    "Link",
    "SearchQuery",
    "Sort",
    "parse_search",
    "query_pairs",
    "read_search",
]

_MAX_PARAMETERS: Final = 100
# Read by whoever writes the answer; they choose no resources.
_PRESENTATION: Final = frozenset({"_format", "_pretty"})
# FHIR has them, we do not: ignoring one would answer another question than was asked.
_NOT_SUPPORTED: Final = frozenset(
    {"_text", "_content", "_list", "_filter", "_query", "_type", "_contained", "_containedType"}
)


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
    context, controls = Context(resource_type, now, base_url), Controls(resource_type)
    clauses: list[Clause] = []
    understood: list[tuple[str, str]] = []
    ignored: list[str] = []
    issues: list[Issue] = []
    for name, value in pairs:
        try:
            if _read_pair(context, controls, clauses, name, value):
                # The self link says how many a page really has.
                understood.append((name, str(controls.count) if name == "_count" else value))
            elif strict:
                raise Refused(f"is no search parameter of {resource_type}", "not-supported")
            else:
                ignored.append(name)
        except Refused as refused:
            shown = ascii(name)[1:-1][:64]
            issues.append(Issue(f"{shown} {refused}.", (f"http.{shown}",), refused.code))
    if len([clause for clause in clauses if clause.links]) > MAX_LINKED:
        text = f"The query asks about other resources more than {MAX_LINKED} times."
        issues.append(Issue(text, ("http.query",), "too-costly"))
    if issues:
        raise InvalidSearch(*issues)
    return SearchQuery(
        type=resource_type,
        clauses=tuple(dict.fromkeys(clauses)),
        sort=tuple(controls.sort),
        count=controls.count,
        include=tuple(dict.fromkeys(controls.include)),
        revinclude=tuple(dict.fromkeys(controls.revinclude)),
        total=controls.total,
        elements=tuple(dict.fromkeys(controls.elements)),
        summary=controls.summary,
        cursor=controls.cursor,
        understood=tuple(understood),
        ignored=tuple(dict.fromkeys(ignored)),
    )


def _read_pair(context: Context, controls: Controls, clauses: list[Clause], name: str, value: str) -> bool:
    """False when there is no such parameter."""
    plain = name.partition(":")[0]
    if plain in _PRESENTATION:
        return True
    if plain in _NOT_SUPPORTED:
        raise Refused("is not supported here", "not-supported")
    if read_control(controls, name, value):
        return True
    clause = read_clause(context, name, value)
    if clause is None:
        return False
    clauses.append(clause)
    return True
