"""AuditEvents: the audit trail as FHIR, so that an accounting of disclosures is a search."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, cast

from referral.domain.audit import Action, AuditEntry
from referral.domain.errors import NotFound
from referral.fhir import audit_event
from referral.fhir.json import encode
from referral.fhir.permit import meets
from referral.fhir.problems import InvalidSearch, Issue
from referral.fhir.search_model import kept_entries
from referral.fhir.search_parameters import extract
from referral.fhir.search_query import Clause, SearchQuery
from referral.fhir.search_values import DateValue, ReferenceValue
from referral.services.access import Access
from referral.storage import audit
from referral.storage.db import Session
from referral.storage.resources import Stored
from referral.storage.search import Match, Page

# How many rows one page looks through; a page may be shorter than asked for, and `next` goes on.
_MOST_ROWS: Final = 1000
_BATCH: Final = 250


def read_event(session: Session, by: Access, id: str) -> Stored:
    """One AuditEvent by the number of its row."""
    rows = audit.find(session, id=int(id), limit=1) if _is_number(id) else []
    if not rows or not by.permit.allows(_stored(rows[0]), "r"):
        raise NotFound(f"There is no AuditEvent with id {id[:64]}.")
    entry = AuditEntry(
        action=Action.READ, subtype="read", entity=f"AuditEvent/{id}", patient_id=rows[0].patient_id
    )
    audit.record(session, by.actor, entry)
    return _stored(rows[0])


def search_events(session: Session, query: SearchQuery) -> Page:
    """Newest first; `_sort` can only be `-date`. Totals are not counted: the trail only grows."""
    if any((sort.parameter, sort.descending) != ("date", True) for sort in query.sort):
        raise InvalidSearch(Issue("AuditEvents are sorted by -date only.", ("http._sort",), "not-supported"))
    before = _before(query)
    found: list[Match] = []
    last = before
    looked_at = 0
    for row in _rows(session, query, before):
        looked_at += 1
        if len(found) == query.count:
            return Page(tuple(found), next=str(last))
        last = row.id
        stored = _stored(row)
        if _accepted(query, stored):
            found.append(Match(stored, row.patient_id))
    return Page(tuple(found), next=str(last) if looked_at == _MOST_ROWS else None)


def _before(query: SearchQuery) -> int | None:
    if query.cursor is None:
        return None
    if not _is_number(query.cursor):
        text = "This page is not one of this search; follow the links as they were given."
        raise InvalidSearch(Issue(text, ("_cursor",), "value"))
    return int(query.cursor)


def _rows(session: Session, query: SearchQuery, before: int | None) -> Iterator[audit.AuditRow]:
    """What an index can find; the rest of the conditions is looked at row by row."""
    narrowed = _narrowed(query)
    left = _MOST_ROWS
    while left > 0:
        rows = audit.find(session, **narrowed, before=before, limit=min(_BATCH, left))
        yield from rows
        if len(rows) < min(_BATCH, left):
            return
        left -= len(rows)
        before = rows[-1].id


def _narrowed(query: SearchQuery) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for clause in query.clauses:
        target = _only_target(clause)
        if clause.parameter == "patient" and target:
            found["patient_id"] = target.removeprefix("Patient/")
        if clause.parameter == "date" and len(clause.values) == 1:
            found |= _bounds(clause.values[0])
    return found


def _only_target(clause: Clause) -> str | None:
    value = clause.values[0] if len(clause.values) == 1 else None
    if isinstance(value, ReferenceValue) and len(value.targets) == 1:
        return value.targets[0]
    return None


def _bounds(value: object) -> dict[str, datetime]:
    """A superset of what the date value accepts."""
    if not isinstance(value, DateValue):
        return {}
    since = {"since": value.low} if value.prefix in ("eq", "ge", "gt", "sa") else {}
    until = {"until": value.high} if value.prefix in ("eq", "le", "lt", "eb") else {}
    return {**since, **until}


def _accepted(query: SearchQuery, stored: Stored) -> bool:
    entries = [*extract(stored.document), *kept_entries(stored.id, stored.last_updated)]
    allowed = query.within is None or meets(query.within, entries)
    return allowed and all(clause.accepts(entries) for clause in query.clauses)


def _stored(row: audit.AuditRow) -> Stored:
    mapped = audit_event.AuditRow(
        id=str(row.id),
        at=row.at,
        actor_kind=cast(Any, row.actor_kind),
        actor_id=row.actor_id,
        role=row.actor_role,
        address=row.address,
        request_id=row.request_id,
        action=cast(Any, row.action),
        subtype=row.subtype,
        entity=row.entity,
        patient_id=row.patient_id,
        outcome=cast(Any, row.outcome),
        recipient=_recipient(row),
    )
    document = audit_event.to_fhir(mapped)
    recorded = document["recorded"]
    document["meta"] = {**document.get("meta", {}), "versionId": "1", "lastUpdated": recorded}
    return Stored("AuditEvent", str(row.id), 1, row.at, encode(document).decode())


def _recipient(row: audit.AuditRow) -> str | None:
    found = row.detail.get("recipient")
    return found if isinstance(found, str) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18
