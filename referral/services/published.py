"""Resources that this server publishes itself, such as the Questionnaire: read, searched, never written."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from referral.domain.codes import ClinicianKind
from referral.fhir import questionnaire
from referral.fhir.elements import instant
from referral.fhir.index_values import IndexEntry
from referral.fhir.json import encode
from referral.fhir.operations import OPERATIONS
from referral.fhir.publication import PUBLISHED_AT
from referral.fhir.search_definitions import OWN
from referral.fhir.search_parameters import extract
from referral.fhir.search_query import SearchQuery
from referral.fhir.systems import LOCAL_CODES, code_system
from referral.storage.resources import Stored
from referral.storage.search import Match


def _questionnaires() -> list[dict[str, Any]]:
    """The form with every item, and what each discipline is asked."""
    return [questionnaire.to_fhir(kind) for kind in (None, *ClinicianKind)]


def _code_systems() -> list[dict[str, Any]]:
    return [code_system(name) for name in LOCAL_CODES]


_MAKERS: Final[dict[str, Callable[[], list[dict[str, Any]]]]] = {
    "Questionnaire": _questionnaires,
    "CodeSystem": _code_systems,
    "OperationDefinition": lambda: [row.to_fhir() for row in OPERATIONS],
    "SearchParameter": lambda: [row.to_fhir() for row in OWN],
}
TYPES: Final = frozenset(_MAKERS)


@cache
def _of_type(type: str) -> dict[str, Stored]:
    made = _MAKERS[type]() if type in _MAKERS else []
    return {document["id"]: _stored(document) for document in made}


def _stored(document: dict[str, Any]) -> Stored:
    meta = {**document.get("meta", {}), "versionId": "1", "lastUpdated": instant(PUBLISHED_AT)}
    body = encode({**document, "meta": meta}).decode()
    return Stored(document["resourceType"], document["id"], 1, PUBLISHED_AT, body)


def find(type: str, id: str) -> Stored | None:
    """None for anything that is not published here."""
    return _of_type(type).get(id)


def all_of(type: str) -> tuple[Stored, ...]:
    """Everything of this type that is published here."""
    return tuple(_of_type(type).values())


def matching(query: SearchQuery) -> tuple[Match, ...]:
    """All that match, whatever page is asked for: there are few."""
    return tuple(Match(stored, None) for stored in _of_type(query.type).values() if _accepted(query, stored))


def _accepted(query: SearchQuery, stored: Stored) -> bool:
    kept = [
        IndexEntry("_id", value=stored.id),
        IndexEntry("_lastUpdated", low=stored.last_updated, high=stored.last_updated),
    ]
    entries = [*extract(stored.document), *kept]
    return all(clause.accepts(entries) for clause in query.clauses)
