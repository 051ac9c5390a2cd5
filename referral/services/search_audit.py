"""AuditEvents: the audit trail as FHIR, so that an accounting of disclosures is a search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

from referral.domain.audit import Action, AuditEntry
from referral.domain.errors import NotFound
from referral.fhir import audit_event
from referral.fhir.json import encode
from referral.fhir.permit import meets
from referral.fhir.problems import InvalidSearch, Issue
from referral.fhir.search_model import kept_entries
from referral.fhir.search_parameters import extract
from referral.fhir.search_query import SearchQuery
from referral.services.access import Access
from referral.storage import audit, audit_search
from referral.storage.db import Session
from referral.storage.resources import Stored
from referral.storage.search import Match, Page

# How many rows one page makes resources of, and how many a count.
_MOST_ROWS: Final = 1000
_MOST_COUNTED: Final = 5000
_BATCH: Final = 250
_TIMES: Final = frozenset({"date", "_lastUpdated"})


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
    """Newest first; `_sort` can only be `-date`. A page may be shorter than asked for, and `next` goes on.

    Raises InvalidSearch for a count of more than _MOST_COUNTED rows: a search for all of the trail.
    """
    if any((sort.parameter in _TIMES, sort.descending) != (True, True) for sort in query.sort):
        raise InvalidSearch(Issue("AuditEvents are sorted by -date only.", ("http._sort",), "not-supported"))
    counted = query.summary == "count" or not query.count
    total = _count(session, query, needed=counted) if counted or query.total != "none" else None
    if counted:
        return Page((), total)
    found: list[Match] = []
    last = before = _before(query)
    driven = audit_search.is_driven(query.clauses)
    floor = None if driven else audit_search.floor_of(session, before)
    looked_at = 0
    for row in _rows(session, query, before, floor, _MOST_ROWS):
        if len(found) == query.count:
            return Page(tuple(found), total, str(last))
        looked_at, last = looked_at + 1, row.id
        if _accepted(query, stored := _stored(row)):
            found.append(Match(stored, row.patient_id))
    goes_on = last if looked_at == _MOST_ROWS else floor
    return Page(tuple(found), total, str(goes_on) if goes_on is not None else None)


def _count(session: Session, query: SearchQuery, *, needed: bool) -> int | None:
    """None where the answer would take long and is not `needed`."""
    looked_at = found = 0
    for row in _rows(session, query, None, None, _MOST_COUNTED + 1):
        looked_at += 1
        found += _accepted(query, _stored(row))
    if looked_at <= _MOST_COUNTED:
        return found
    if needed:
        text = (
            f"More than {_MOST_COUNTED} AuditEvents would have to be looked at: ask for a patient or a date."
        )
        raise InvalidSearch(Issue(text, ("http._summary",), "too-costly"))
    return None


def _before(query: SearchQuery) -> int | None:
    if query.cursor is None:
        return None
    if not _is_number(query.cursor):
        text = "This page is not one of this search; follow the links as they were given."
        raise InvalidSearch(Issue(text, ("_cursor",), "value"))
    return int(query.cursor)


def _rows(
    session: Session, query: SearchQuery, before: int | None, floor: int | None, most: int
) -> Iterator[audit.AuditRow]:
    """What the database finds; the resources made of it are looked at one by one."""
    while most > 0:
        limit = min(_BATCH, most)
        rows = audit_search.find_rows(session, query.clauses, before=before, floor=floor, limit=limit)
        yield from rows
        if len(rows) < limit:
            return
        most -= limit
        before = rows[-1].id


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
