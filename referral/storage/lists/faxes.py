"""Faxes that came in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, and_, select

from referral.domain.fax import FaxState, digits_of
from referral.domain.listing import Page, View
from referral.storage import tables
from referral.storage.db import Session
from referral.storage.faxes import COLUMNS, Fax, to_fax
from referral.storage.lists.conditions import numbers, one_of
from referral.storage.lists.keyset import CLINIC, Asked, Listing, Sort, read

_TABLE: Final = tables.incoming_fax
_REFERRAL: Final = tables.referral
# Fewer digits are in every number.
_LEAST: Final = 3


_ROWS: Final = select(*COLUMNS).where(_TABLE.c.clinic_id == CLINIC)


def _search(asked: Asked) -> ColumnElement[bool] | None:
    """Part of the number that sent it, or the number of its request."""
    if not asked.value:
        return None
    of_request = select(_REFERRAL.c.id).where(
        _REFERRAL.c.clinic_id == asked.session.clinic,
        _REFERRAL.c.number.in_(numbers(asked, asked.value.lower())),
    )
    found = _TABLE.c.referral_id.in_(of_request)
    digits = digits_of(asked.value)
    if len(digits) < _LEAST or asked.value.strip("+()-. 0123456789"):
        return found
    return found | _TABLE.c.from_number.contains(digits, autoescape=True)


def listed(
    session: Session, view: View, states: Mapping[str, Iterable[FaxState]], now: datetime
) -> Page[Fax]:
    """By state (the names of `states`), newest first; '' is what has to be placed."""
    chosen = {name: and_(_TABLE.c.state.in_(list(found))) for name, found in states.items()}
    listing: Listing[Fax] = Listing(
        query=_ROWS,
        to_row=lambda row: to_fax(row[: len(COLUMNS)]),
        sorts={
            "newest": Sort((_TABLE.c.received_at, _TABLE.c.id), descending=True),
            "oldest": Sort((_TABLE.c.received_at, _TABLE.c.id)),
        },
        filters={"state": one_of(chosen), "q": _search},
        always=frozenset({"state"}),
    )
    return read(session, listing, view, now)
