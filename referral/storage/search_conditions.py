"""The conditions of a search in SQL; they mean what `accepts` in fhir/search_values.py says.

Row-level security keeps functions that are not leak-proof away from indexes, and joins on what they make,
too: concatenation, substr, LIKE. So ranges stand for prefixes, and what another resource is known by is
gathered into an array first, which an index then takes value by value.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Double,
    Select,
    Text,
    and_,
    any_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY

from referral.fhir.index_values import PAIR
from referral.fhir.search_model import Alternatives
from referral.fhir.search_query import Clause, Link, SearchQuery
from referral.fhir.search_values import (
    EARTH_DIAMETER,
    CompositeValue,
    DateValue,
    NearValue,
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
    asked = [condition(session, resource, query.type, clause) for clause in query.clauses]
    return [*own, *asked, *restriction(session, query.type, query.within)]


def restriction(session: Session, type: str, within: Alternatives | None) -> list[ColumnElement[bool]]:
    """One alternative has to hold as a whole; no condition for None."""
    if within is None:
        return []
    parts = [and_(*[condition(session, resource, type, clause) for clause in clauses]) for clauses in within]
    return [or_(false(), *parts)]


def condition(session: Session, row: Any, type: str, clause: Clause) -> ColumnElement[bool]:
    """One clause about `row`, the resource table or an alias of it, which holds resources of `type`."""
    if clause.links:
        return _linked(session, row, type, clause)
    if clause.parameter in OF_THE_STORE:
        if clause.missing is not None:
            return false() if clause.missing else true()
        met = or_(*[OF_THE_STORE[clause.parameter](row, value) for value in clause.values])
        return ~met if clause.modifier == "not" else met
    entry = search_entry.alias()
    of_resource = entry_of_resource(session, entry, type, (clause.parameter, *clause.also), row)
    if clause.missing is not None:
        present = exists().where(of_resource)
        return ~present if clause.missing else present
    found = exists().where(of_resource, _any_of(entry, clause))
    return ~found if clause.modifier == "not" else found


def entry_of_resource(
    session: Session, entry: Any, type: str, parameters: tuple[str, ...], row: Any = resource
) -> ColumnElement[bool]:
    """Joins an alias of the entries to the resource of the statement around it."""
    return and_(_entries(session, entry, type, *parameters), entry.c.id == row.c.id)


def _entries(session: Session, entry: Any, type: str, *parameters: str) -> ColumnElement[bool]:
    own = and_(entry.c.clinic_id == session.clinic, entry.c.type == type)
    if len(parameters) == 1:
        return and_(own, entry.c.parameter == parameters[0])
    return and_(own, entry.c.parameter.in_(parameters))


# ---- Other resources


def _linked(session: Session, row: Any, type: str, clause: Clause) -> ColumnElement[bool]:
    if clause.kind == "has":
        return row.c.id == _any_in(ids_pointed_at(session, type, clause))  # type: ignore[no-any-return]
    entry = search_entry.alias()
    leads = entry.c.value == _any_in(references_led_to(session, clause))
    return exists().where(entry_of_resource(session, entry, type, (clause.parameter,), row), leads)


def _any_in(found: Any) -> Any:
    return any_(func.array(found.scalar_subquery(), type_=ARRAY(Text)))


def references_led_to(session: Session, clause: Clause) -> Any:
    """`Type/id` of everything at the end of a chain for which it holds."""
    parts = []
    for link in clause.links:
        ids = _ids_of(session, link).subquery()
        parts.append(select(literal(f"{link.type}/").concat(ids.c.id)))
    return union_all(*parts) if len(parts) > 1 else parts[0]


def ids_pointed_at(session: Session, type: str, clause: Clause) -> Select[tuple[str]]:
    """The ids of resources of `type` to which those of a `_has` point."""
    (link,) = clause.links
    entry = search_entry.alias()
    return select(func.substr(entry.c.value, len(type) + 2)).where(
        _entries(session, entry, link.type, clause.parameter),
        _begins(entry.c.value, f"{type}/"),
        entry.c.id.in_(_ids_of(session, link)),
    )


def _ids_of(session: Session, link: Link) -> Select[tuple[str]]:
    """Out of the entries alone where what is asked for is there; some ids more than once."""
    clause = link.clause
    if clause.parameter in OF_THE_STORE or clause.missing or clause.modifier == "not":
        row = resource.alias()
        own = [row.c.clinic_id == session.clinic, row.c.type == link.type]
        return select(row.c.id).where(*own, condition(session, row, link.type, clause))
    entry = search_entry.alias()
    met = true() if clause.missing is False else _any_of(entry, clause)
    return select(entry.c.id).where(_entries(session, entry, link.type, clause.parameter), met)


# ---- Values


def _any_of(entry: Any, clause: Clause) -> ColumnElement[bool]:
    """Values by OR; where all are exact, the index is asked for them at once, the rest looked at after."""
    parts = [_matches(entry, value, clause.modifier) for value in clause.values]
    exact = [_exact_values(value) for value in clause.values] if clause.modifier != "below" else [()]
    if all(exact):
        return and_(entry.c.value.in_([text for texts in exact for text in texts]), or_(*parts))
    return or_(*parts)


def _exact_values(value: Value) -> tuple[str, ...]:
    if isinstance(value, TokenValue):
        return (value.value,) if value.value is not None else ()
    if isinstance(value, ReferenceValue):
        return value.targets
    return (value.value,) if isinstance(value, UriValue) else ()


def _matches(entry: Any, value: Value, modifier: str | None = None) -> ColumnElement[bool]:
    if isinstance(value, StringValue):
        return _string(entry, value, modifier)
    if isinstance(value, UriValue):
        below = modifier == "below"
        return _begins(entry.c.value, value.value) if below else entry.c.value == value.value
    return _MATCHES[type(value)](entry, value)  # type: ignore[no-any-return]


def _token(entry: Any, value: TokenValue) -> ColumnElement[bool]:
    parts: list[ColumnElement[bool]] = []
    if value.value is not None:
        parts.append(entry.c.value == value.value)
    if value.system:
        parts.append(entry.c.system == value.system)
    elif value.system is not None:
        parts.append(func.coalesce(entry.c.system, "") == "")
    return and_(true(), *parts)


def _reference(entry: Any, value: ReferenceValue) -> ColumnElement[bool]:
    return entry.c.value.in_(value.targets)  # type: ignore[no-any-return]


def _string(entry: Any, value: StringValue, modifier: str | None) -> ColumnElement[bool]:
    if modifier == "exact":
        return and_(entry.c.value == value.folded, entry.c.system == value.written)
    if modifier == "contains":
        found: ColumnElement[bool] = func.strpos(entry.c.value, value.folded) > 0
        return found
    return _begins(entry.c.value, value.folded)


def _begins(column: Any, prefix: str) -> ColumnElement[bool]:
    """LIKE would do the same, but row-level security keeps it away from the index."""
    parts = [column.op("~>=~", is_comparison=True)(prefix)]
    after = _after_prefix(prefix)
    if after is not None:
        parts.append(column.op("~<~", is_comparison=True)(after))
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
    """Of `ge` and `le` the half that an index can take, then what it lets in too much.

    As an OR of gt and eq they would be the same, but look like half as many to the planner.
    """
    low, high = entry.c.low, entry.c.high
    within = and_(low >= value.low, high <= value.high)
    met: dict[str, ColumnElement[bool]] = {
        "eq": and_(within, low < value.high),
        "ne": ~within,
        "gt": high > value.high,
        "lt": low < value.low,
        "ge": and_(high > value.low, ~and_(low < value.low, high <= value.high)),
        "le": and_(low < value.high, ~and_(low >= value.low, high > value.high)),
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
    # Says it once more for an index that holds numbers only.
    met = and_(number.is_not(None), met)
    if value.system is not None:
        met = and_(met, func.coalesce(entry.c.system, "") == value.system)
    return and_(met, entry.c.value == value.unit) if value.unit is not None else met


def _composite(entry: Any, value: CompositeValue) -> ColumnElement[bool]:
    """Both parts, out of columns that hold them together; an index finds the first."""
    parts = [
        _matches(SimpleNamespace(c=_part(entry, 1)), value.first),
        _matches(SimpleNamespace(c=_part(entry, 2)), value.second),
    ]
    if value.first.value is not None:
        parts.insert(0, _begins(entry.c.value, f"{value.first.value}{PAIR}"))
    return and_(*parts)


def _part(entry: Any, place: int) -> SimpleNamespace:
    """The columns of one part, as `unpaired` gives them."""
    return SimpleNamespace(
        value=func.split_part(entry.c.value, PAIR, place, type_=Text),
        system=func.split_part(entry.c.system, PAIR, place, type_=Text),
        low=entry.c.low,
        high=entry.c.high,
        number=entry.c.number,
    )


def _near(entry: Any, value: NearValue) -> ColumnElement[bool]:
    """Great-circle distance by the haversine formula; only a position's value is read as a number."""
    longitude = case((entry.c.parameter == "near", cast(entry.c.value, Double)), else_=None)
    there = func.radians(cast(entry.c.number, Double)), func.radians(longitude)
    here = func.radians(value.latitude), func.radians(value.longitude)
    half = func.power(func.sin((there[0] - here[0]) / 2.0), 2.0) + func.cos(here[0]) * func.cos(
        there[0]
    ) * func.power(func.sin((there[1] - here[1]) / 2.0), 2.0)
    distance = EARTH_DIAMETER * func.asin(func.least(1.0, func.sqrt(half)))
    return and_(entry.c.number.is_not(None), distance <= value.kilometres)


_MATCHES: Final[dict[type, Any]] = {
    TokenValue: _token,
    ReferenceValue: _reference,
    DateValue: _date,
    NumberValue: _number,
    CompositeValue: _composite,
    NearValue: _near,
}


# ---- What the store keeps of every resource


def _id(row: Any, value: Value) -> ColumnElement[bool]:
    if not isinstance(value, TokenValue) or value.value is None or value.system:
        return false()
    return row.c.id == value.value  # type: ignore[no-any-return]


def _last_updated(row: Any, value: Value) -> ColumnElement[bool]:
    """An instant is a point: what lies within its millisecond counts as that millisecond."""
    if not isinstance(value, DateValue):
        return false()
    at = row.c.last_updated
    within = and_(at >= value.low, at < value.high)
    met: dict[str, ColumnElement[bool]] = {
        "eq": within,
        "ap": within,
        "ne": ~within,
        "gt": at >= value.high,
        "sa": at >= value.high,
        "ge": at >= value.low,
        "lt": at < value.low,
        "eb": at < value.low,
        "le": at < value.high,
    }
    return met[value.prefix]


OF_THE_STORE: Final = {"_id": _id, "_lastUpdated": _last_updated}
