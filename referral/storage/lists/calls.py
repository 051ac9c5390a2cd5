"""Calls to be made."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, select

from referral.domain.calls import CallReason, CallState
from referral.domain.listing import Page, View
from referral.storage import tables
from referral.storage.calls import COLUMNS, CallTask, to_task
from referral.storage.db import Session
from referral.storage.lists.conditions import every_word, numbers, one_of, people_named
from referral.storage.lists.keyset import CLINIC, Asked, Listing, Sort, read
from referral.storage.lists.orders import DAY

_TABLE: Final = tables.call_task
_REFERRAL: Final = tables.referral
_ORDER: Final = tables.infusion_order


_ROWS: Final = (
    select(*COLUMNS)
    .join(
        _REFERRAL,
        and_(_REFERRAL.c.clinic_id == _TABLE.c.clinic_id, _REFERRAL.c.id == _TABLE.c.referral_id),
    )
    .join(_ORDER, and_(_ORDER.c.clinic_id == _REFERRAL.c.clinic_id, _ORDER.c.id == _REFERRAL.c.order_id))
    .where(_TABLE.c.clinic_id == CLINIC, _TABLE.c.state == CallState.OPEN)
)


STATES: Final[dict[str, Any]] = {
    "": None,
    "now": lambda asked: _TABLE.c.due_at <= asked.now,
    "later": lambda asked: _TABLE.c.due_at > asked.now,
}
REASONS: Final[dict[str, Any]] = {reason: _TABLE.c.why == reason for reason in CallReason}


def _search(asked: Asked) -> ColumnElement[bool] | None:
    own = select(_REFERRAL.c.id).where(_REFERRAL.c.clinic_id == asked.session.clinic)
    return every_word(
        asked,
        _TABLE.c.referral_id,
        lambda word: own.where(_REFERRAL.c.number.in_(numbers(asked, word))),
        lambda word: own.where(_REFERRAL.c.patient_id.in_(people_named(asked, tables.patient, word))),
        lambda word: own.where(_REFERRAL.c.clinician_id.in_(people_named(asked, tables.clinician, word))),
    )


_CALLS: Final[Listing[CallTask]] = Listing(
    query=_ROWS,
    to_row=lambda row: to_task(row[: len(COLUMNS)]),
    sorts={
        # The nearest infusion, then who has waited longest.
        "infusion": Sort((DAY, _REFERRAL.c.started_at, _TABLE.c.id)),
        "due": Sort((_TABLE.c.due_at, _TABLE.c.id)),
        "waited": Sort((_REFERRAL.c.started_at, _TABLE.c.id)),
    },
    filters={"state": one_of(STATES), "why": one_of(REASONS), "q": _search},
)


def listed(session: Session, view: View, now: datetime) -> Page[CallTask]:
    """Open ones by when they are due, why, and whom they are about; nearest infusion first."""
    return read(session, _CALLS, view, now)
