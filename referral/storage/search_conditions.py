"""The conditions of a search in SQL; they mean what `accepts` in fhir/search_values.py says."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, and_, exists, false, func, or_, true

from referral.fhir.search_model import Alternatives
from referral.fhir.search_query import Clause, SearchQuery
from referral.fhir.search_values import (
    DateValue,
    NumberValue,
    ReferenceValue,
    StringValue,
    TokenValue,
    UriValue,
    Value,
)
from referral.storage.db import Session
from referral.storage.tables import resource, search_entry


def conditions_of(session: Session, query: SearchQuery) -> list[ColumnElement[bool]]:
    """The clinic, the type, every clause of the query, and what scopes leave of it; all have to hold."""
    own = [resource.c.clinic_id == session.clinic, resource.c.type == query.type]
    asked = [_condition(session, query.type, clause) for clause in query.clauses]
    return [*own, *asked, *restriction(session, query.type, query.within)]


def restriction(session: Session, type: str, within: Alternatives | None) -> list[ColumnElement[bool]]:
    """One alternative has to hold as a whole; no condition for None."""
    if within is None:
        return []
    parts = [and_(*[_condition(session, type, clause) for clause in clauses]) for clauses in within]
    return [or_(false(), *parts)]


def _condition(session: Session, type: str, clause: Clause) -> ColumnElement[bool]:
    if clause.parameter in OF_THE_STORE:
        if clause.missing is not None:
            return false() if clause.missing else true()
        met = or_(*[OF_THE_STORE[clause.parameter](value) for value in clause.values])
        return ~met if clause.modifier == "not" else met
    entry = search_entry.alias()
    of_resource = entry_of_resource(session, entry, type, clause.parameter)
    if clause.missing is not None:
        present = exists().where(of_resource)
        return ~present if clause.missing else present
    found = exists().where(of_resource, _any_of(entry, clause))
    return ~found if clause.modifier == "not" else found


def entry_of_resource(session: Session, entry: Any, type: str, parameter: str) -> ColumnElement[bool]:
    """Joins an alias of the entries to the resource of the statement around it."""
    return and_(
        entry.c.clinic_id == session.clinic,
        entry.c.type == type,
        entry.c.parameter == parameter,
        entry.c.id == resource.c.id,
    )


def _any_of(entry: Any, clause: Clause) -> ColumnElement[bool]:
    """Values by OR; where all are exact, the index is asked for them at once, the rest looked at after."""
    parts = [_matches(entry, value, clause.modifier) for value in clause.values]
    exact = [_exact_values(value) for value in clause.values]
    if all(exact):
        return and_(entry.c.value.in_([text for texts in exact for text in texts]), or_(*parts))
    return or_(*parts)


def _exact_values(value: Value) -> tuple[str, ...]:
    if isinstance(value, TokenValue):
        return (value.value,) if value.value is not None else ()
    if isinstance(value, ReferenceValue):
        return value.targets
    return (value.value,) if isinstance(value, UriValue) else ()


def _matches(entry: Any, value: Value, modifier: str | None) -> ColumnElement[bool]:
    if isinstance(value, TokenValue):
        return _token(entry, value)
    if isinstance(value, ReferenceValue):
        return entry.c.value.in_(value.targets)  # type: ignore[no-any-return]
    if isinstance(value, StringValue):
        return _string(entry, value, modifier)
    if isinstance(value, UriValue):
        return entry.c.value == value.value  # type: ignore[no-any-return]
    if isinstance(value, DateValue):
        return _date(entry, value)
    return _number(entry, value)


def _token(entry: Any, value: TokenValue) -> ColumnElement[bool]:
    parts: list[ColumnElement[bool]] = []
    if value.value is not None:
        parts.append(entry.c.value == value.value)
    if value.system:
        parts.append(entry.c.system == value.system)
    elif value.system is not None:
        parts.append(func.coalesce(entry.c.system, "") == "")
    return and_(true(), *parts)


def _string(entry: Any, value: StringValue, modifier: str | None) -> ColumnElement[bool]:
    if modifier == "exact":
        return and_(entry.c.value == value.folded, entry.c.system == value.written)
    if modifier == "contains":
        found: ColumnElement[bool] = func.strpos(entry.c.value, value.folded) > 0
        return found
    # LIKE would do the same, but row-level security keeps it away from the index: only these are leak-proof.
    parts = [entry.c.value.op("~>=~", is_comparison=True)(value.folded)]
    after = _after_prefix(value.folded)
    if after is not None:
        parts.append(entry.c.value.op("~<~", is_comparison=True)(after))
    return and_(*parts)


def _after_prefix(prefix: str) -> str | None:
    """The first text, by code points, behind all that begin with `prefix`; None where there is none."""
    for end in range(len(prefix), 0, -1):
        code = ord(prefix[end - 1]) + 1
        if code == 0xD800:
            code = 0xE000
        if code <= 0x10FFFF:
            return prefix[: end - 1] + chr(code)
    return None


def _date(entry: Any, value: DateValue) -> ColumnElement[bool]:
    low, high = entry.c.low, entry.c.high
    within = and_(low >= value.low, high <= value.high)
    met: dict[str, ColumnElement[bool]] = {
        "eq": and_(within, low < value.high),
        "ne": ~within,
        "gt": high > value.high,
        "ge": or_(high > value.high, within),
        "lt": low < value.low,
        "le": or_(low < value.low, within),
        "sa": low >= value.high,
        "eb": high <= value.low,
        "ap": and_(low < value.high, high > value.low),
    }
    return met[value.prefix]


def _number(entry: Any, value: NumberValue) -> ColumnElement[bool]:
    number = entry.c.number
    within = and_(number >= value.low, number < value.high)
    met: ColumnElement[bool] = {
        "eq": within,
        "ap": within,
        "ne": and_(number.is_not(None), ~within),
        "gt": number > value.number,
        "sa": number > value.number,
        "ge": number >= value.number,
        "lt": number < value.number,
        "eb": number < value.number,
        "le": number <= value.number,
    }[value.prefix]
    if value.system is not None:
        met = and_(met, func.coalesce(entry.c.system, "") == value.system)
    return and_(met, entry.c.value == value.unit) if value.unit is not None else met


def _id(value: Value) -> ColumnElement[bool]:
    if not isinstance(value, TokenValue) or value.value is None or value.system:
        return false()
    return resource.c.id == value.value


def _last_updated(value: Value) -> ColumnElement[bool]:
    """An instant is a point: what lies within its millisecond counts as that millisecond."""
    if not isinstance(value, DateValue):
        return false()
    at = resource.c.last_updated
    within = and_(at >= value.low, at < value.high)
    return {
        "eq": within,
        "ap": within,
        "ne": ~within,
        "gt": at >= value.high,
        "sa": at >= value.high,
        "ge": at >= value.low,
        "lt": at < value.low,
        "eb": at < value.low,
        "le": at < value.high,
    }[value.prefix]


OF_THE_STORE: Final = {"_id": _id, "_lastUpdated": _last_updated}
