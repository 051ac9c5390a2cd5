"""Versions of one resource, of a type, or of several types, newest first, page by page.

A version that is written while somebody turns pages stands before the first page and moves nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Text,
    and_,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
    union_all,
)

from referral.fhir.history_query import HistoryQuery
from referral.fhir.problems import InvalidSearch, Issue
from referral.fhir.search_model import Alternatives, Sort
from referral.storage.cursors import read_cursor, write_cursor
from referral.storage.db import Session, flush
from referral.storage.resources import Stored
from referral.storage.search_conditions import restriction
from referral.storage.tables import resource, resource_history

# The versions of one resource are ordered by their numbers, whatever the clock said.
_OF_ONE: Final = (Sort("version", "number", descending=True),)
_OF_ALL: Final = (Sort("_lastUpdated", "date", descending=True), *_OF_ONE)
_TABLES: Final = (resource, resource_history)


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """`next` is a cursor for the same query, None on the last page."""

    versions: tuple[Stored, ...]
    next: str | None = None


def history_page(session: Session, query: HistoryQuery, types: Sequence[str]) -> HistoryPage:
    """One page of the versions of these types; raises InvalidSearch for a cursor of another query."""
    flush(session)
    mark = hashlib.sha256(f"{query.path}?{query.self_query()}{types}".encode()).hexdigest()[:16]
    sorts = _OF_ALL if query.id is None else _OF_ONE
    after = _after(query.cursor, mark, sorts) if query.cursor else None
    # Each table gives a page of each type at most; which of their rows are on it is decided over all.
    parts = [_newest(session, table, query, types, after) for table in _TABLES]
    both = union_all(*[select(part) for part in parts]).subquery()
    keys = _keys(both.c, query)
    statement = select(both, *[key.label(f"key_{place}") for place, key in enumerate(keys[:-1])])
    newest = statement.order_by(*[key.desc() for key in keys]).limit(query.count + 1)
    rows = list(session.connection.execute(newest))
    shown = rows[: query.count]
    versions = tuple(_version(row) for row in shown)
    more = len(rows) > query.count
    return HistoryPage(versions, write_cursor(mark, shown[-1], len(sorts), backwards=False) if more else None)


def count_versions(session: Session, query: HistoryQuery, types: Sequence[str]) -> int:
    """How many versions there are in all."""
    flush(session)
    counts = [
        select(func.count())
        .select_from(table)
        .where(table.c.type.in_(types), *_conditions(session, table, query))
        for table in _TABLES
    ]
    return sum(int(session.connection.scalar(count) or 0) for count in counts)


def _version(row: Any) -> Stored:
    type, _, id = row.id.partition("/")
    return Stored(type, id, row.version, row.last_updated, row.body, row.method)


def _after(cursor: str, mark: str, sorts: tuple[Sort, ...]) -> tuple[Any, ...]:
    """The keys of the last row before the page; a version that no row can have is none of them."""
    *times, version, id = read_cursor(cursor, mark, sorts).values
    if version is None or not 0 < version < 2**31:
        raise InvalidSearch(Issue("This page is none of this history.", ("_cursor",), "value"))
    return (*times, int(version), id)


def _newest(
    session: Session,
    table: Any,
    query: HistoryQuery,
    types: Sequence[str],
    after: tuple[Any, ...] | None,
) -> Any:
    """The newest of each type, each found through the index on type and time."""
    kinds = func.unnest(cast(list(types), ARRAY(Text))).table_valued("name")
    of_type = select(
        (table.c.type + "/" + table.c.id).label("id"),
        table.c.version,
        table.c.last_updated,
        table.c.method,
        cast(table.c.body, Text).label("body"),
    ).where(table.c.type == kinds.c.name, *_conditions(session, table, query))
    keys = [*_keys(table.c, query)[:-1], table.c.type + "/" + table.c.id]
    if after is not None:
        of_type = of_type.where(tuple_(*keys) < tuple_(*[literal(value) for value in after]))
    newest = of_type.order_by(*[key.desc() for key in keys]).limit(query.count + 1).lateral()
    return select(newest).select_from(kinds.join(newest, true())).subquery()


def _conditions(session: Session, table: Any, query: HistoryQuery) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [table.c.clinic_id == session.clinic]
    if query.id is not None:
        found.append(table.c.id == query.id)
    if query.since is not None:
        found.append(table.c.last_updated >= query.since)
    if query.at is not None:
        low, high = query.at
        found.append(table.c.last_updated < high)
        # A version is current until the next one is written; what has none is current still.
        if table is resource_history:
            found.append(~or_(*[_followed_by(table, other, low) for other in _TABLES]))
    if query.within:
        restricted = [_newest_is_within(session, table, *one) for one in query.within]
        found.append(or_(table.c.type.not_in([type for type, _ in query.within]), *restricted))
    return found


def _followed_by(table: Any, other: Any, low: Any) -> ColumnElement[bool]:
    following = other.alias()
    return exists().where(
        and_(
            following.c.clinic_id == table.c.clinic_id,
            following.c.type == table.c.type,
            following.c.id == table.c.id,
            following.c.version == table.c.version + 1,
            following.c.last_updated <= low,
        )
    )


def _newest_is_within(session: Session, table: Any, type: str, within: Alternatives) -> ColumnElement[bool]:
    """A resource that a client may not see now has no history for it either."""
    conditions = [table.c.type == type, *restriction(session, type, within)]
    if table is resource:
        return and_(*conditions)
    newest = (resource.c.clinic_id == session.clinic, resource.c.type == type, resource.c.id == table.c.id)
    return exists(select(1).select_from(resource).where(*newest, *conditions).correlate(table))


def _keys(columns: Any, query: HistoryQuery) -> list[Any]:
    by_time = [columns.last_updated] if query.id is None else []
    return [*by_time, columns.version, columns.id]
