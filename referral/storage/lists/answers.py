"""Answers of clinicians: those that count, and until when; and orders with answers that wait for a person."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, not_, or_, select

from referral.domain.codes import POSITIVE, Decision
from referral.domain.life import ASK_AHEAD
from referral.domain.listing import Page, View
from referral.storage import orders, tables
from referral.storage.db import Session
from referral.storage.lists.conditions import every_word, one_of, people_named
from referral.storage.lists.keyset import CLINIC, Asked, Listing, Sort, read

_TABLE: Final = tables.recommendation
_ORDER: Final = tables.infusion_order
_POSITIVE: Final = _TABLE.c.decision.in_(POSITIVE)


def _remark(table: Any, about: Any, *more: ColumnElement[bool]) -> ColumnElement[bool]:
    same = and_(table.c.clinic_id == about.c.clinic_id, table.c.recommendation_id == about.c.id)
    return select(table.c.id).where(same, *more).exists()


def _declined(about: Any) -> ColumnElement[bool]:
    """The medical director's last word was no."""
    review = tables.recommendation_review
    last = (
        select(review.c.accepted)
        .where(review.c.clinic_id == about.c.clinic_id, review.c.recommendation_id == about.c.id)
        .order_by(review.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return last.is_(False)


_VOID: Final = _remark(tables.recommendation_void, _TABLE)
_COUNTS: Final = and_(_POSITIVE, not_(_VOID), not_(_declined(_TABLE)))
_OF_USED: Final = (
    select(_ORDER.c.id)
    .where(
        _ORDER.c.clinic_id == _TABLE.c.clinic_id,
        _ORDER.c.id == _TABLE.c.order_id,
        _ORDER.c.status.in_(orders.USABLE),
    )
    .exists()
)


def _expiring(asked: Asked) -> ColumnElement[bool]:
    """Of orders in use; within 30 days."""
    until = _TABLE.c.valid_until
    return and_(_COUNTS, _OF_USED, until > asked.now, until <= asked.now + ASK_AHEAD)


STATES: Final[dict[str, Any]] = {
    "": _expiring,
    "valid": lambda asked: and_(_COUNTS, _TABLE.c.valid_until > asked.now),
    "expired": lambda asked: and_(_POSITIVE, not_(_VOID), _TABLE.c.valid_until <= asked.now),
    "voided": _VOID,
    "refused": _TABLE.c.decision == Decision.NOT_RECOMMENDED,
    "all": None,
}


_ROWS: Final = select(_TABLE.c.id, _TABLE.c.referral_id).where(_TABLE.c.clinic_id == CLINIC)


def _search(asked: Asked) -> ColumnElement[bool] | None:
    own = select(_TABLE.c.id).where(_TABLE.c.clinic_id == asked.session.clinic)
    return every_word(
        asked,
        _TABLE.c.id,
        lambda word: own.where(_TABLE.c.patient_id.in_(people_named(asked, tables.patient, word))),
        lambda word: own.where(_TABLE.c.clinician_id.in_(people_named(asked, tables.clinician, word))),
    )


_ANSWERS: Final[Listing[tuple[str, str]]] = Listing(
    query=_ROWS,
    to_row=lambda row: (row.id, row.referral_id),
    sorts={
        "ends": Sort((_TABLE.c.valid_until, _TABLE.c.id)),
        "newest": Sort((_TABLE.c.answered_at, _TABLE.c.id), descending=True),
    },
    filters={"state": one_of(STATES), "q": _search},
    always=frozenset({"state"}),
)


def listed(session: Session, view: View, now: datetime) -> Page[tuple[str, str]]:
    """(answer, request) by what the answer amounts to; '' are those that end soon."""
    return read(session, _ANSWERS, view, now)


# ---- What a person has to look at


def _undecided_conflict(now: datetime) -> ColumnElement[bool]:
    """A refusal beside a recommendation that may count, as far as a row tells; the rulebook decides."""
    good, decided = _TABLE.alias("good"), tables.conflict_decision
    about = and_(
        decided.c.clinic_id == _TABLE.c.clinic_id,
        decided.c.refusal_id == _TABLE.c.id,
        decided.c.recommendation_id.in_((good.c.id, good.c.renews)),
    )
    beside = (
        select(good.c.id)
        .where(
            good.c.clinic_id == _TABLE.c.clinic_id,
            good.c.order_id == _TABLE.c.order_id,
            good.c.decision.in_(POSITIVE),
            good.c.valid_until > now,
            not_(_remark(tables.recommendation_void, good)),
            not_(select(decided.c.refusal_id).where(about).exists()),
        )
        .exists()
    )
    return and_(_TABLE.c.decision == Decision.NOT_RECOMMENDED, beside)


def _may_wait(strong: Iterable[str], now: datetime) -> ColumnElement[bool]:
    flagged = or_(
        func.cardinality(_TABLE.c.red_flags) > 0,
        _TABLE.c.decision == Decision.RECOMMENDED_WITH_CONDITIONS,
    )
    unread = and_(flagged, not_(_remark(tables.recommendation_review, _TABLE)))
    unproven = and_(
        _TABLE.c.strength.not_in(list(strong)), not_(_remark(tables.recommendation_confirmation, _TABLE))
    )
    waits = and_(_POSITIVE, _TABLE.c.valid_until > now, or_(unread, unproven))
    return and_(not_(_VOID), or_(waits, _undecided_conflict(now)))


def to_look_at(session: Session, view: View, strong: Iterable[str], now: datetime) -> Page[str]:
    """Orders in use with answers that may wait for a person, oldest answer first; `strong` count at once."""
    since = (
        select(_TABLE.c.order_id.label("id"), func.min(_TABLE.c.answered_at).label("since"))
        .where(_TABLE.c.clinic_id == CLINIC, _may_wait(strong, now), _OF_USED)
        .group_by(_TABLE.c.order_id)
        .subquery()
    )
    listing: Listing[str] = Listing(
        query=select(since.c.id),
        to_row=lambda row: str(row.id),
        sorts={
            "oldest": Sort((since.c.since, since.c.id)),
            "newest": Sort((since.c.since, since.c.id), descending=True),
        },
        filters={},
    )
    return read(session, listing, view, now)
