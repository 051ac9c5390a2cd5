"""Infusion orders."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, select

from referral.domain.listing import Page, View
from referral.domain.records import Order
from referral.storage import orders, tables
from referral.storage.db import Session
from referral.storage.lists.conditions import equals, every_word, one_of, people_named
from referral.storage.lists.keyset import CLINIC, Asked, Listing, Sort, read

_TABLE: Final = tables.infusion_order
_PATIENT: Final = tables.patient
# Those without a date come last.
DAY: Final = orders.DAY
_USABLE: Final = _TABLE.c.status.in_(orders.USABLE)
_ASKED: Final = (
    select(tables.referral.c.id)
    .where(
        tables.referral.c.clinic_id == _TABLE.c.clinic_id,
        tables.referral.c.order_id == _TABLE.c.id,
        tables.referral.c.closed_at.is_(None),
    )
    .exists()
)
_BLOCKED: Final = _TABLE.c.status == "on-hold"
# Those in use say so beside their status: then the index of those in use holds all that is asked for.
STATES: Final[dict[str, Any]] = {
    "": _USABLE,
    "blocked": and_(_USABLE, _BLOCKED),
    "requested": and_(_USABLE, _BLOCKED, _ASKED),
    "not-asked": and_(_USABLE, _BLOCKED, ~_ASKED),
    "open": and_(_USABLE, _TABLE.c.status == "active"),
    "ended": ~_USABLE,
}


_PERSON: Final = and_(_PATIENT.c.clinic_id == _TABLE.c.clinic_id, _PATIENT.c.id == _TABLE.c.patient_id)
_ROWS: Final = select(_TABLE).join(_PATIENT, _PERSON).where(_TABLE.c.clinic_id == CLINIC)


def _search(asked: Asked) -> ColumnElement[bool] | None:
    own = select(_TABLE.c.id).where(_TABLE.c.clinic_id == asked.session.clinic)
    return every_word(
        asked,
        _TABLE.c.id,
        lambda word: own.where(_TABLE.c.id.startswith(word.removeprefix("o-"), autoescape=True)),
        lambda word: own.where(_TABLE.c.patient_id.in_(people_named(asked, _PATIENT, word))),
    )


_ORDERS: Final[Listing[Any]] = Listing(
    query=_ROWS,
    to_row=lambda row: row,
    sorts={
        "infusion": Sort((DAY, _TABLE.c.created_at, _TABLE.c.id)),
        "newest": Sort((_TABLE.c.created_at, _TABLE.c.id), descending=True),
        "oldest": Sort((_TABLE.c.created_at, _TABLE.c.id)),
        "patient": Sort((_PATIENT.c.search_name, _TABLE.c.id)),
    },
    filters={"state": one_of(STATES), "q": _search, "patient": equals(_TABLE.c.patient_id)},
    always=frozenset({"state"}),
)


def listed(session: Session, view: View, now: datetime) -> Page[Order]:
    """By state (STATES) and by the patient's name or the beginning of the order's number."""
    page = read(session, _ORDERS, view, now)
    return page.of(orders.to_orders(session, page.rows))
