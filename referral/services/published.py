"""Resources that this server publishes itself, such as the Questionnaire: read, searched, never written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from referral.fhir import questionnaire, scale
from referral.fhir.definitions import METADATA_TYPES
from referral.fhir.elements import instant
from referral.fhir.index_values import IndexEntry
from referral.fhir.json import encode
from referral.fhir.measure import MEASURES, measure
from referral.fhir.operations import OPERATIONS
from referral.fhir.own_profiles import structure_definitions
from referral.fhir.permit import meets
from referral.fhir.problems import InvalidSearch, Issue
from referral.fhir.publication import PUBLISHED_AT
from referral.fhir.search_definitions import OWN
from referral.fhir.search_model import kept_entries
from referral.fhir.search_parameters import extract
from referral.fhir.search_query import SearchQuery, Sort
from referral.fhir.subscription_topics import topic_resources
from referral.fhir.systems import LOCAL_CODES, code_system
from referral.fhir.value_sets import value_sets
from referral.storage.resources import Stored
from referral.storage.search import Match, Page

Json = dict[str, Any]

_MAKERS: Final[dict[str, Callable[[], list[Json]]]] = {
    # The form with every item, what each discipline is asked, and the scales.
    "Questionnaire": lambda: [*questionnaire.published(), *scale.published()],
    "CodeSystem": lambda: [code_system(name) for name in LOCAL_CODES],
    "ValueSet": value_sets,
    "StructureDefinition": structure_definitions,
    "Measure": lambda: [measure(name) for name in MEASURES],
    "OperationDefinition": lambda: [row.to_fhir() for row in OPERATIONS],
    "SearchParameter": lambda: [row.to_fhir() for row in OWN],
    # R4 has no SubscriptionTopic: the backport wraps one in a Basic.
    "Basic": topic_resources,
}
TYPES: Final = frozenset(_MAKERS)
# Nothing of these is in the store.
ONLY_HERE: Final = frozenset(METADATA_TYPES)


@dataclass(frozen=True, slots=True)
class _Published:
    stored: Stored
    entries: tuple[IndexEntry, ...]


@cache
def _of_type(type: str) -> dict[str, _Published]:
    made = _MAKERS[type]() if type in _MAKERS else []
    return {document["id"]: _published(document) for document in made}


def _published(document: Json) -> _Published:
    meta = {**document.get("meta", {}), "versionId": "1", "lastUpdated": instant(PUBLISHED_AT)}
    body = encode({**document, "meta": meta}).decode()
    stored = Stored(document["resourceType"], document["id"], 1, PUBLISHED_AT, body)
    kept = kept_entries(stored.id, PUBLISHED_AT)
    if "url" in document and "version" in document:
        # So that a canonical with its version is found by `url` as well.
        kept.append(IndexEntry("url", value=f"{document['url']}|{document['version']}"))
    return _Published(stored, (*extract(stored.document), *kept))


def find(type: str, id: str) -> Stored | None:
    """None for anything that is not published here."""
    found = _of_type(type).get(id)
    return found.stored if found else None


def all_of(type: str) -> tuple[Stored, ...]:
    """Everything of this type that is published here."""
    return tuple(row.stored for row in _of_type(type).values())


def matching(query: SearchQuery) -> tuple[Match, ...]:
    """All that match, in the order asked for, whatever page is asked for."""
    return tuple(Match(row.stored, None) for row in _found(query))


def page(query: SearchQuery) -> Page:
    """One page of a search for a type of which nothing is in the store."""
    found = matching(query)
    if not query.count or query.summary == "count":
        return Page((), len(found))
    start = _place(query.cursor)
    end = start + query.count
    return Page(
        found[start:end],
        len(found),
        str(end) if end < len(found) else None,
        str(max(start - query.count, 0)) if start else None,
    )


def _place(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit()) or len(cursor) > 6:
        text = "This page is not one of this search; follow the links as they were given."
        raise InvalidSearch(Issue(text, ("_cursor",), "value"))
    return int(cursor)


def _found(query: SearchQuery) -> list[_Published]:
    rows = [
        row
        for row in _of_type(query.type).values()
        if all(clause.accepts(row.entries) for clause in query.clauses)
        and (query.within is None or meets(query.within, row.entries))
    ]
    # Sorting is stable: the last key first.
    for sort in reversed(query.sort):
        rows.sort(key=lambda row: _key(row, sort), reverse=sort.descending)
        rows.sort(key=lambda row: not _values(row, sort))
    return rows


def _values(row: _Published, sort: Sort) -> list[Any]:
    return [
        value
        for entry in row.entries
        if entry.parameter == sort.parameter
        for value in (entry.low, entry.number, entry.value)
        if value is not None
    ]


def _key(row: _Published, sort: Sort) -> tuple[Any, ...]:
    """The smallest value sorts upwards, the largest downwards; what has none stands last."""
    values = _values(row, sort)
    if not values:
        return ()
    return (max(values) if sort.descending else min(values),)
