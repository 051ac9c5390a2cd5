"""Reads, histories and searches for clients; each leaves its audit row in the same transaction."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import NotFound
from referral.fhir.history_query import HistoryQuery
from referral.fhir.json import encode
from referral.fhir.search_query import SearchQuery
from referral.services import interactions, published, search_audit
from referral.storage import audit, documents, resources, search
from referral.storage.db import Session
from referral.storage.history import HistoryPage, count_versions, history_page
from referral.storage.resources import Stored
from referral.storage.search import Match, Page

Allowed = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Results:
    """One page: what matches and what comes along with it."""

    page: Page
    included: tuple[Match, ...] = ()


def read_resource(session: Session, actor: Actor, type: str, id: str) -> Stored:
    """The current version; NotFound where this clinic has none."""
    interactions.require(type, "read")
    if type == "AuditEvent":
        return search_audit.read_event(session, actor, id)
    found = search.find_one(session, type, id)
    if found is None and type == "Binary":
        return _read_sealed(session, actor, id)
    if found is None:
        mine = published.find(type, id)
        if mine is None:
            raise NotFound(f"There is no {type} with id {id[:64]}.")
        return mine
    _note_read(session, actor, "read", found.stored.reference, found.patient_id)
    return found.stored


def _read_sealed(session: Session, actor: Actor, id: str) -> Stored:
    """A document that a DocumentReference of the same id stands for, as a Binary; it is kept encrypted."""
    if resources.find(session, "DocumentReference", id) is None:
        raise NotFound(f"There is no Binary with id {id[:64]}.")
    kept = documents.get(session, id)
    binary = {
        "resourceType": "Binary",
        "id": id,
        "meta": {"versionId": "1", "lastUpdated": resources.instant(kept.created_at)},
        "contentType": kept.content_type,
        "securityContext": {"reference": f"DocumentReference/{id}"},
        "data": base64.b64encode(kept.content).decode(),
    }
    _note_read(session, actor, "read", f"Binary/{id}", kept.patient_id)
    return Stored("Binary", id, 1, kept.created_at, encode(binary).decode())


def read_version(session: Session, actor: Actor, type: str, id: str, version: int) -> Stored:
    """One version of a resource."""
    interactions.require(type, "vread")
    only = search_audit.read_event(session, actor, id) if type == "AuditEvent" else published.find(type, id)
    if only is None:
        found = resources.read_version(session, type, id, version)
        _note_read(session, actor, "vread", found.reference, resources.patient_of(found.document))
        return found
    if version != only.version:
        raise NotFound(f"{type}/{id[:64]} has no version {version}.")
    return only


def read_history(session: Session, actor: Actor, query: HistoryQuery, allowed: Allowed) -> HistoryPage:
    """One page of the versions of a resource, of all of a type, or of all types that `allowed` lets through.

    NotFound for an unknown resource.
    """
    if query.id is None or query.type is None:
        return _history_of_types(session, actor, query, _types_of(query, allowed))
    interactions.require(query.type, "history-instance")
    if query.type == "AuditEvent":
        return HistoryPage((search_audit.read_event(session, actor, query.id),))
    current = search.find_one(session, query.type, query.id)
    if current is None:
        mine = published.find(query.type, query.id)
        if mine is None:
            raise NotFound(f"There is no {query.type} with id {query.id[:64]}.")
        return HistoryPage((mine,) if _is_new(mine, query) else ())
    page = history_page(session, query, [query.type])
    _note_read(session, actor, "history", current.stored.reference, current.patient_id)
    return page


def count_history(session: Session, actor: Actor, query: HistoryQuery, allowed: Allowed) -> int:
    """How many versions a history has; they are counted, not shown."""
    if query.id is not None and query.type is not None:
        page = read_history(session, actor, replace(query, cursor=None), allowed)
        return count_versions(session, query, [query.type]) if page.next else len(page.versions)
    types = _types_of(query, allowed)
    _note_many(session, actor, "history", query.type or "", [], Counter())
    return count_versions(session, query, types) + len(_published_in(query, types))


def _types_of(query: HistoryQuery, allowed: Allowed) -> list[str]:
    """The types that a history without an id is about."""
    if query.type is not None:
        interactions.require(query.type, "history-type")
        return [query.type]
    return [
        type for type, does in interactions.INTERACTIONS.items() if "history-type" in does and allowed(type)
    ]


def _history_of_types(
    session: Session, actor: Actor, query: HistoryQuery, types: Sequence[str]
) -> HistoryPage:
    """What the server publishes itself is older than the rest and ends the last page."""
    page = history_page(session, query, types)
    patients = Counter(resources.patient_of(stored.document) for stored in page.versions)
    _note_many(session, actor, "history", query.type or "", [], patients)
    if page.next:
        return page
    return replace(page, versions=(*page.versions, *_published_in(query, types)))


def _published_in(query: HistoryQuery, types: Sequence[str]) -> list[Stored]:
    return [stored for type in types for stored in published.all_of(type) if _is_new(stored, query)]


def _is_new(stored: Stored, query: HistoryQuery) -> bool:
    """Whether this version, the only one there is, is in the history that is asked for."""
    if query.at is not None and stored.last_updated >= query.at[1]:
        return False
    return query.since is None or stored.last_updated >= query.since


def search_resources(session: Session, actor: Actor, query: SearchQuery, allowed: Allowed) -> Results:
    """One page of a search. What `allowed` refuses is not brought along by `_include` or `_revinclude`."""
    interactions.require(query.type, "search-type")
    if query.type == "AuditEvent":
        page = search_audit.search_events(session, query)
        _note_search(session, actor, query, page.matches)
        return Results(page)
    query = replace(
        query, revinclude=tuple(include for include in query.revinclude if allowed(include.source))
    )
    if query.type in published.ONLY_HERE:
        page = published.page(query)
    else:
        page = _with_published(query, search.search(session, query))
    included = tuple(
        match for match in search.included(session, query, page.matches) if allowed(match.stored.type)
    )
    _note_search(session, actor, query, [*page.matches, *included])
    return Results(page, included)


def _with_published(query: SearchQuery, page: Page) -> Page:
    """What the server publishes itself stands before everything else, on the first page."""
    mine = published.matching(query) if query.type in published.TYPES else ()
    if not mine:
        return page
    shown = mine if query.cursor is None and query.count and query.summary != "count" else ()
    total = page.total + len(mine) if page.total is not None else None
    return replace(page, matches=(*shown, *page.matches), total=total)


def _note_read(session: Session, actor: Actor, subtype: str, entity: str, patient_id: str | None) -> None:
    entry = AuditEntry(action=Action.READ, subtype=subtype, entity=entity, patient_id=patient_id)
    audit.record(session, actor, entry)


def _note_search(session: Session, actor: Actor, query: SearchQuery, matches: Iterable[Match]) -> None:
    """One row for each patient whose data went out: an accounting of disclosures is a search for them."""
    asked = sorted({clause.parameter for clause in query.clauses})
    patients = Counter(match.patient_id for match in matches)
    _note_many(session, actor, "search", query.type, asked, patients)


def _note_many(
    session: Session,
    actor: Actor,
    subtype: str,
    type: str,
    asked: list[str],
    patients: Counter[str | None],
) -> None:
    entries = [
        AuditEntry(
            action=Action.EXECUTE,
            subtype=subtype,
            entity=f"Patient/{patient_id}" if patient_id else None,
            patient_id=patient_id,
            detail={"type": type, "parameters": asked, "count": count},
        )
        for patient_id, count in (patients or Counter({None: 0})).items()
    ]
    audit.record(session, actor, *entries)
