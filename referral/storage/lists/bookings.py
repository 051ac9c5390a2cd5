"""Bookings of chairs, whatever their day."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, select

from referral.domain.booking import OPEN, RELEASED, Booking, BookingStatus
from referral.domain.listing import Page, View
from referral.storage import tables
from referral.storage.bookings import FIELDS, to_booking
from referral.storage.db import Session
from referral.storage.lists.conditions import equals, every_word, one_of, people_named
from referral.storage.lists.keyset import CLINIC, Asked, Listing, Sort, read

_TABLE: Final = tables.booking
_STATUS: Final = _TABLE.c.status


def _ahead(asked: Asked) -> ColumnElement[bool]:
    return and_(_STATUS.in_(OPEN), _TABLE.c.ends_at > asked.now)


STATES: Final[dict[str, Any]] = {
    "": _ahead,
    "tentative": _STATUS == BookingStatus.PENDING,
    "released": and_(_STATUS == BookingStatus.CANCELLED, _TABLE.c.reason == RELEASED),
    "cancelled": _STATUS == BookingStatus.CANCELLED,
    "missed": _STATUS == BookingStatus.NO_SHOW,
    "started": _STATUS == BookingStatus.FULFILLED,
    "all": None,
}


_ROWS: Final = select(*(_TABLE.c[name] for name in FIELDS)).where(_TABLE.c.clinic_id == CLINIC)


def _search(asked: Asked) -> ColumnElement[bool] | None:
    own = select(_TABLE.c.id).where(_TABLE.c.clinic_id == asked.session.clinic)
    named = lambda word: own.where(_TABLE.c.patient_id.in_(people_named(asked, tables.patient, word)))  # noqa: E731
    return every_word(asked, _TABLE.c.id, named)


def _from(asked: Asked) -> ColumnElement[bool]:
    return _TABLE.c.starts_at >= datetime.fromisoformat(asked.value)


def _until(asked: Asked) -> ColumnElement[bool]:
    return _TABLE.c.starts_at < datetime.fromisoformat(asked.value)


_KEYS: Final = (_TABLE.c.starts_at, _TABLE.c.id)
_BOOKINGS: Final[Listing[Booking]] = Listing(
    query=_ROWS,
    to_row=lambda row: to_booking(row[: len(FIELDS)]),
    sorts={"nearest": Sort(_KEYS), "latest": Sort(_KEYS, descending=True)},
    filters={
        "state": one_of(STATES),
        "q": _search,
        "chair": equals(_TABLE.c.chair_id),
        "since": _from,
        "until": _until,
    },
    always=frozenset({"state"}),
)


def listed(session: Session, view: View, now: datetime) -> Page[Booking]:
    """By what became of them, the patient's name, chair, and [since, until) as moments in ISO 8601."""
    return read(session, _BOOKINGS, view, now)
