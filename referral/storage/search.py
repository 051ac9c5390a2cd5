"""A parsed search as one SQL statement on the index entries, with keyset paging."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, bindparam, false, func, literal, or_, select, text, tuple_

from referral.fhir.problems import InvalidSearch, Issue
from referral.fhir.search_query import Clause, SearchQuery, Sort
from referral.fhir.search_values import ReferenceValue, TokenValue
from referral.storage.cursors import Cursor, read_cursor, write_cursor
from referral.storage.db import PLANNED_ANEW, Session, flush
from referral.storage.search_conditions import (
    OF_THE_STORE,
    conditions_of,
    entry_of_resource,
    ids_pointed_at,
    references_led_to,
)
from referral.storage.search_rows import COLUMNS, Match, match_of
from referral.storage.tables import resource, search_entry

__all__ = ["Match", "Page", "find_ids", "find_one", "lock_condition", "plan_of", "resolved", "search"]

_MOST_RESOLVED: Final = 1000
_BY_TIME: Final = (Sort("_lastUpdated", "date", descending=True),)
_COLUMN_OF_KIND: Final = {"date": "low", "number": "number", "quantity": "number"}


# Made once: a read is mostly what its statement costs.
_FIND_ONE: Final = select(*COLUMNS).where(
    resource.c.clinic_id == bindparam("clinic_id"),
    resource.c.type == bindparam("type"),
    resource.c.id == bindparam("id"),
)


@dataclass(frozen=True, slots=True)
class Page:
    """`next` and `previous` are cursors for the same query; `total` is None where it was not asked for."""

    matches: tuple[Match, ...]
    total: int | None = None
    next: str | None = None
    previous: str | None = None


def search(session: Session, query: SearchQuery) -> Page:
    """One page of what matches; raises InvalidSearch for a cursor of another query."""
    flush(session)
    conditions = conditions_of(session, query)
    total = _count(session, conditions) if query.total != "none" or not query.count else None
    if not query.count or query.summary == "count":
        return Page((), total if total is not None else _count(session, conditions))
    sorts = query.sort or _BY_TIME
    mark = read_cursor(query.cursor, _mark_of(query), sorts) if query.cursor else None
    keys = [_sort_key(session, query.type, sort) for sort in sorts]
    rows = list(
        session.connection.execute(
            _statement(query, conditions, sorts, keys, mark), execution_options=PLANNED_ANEW
        )
    )
    more, rows = len(rows) > query.count, rows[: query.count]
    backwards = mark is not None and mark.backwards
    if backwards:
        rows.reverse()
    forward = more if not backwards else bool(rows)
    back = bool(mark) and (more if backwards else bool(rows))
    return Page(
        tuple(match_of(query.type, row) for row in rows),
        total,
        write_cursor(_mark_of(query), rows[-1], len(sorts), backwards=False) if forward and rows else None,
        write_cursor(_mark_of(query), rows[0], len(sorts), backwards=True) if back and rows else None,
    )


def plan_of(session: Session, query: SearchQuery) -> dict[str, Any]:
    """How PostgreSQL would find the first page: its own EXPLAIN, for benchmarks and tests."""
    sorts = query.sort or _BY_TIME
    keys = [_sort_key(session, query.type, sort) for sort in sorts]
    statement = _statement(query, conditions_of(session, query), sorts, keys, None)
    compiled = statement.compile(session.connection, compile_kwargs={"render_postcompile": True})
    found: Any = session.connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled}", compiled.params)
    plan: dict[str, Any] = found.scalar_one()[0]["Plan"]
    return plan


def find_one(session: Session, type: str, id: str) -> Match | None:
    """The current version with the patient it is about, without decoding it."""
    row = session.connection.execute(
        _FIND_ONE, {"clinic_id": session.clinic, "type": type, "id": id}
    ).one_or_none()
    return match_of(type, row) if row else None


def find_ids(session: Session, query: SearchQuery, limit: int = 2) -> list[str]:
    """The ids of what matches, for conditional writes: two are enough to know that there are several."""
    flush(session)
    statement = (
        select(resource.c.id).where(*conditions_of(session, query)).order_by(resource.c.id).limit(limit)
    )
    return list(session.connection.scalars(statement, execution_options=PLANNED_ANEW))


def lock_condition(session: Session, type: str, condition: str) -> None:
    """Make writers with the same condition wait for each other, until the end of the transaction."""
    key = f"{session.clinic}/{type}?{condition}"
    session.connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})


def resolved(session: Session, query: SearchQuery) -> SearchQuery:
    """The same conditions without chains and `_has`: what they found in the store stands in their place.

    So they can be met in memory, by `Clause.accepts`. Raises InvalidSearch where that would be too many.
    """
    flush(session)
    plain = [_resolved(session, query.type, clause) if clause.links else clause for clause in query.clauses]
    return replace(query, clauses=tuple(plain))


def _resolved(session: Session, type: str, clause: Clause) -> Clause:
    is_has = clause.kind == "has"
    found = ids_pointed_at(session, type, clause) if is_has else references_led_to(session, clause)
    each = select(found.subquery().columns[0]).distinct().limit(_MOST_RESOLVED + 1)
    texts = sorted(session.connection.scalars(each))
    if len(texts) > _MOST_RESOLVED:
        text = f"{clause.name} finds more than {_MOST_RESOLVED} resources; ask for fewer."
        raise InvalidSearch(Issue(text, (f"http.{clause.name}",), "too-costly"))
    if is_has:
        return Clause("_id", "token", tuple(TokenValue(None, text) for text in texts))
    return Clause(clause.parameter, "reference", (ReferenceValue(tuple(texts)),))


# ---- Order and pages


def _sort_key(session: Session, type: str, sort: Sort) -> ColumnElement[Any]:
    """The smallest value of a resource sorts it upwards, the largest downwards."""
    if sort.parameter in OF_THE_STORE:
        return resource.c.last_updated if sort.parameter == "_lastUpdated" else resource.c.id
    entry = search_entry.alias()
    column = entry.c[_COLUMN_OF_KIND.get(sort.kind, "value")]
    edge = func.max(column) if sort.descending else func.min(column)
    return select(edge).where(entry_of_resource(session, entry, type, (sort.parameter,))).scalar_subquery()


def _statement(
    query: SearchQuery,
    conditions: list[ColumnElement[bool]],
    sorts: Sequence[Sort],
    keys: list[ColumnElement[Any]],
    mark: Cursor | None,
) -> Any:
    """Ids break ties in the direction of the first key, so that one index can give the usual order."""
    backwards = mark is not None and mark.backwards
    descending = [sort.descending is not backwards for sort in sorts]
    descending.append(descending[0])
    columns = [*keys, resource.c.id]
    orders = [
        (column.desc() if down else column.asc()) if _is_plain(sort) else _nulls_last(column, down, backwards)
        for column, down, sort in zip(columns, descending, [*sorts, _BY_TIME[0]], strict=True)
    ]
    statement = select(*[key.label(f"key_{place}") for place, key in enumerate(keys)], *COLUMNS).where(
        *conditions
    )
    if mark is not None:
        statement = statement.where(_behind(columns, descending, mark, sorts))
    return statement.order_by(*orders).limit(query.count + 1)


def _is_plain(sort: Sort) -> bool:
    """Whether every resource has the key."""
    return sort.parameter in OF_THE_STORE


def _nulls_last(column: ColumnElement[Any], down: bool, backwards: bool) -> ColumnElement[Any]:
    ordered = column.desc() if down else column.asc()
    return ordered.nulls_first() if backwards else ordered.nulls_last()


def _behind(
    columns: list[ColumnElement[Any]], descending: list[bool], mark: Cursor, sorts: Sequence[Sort]
) -> ColumnElement[bool]:
    """Rows after the mark in the order asked for."""
    if len(set(descending)) == 1 and all(_is_plain(sort) for sort in sorts):
        here, there = tuple_(*columns), tuple_(*[literal(value) for value in mark.values])
        return here < there if descending[0] else here > there
    steps: list[ColumnElement[bool]] = []
    equal: list[ColumnElement[bool]] = []
    for column, down, value in zip(columns, descending, mark.values, strict=True):
        steps.append(and_(*equal, _beyond(column, down, value, mark.backwards)))
        equal.append(column.is_(None) if value is None else column == value)
    return or_(*steps)


def _beyond(column: ColumnElement[Any], down: bool, value: Any, backwards: bool) -> ColumnElement[bool]:
    """Where a resource has no value it stands last; read backwards, such resources come first."""
    if value is None:
        return column.is_not(None) if backwards else false()
    further = column < value if down else column > value
    return further if backwards else or_(further, column.is_(None))


def _mark_of(query: SearchQuery) -> str:
    return hashlib.sha256(f"{query.type}?{query.self_query()}".encode()).hexdigest()[:16]


def _count(session: Session, conditions: Iterable[ColumnElement[bool]]) -> int:
    statement = select(func.count()).select_from(resource).where(*conditions)
    return int(session.connection.scalar(statement, execution_options=PLANNED_ANEW) or 0)
