"""Requests for emergency access."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_

from referral.domain.codes import OverrideReason
from referral.domain.listing import Page, View
from referral.domain.override import REVIEW_WITHIN, OverrideCase
from referral.storage import tables
from referral.storage.db import Session
from referral.storage.lists.conditions import one_of
from referral.storage.lists.keyset import CLINIC, Listing, Sort, read
from referral.storage.overrides import NAMES, cases_of, to_case

_ASKED: Final = tables.override_request
_SAID: Final = tables.override_decision
_FOUND: Final = tables.override_review
_TO_REVIEW: Final = and_(_SAID.c.outcome == "approved", _FOUND.c.justified.is_(None))
STATES: Final[dict[str, Any]] = {
    "asked": _SAID.c.outcome.is_(None),
    "approved": _SAID.c.outcome == "approved",
    "declined": _SAID.c.outcome == "declined",
    "to-review": _TO_REVIEW,
    "overdue": lambda asked: and_(_TO_REVIEW, _SAID.c.decided_at <= asked.now - REVIEW_WITHIN),
    "unjustified": _FOUND.c.justified.is_(False),
}
REASONS: Final[dict[str, Any]] = {reason: _ASKED.c.reason_code == reason for reason in OverrideReason}


_ROWS: Final = cases_of(CLINIC).order_by(None)


_KEYS: Final = (_ASKED.c.requested_at, _ASKED.c.id)
_OVERRIDES: Final[Listing[OverrideCase]] = Listing(
    query=_ROWS,
    to_row=lambda row: to_case({name: getattr(row, name) for name in NAMES}),
    sorts={"newest": Sort(_KEYS, descending=True), "oldest": Sort(_KEYS)},
    filters={"state": one_of(STATES), "reason": one_of(REASONS)},
)


def listed(session: Session, view: View, now: datetime) -> Page[OverrideCase]:
    """By what became of them and why they were asked for."""
    return read(session, _OVERRIDES, view, now)
