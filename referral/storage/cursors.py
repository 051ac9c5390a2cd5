"""Where a page of a search ends, as an opaque text that is checked when it comes back.

It names a place in the order of one query and gives no right to anything, so it is not signed: whatever it
says, the query's own conditions hold.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn

import msgspec

from referral.fhir.problems import InvalidSearch, Issue
from referral.fhir.search_query import Sort

_MAX_LENGTH: Final = 4000
# Twice what a body may hold (fhir/json.py); PostgreSQL refuses absurd ones with an error of its own.
_WIDEST_EXPONENT: Final = 128
_NUMBERS: Final = frozenset({"number", "quantity"})


@dataclass(frozen=True, slots=True)
class Cursor:
    """The values of the sort keys and the id of one row; the page lies after it, or before it."""

    values: tuple[Any, ...]
    backwards: bool


def write_cursor(mark: str, row: Any, keys: int, *, backwards: bool) -> str:
    """`mark` tells queries apart; `row` has its sort keys as key_0, key_1 and so on."""
    values = [_plain(getattr(row, f"key_{place}")) for place in range(keys)]
    body = msgspec.json.encode([mark, backwards, *values, row.id])
    return base64.urlsafe_b64encode(body).decode().rstrip("=")


def read_cursor(text: str, mark: str, sorts: Sequence[Sort]) -> Cursor:
    """Raises InvalidSearch for anything that `write_cursor` did not write for this query."""
    if len(text) > _MAX_LENGTH:
        _refuse()
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        parts = msgspec.json.decode(raw)
        found, backwards, *values, id = parts
        keys = [_value(sort, value) for sort, value in zip(sorts, values, strict=True)]
    except (binascii.Error, msgspec.DecodeError, TypeError, ValueError, InvalidOperation):
        _refuse()
    if found != mark or not isinstance(backwards, bool) or not isinstance(id, str) or "\x00" in id:
        _refuse()
    return Cursor((*keys, id), backwards)


def _plain(value: Any) -> str | None:
    if value is None:
        return None
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _value(sort: Sort, text: object) -> Any:
    if text is None:
        if sort.parameter in {"_id", "_lastUpdated"}:
            raise ValueError("never missing")
        return None
    if not isinstance(text, str) or "\x00" in text:
        raise TypeError("not a text")
    if sort.kind == "date":
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("without a zone")
        return moment
    if sort.kind in _NUMBERS:
        number = Decimal(text)
        if not number.is_finite() or abs(number.adjusted()) > _WIDEST_EXPONENT:
            raise ValueError("not a number that we store")
        return number
    return text


def _refuse() -> NoReturn:
    text = "This page is not one of this search; follow the links as they were given."
    raise InvalidSearch(Issue(text, ("_cursor",), "value"))
