"""Versions of all resources of a type, or of one, newest first, page by page.

A version that is written while somebody turns pages stands before the first page and moves nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Text, cast, literal, select, tuple_, union_all

from referral.fhir.history_query import HistoryQuery
from referral.fhir.problems import InvalidSearch, Issue
from referral.fhir.search_model import Sort
from referral.storage.cursors import read_cursor, write_cursor
from referral.storage.db import Session, flush
from referral.storage.resources import Stored
from referral.storage.tables import resource, resource_history

# The versions of one resource are ordered by their numbers, whatever the clock said.
_OF_ONE: Final = (Sort("version", "number", descending=True),)
_OF_ALL: Final = (Sort("_lastUpdated", "date", descending=True), *_OF_ONE)


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """`next` is a cursor for the same query, None on the last page."""

    versions: tuple[Stored, ...]
    next: str | None = None


def history_page(session: Session, query: HistoryQuery) -> HistoryPage:
    """One page; raises InvalidSearch for a cursor of another query."""
    flush(session)
    mark = hashlib.sha256(f"{query.type}/{query.id}?{query.self_query()}".encode()).hexdigest()[:16]
    sorts = _OF_ALL if query.id is None else _OF_ONE
    after = _after(query.cursor, mark, sorts) if query.cursor else None
    # Each of the two tables gives a page at most; which of their rows are on it is decided over both.
    parts = [_versions(session, table, query, after).subquery() for table in (resource, resource_history)]
    both = union_all(*[select(part) for part in parts]).subquery()
    keys = _keys(both.c, query)
    statement = select(both, *[key.label(f"key_{place}") for place, key in enumerate(keys[:-1])])
    newest = statement.order_by(*[key.desc() for key in keys]).limit(query.count + 1)
    rows = list(session.connection.execute(newest))
    shown = rows[: query.count]
    versions = tuple(Stored(query.type, row.id, row.version, row.last_updated, row.body) for row in shown)
    more = len(rows) > query.count
    return HistoryPage(versions, write_cursor(mark, shown[-1], len(sorts), backwards=False) if more else None)


def _after(cursor: str, mark: str, sorts: tuple[Sort, ...]) -> tuple[Any, ...]:
    """The keys of the last row before the page; a version that no row can have is none of them."""
    *times, version, id = read_cursor(cursor, mark, sorts).values
    if version is None or not 0 < version < 2**31:
        raise InvalidSearch(Issue("This page is none of this history.", ("_cursor",), "value"))
    return (*times, int(version), id)


def _versions(session: Session, table: Any, query: HistoryQuery, after: tuple[Any, ...] | None) -> Any:
    statement = select(
        table.c.id, table.c.version, table.c.last_updated, cast(table.c.body, Text).label("body")
    ).where(table.c.clinic_id == session.clinic, table.c.type == query.type)
    if query.id is not None:
        statement = statement.where(table.c.id == query.id)
    if query.since is not None:
        statement = statement.where(table.c.last_updated >= query.since)
    keys = _keys(table.c, query)
    if after is not None:
        statement = statement.where(tuple_(*keys) < tuple_(*[literal(value) for value in after]))
    return statement.order_by(*[key.desc() for key in keys]).limit(query.count + 1)


def _keys(columns: Any, query: HistoryQuery) -> list[Any]:
    by_time = [columns.last_updated] if query.id is None else []
    return [*by_time, columns.version, columns.id]
