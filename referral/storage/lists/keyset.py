"""One way to read a list: filters and an order become one statement that begins where a page has ended.

The place is the values of the sort keys of a row, so a far page costs as much as the first one, and what is
added or taken away meanwhile moves nothing. It gives no right to anything; it is sealed with the clinic's key
since a sort key may be a name, and addresses are written down by proxies and browsers.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from typing import Any, Final, Generic, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, func, literal, select, tuple_

from referral.domain.listing import COUNTED, Page, View
from referral.storage import clinics
from referral.storage.db import PLANNED_ANEW, Session, flush

_LONGEST: Final = 4000
_PURPOSE: Final = "place-in-a-list"
_BIGGEST: Final = 2**63

_Row = TypeVar("_Row")
# The clinic whose rows a list has; read() binds it.
CLINIC: Final[BindParameter[str]] = bindparam("clinic")


@dataclass(frozen=True, slots=True)
class Asked:
    """One filter as it was asked for; `now` is the present of the request."""

    session: Session
    value: str
    now: datetime


Condition = Callable[[Asked], ColumnElement[bool] | None]


@dataclass(frozen=True, slots=True)
class Sort:
    """All keys go one way, none is ever NULL, and the last tells every row from every other."""

    keys: tuple[ColumnElement[Any], ...]
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[_Row]):
    """`query` has the columns of a row, of CLINIC alone. The first of `sorts` is the usual.

    A filter that returns None for a value lets everything through. `always` are filters that hold for no
    value, too: what a list shows before anybody has chosen.
    """

    query: Select[Any]
    to_row: Callable[[Any], _Row]
    sorts: Mapping[str, Sort]
    filters: Mapping[str, Condition]
    always: frozenset[str] = frozenset()
    # The statement of a first page without filters is built once: it is what most people look at.
    first_pages: dict[tuple[str, int], Select[Any]] = field(default_factory=dict)


def read(session: Session, listing: Listing[_Row], view: View, now: datetime) -> Page[_Row]:
    """One page; counted unless it is a part of a file."""
    flush(session)
    name = view.sort if view.sort in listing.sorts else next(iter(listing.sorts))
    sort = listing.sorts[name]
    conditions = tuple(_conditions(session, listing, view, now))
    rows_from = partial(_rows, session, listing, conditions, name, limit=view.size + 1)
    place = _read_place(session, view.before or view.after, name, sort)
    backwards = place is not None and bool(view.before)
    rows = rows_from(place, backwards=backwards)
    if not rows and place is not None and not view.export:
        # What stood there is gone: a page begins anew, a file has ended.
        place, backwards = None, False
        rows = rows_from(None, backwards=False)
    more, shown = len(rows) > view.size, rows[: view.size]
    if backwards:
        shown.reverse()
    everything = place is None and not more
    earlier, later = (more, True) if backwards else (place is not None, more)
    return Page(
        rows=tuple(listing.to_row(row) for row in shown),
        before=_place(session, name, sort, shown[0]) if shown and earlier else "",
        after=_place(session, name, sort, shown[-1]) if shown and later else "",
        count=None if view.export else len(shown) if everything else _count(session, listing, conditions),
    )


def _conditions(
    session: Session, listing: Listing[Any], view: View, now: datetime
) -> Iterator[ColumnElement[bool]]:
    for filter, condition in listing.filters.items():
        value = view.wants(filter)
        if value or filter in listing.always:
            found = condition(Asked(session, value, now))
            if found is not None:
                yield found


def _rows(
    session: Session,
    listing: Listing[Any],
    conditions: tuple[ColumnElement[bool], ...],
    name: str,
    place: tuple[Any, ...] | None,
    *,
    limit: int,
    backwards: bool,
) -> list[Any]:
    is_first = place is None and not conditions
    statement = listing.first_pages.get((name, limit)) if is_first else None
    if statement is None:
        query = listing.query.where(*conditions)
        statement = _statement(query, listing.sorts[name], place, limit, backwards=backwards)
        if is_first:
            listing.first_pages[name, limit] = statement
    given = {CLINIC.key: session.clinic}
    return list(session.connection.execute(statement, given, execution_options=PLANNED_ANEW))


def _statement(
    query: Select[Any], sort: Sort, place: tuple[Any, ...] | None, limit: int, *, backwards: bool
) -> Select[Any]:
    down = sort.descending is not backwards
    if place is not None:
        here = tuple_(*sort.keys)
        there = tuple_(*(literal(value, key.type) for value, key in zip(place, sort.keys, strict=True)))
        query = query.where(here < there if down else here > there)
    query = query.add_columns(*(key.label(f"key_{number}") for number, key in enumerate(sort.keys)))
    return query.order_by(*(key.desc() if down else key.asc() for key in sort.keys)).limit(limit)


def _count(session: Session, listing: Listing[Any], conditions: tuple[ColumnElement[bool], ...]) -> int:
    """At most COUNTED: counting further costs as much as there is."""
    query = listing.query.where(*conditions)
    some = query.with_only_columns(literal(1)).order_by(None).limit(COUNTED).subquery()
    counted = select(func.count()).select_from(some)
    given = {CLINIC.key: session.clinic}
    return int(session.connection.scalar(counted, given, execution_options=PLANNED_ANEW) or 0)


# ---- The place where a page ends


def _place(session: Session, name: str, sort: Sort, row: Any) -> str:
    values = [getattr(row, f"key_{number}") for number in range(len(sort.keys))]
    body = msgspec.json.encode([name, *(_plain(value) for value in values)])
    sealed = session.vault.seal(clinics.get(session, session.clinic).wrapped_key, body, _PURPOSE)
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)


def _read_place(session: Session, text: str, name: str, sort: Sort) -> tuple[Any, ...] | None:
    """None for what no page of this list has told in this order: then the list begins anew."""
    if not text or len(text) > _LONGEST:
        return None
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        body = session.vault.open(clinics.get(session, session.clinic).wrapped_key, raw, _PURPOSE)
        found, *values = msgspec.json.decode(body, type=list[str])
        place = tuple(_value(key, value) for key, value in zip(sort.keys, values, strict=True))
    except (binascii.Error, InvalidTag, msgspec.DecodeError, ValueError):
        return None
    return place if found == name else None


def _value(key: ColumnElement[Any], text: str) -> Any:
    """Raises ValueError for what cannot be a value of this key."""
    kind = key.type.python_type
    if "\x00" in text:
        raise ValueError("no text of ours")
    if kind is datetime:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("without a zone")
        return moment
    if kind is date:
        return date.fromisoformat(text)
    if kind is int:
        number = int(text)
        if abs(number) >= _BIGGEST:
            raise ValueError("not a number that we store")
        return number
    return uuid.UUID(text) if kind is uuid.UUID else text
