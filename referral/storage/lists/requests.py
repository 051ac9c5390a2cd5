"""All requests to clinicians."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, or_, select

from referral.domain.codes import BusinessStatus, Channel, TaskStatus
from referral.domain.listing import Page, View
from referral.domain.outgoing import WITH_LINK
from referral.domain.records import Referral
from referral.storage import tables
from referral.storage.db import Session
from referral.storage.lists.conditions import equals, every_word, numbers, one_of, people_named
from referral.storage.lists.keyset import CLINIC, Asked, Listing, Sort, read
from referral.storage.referrals import FIELDS, to_referral

_TABLE: Final = tables.referral
_PATIENT: Final = tables.patient
_CLINICIAN: Final = tables.clinician
_OPEN: Final = _TABLE.c.closed_at.is_(None)
_ENDED: Final = _TABLE.c.closed_at.is_not(None)
_ANSWERED: Final = and_(_ENDED, _TABLE.c.status == TaskStatus.COMPLETED)


_PERSON: Final = and_(_PATIENT.c.clinic_id == _TABLE.c.clinic_id, _PATIENT.c.id == _TABLE.c.patient_id)
_ASKED: Final = and_(_CLINICIAN.c.clinic_id == _TABLE.c.clinic_id, _CLINICIAN.c.id == _TABLE.c.clinician_id)
_ROWS: Final = (
    select(*(_TABLE.c[name] for name in FIELDS))
    .join(_PATIENT, _PERSON)
    .join(_CLINICIAN, _ASKED)
    .where(_TABLE.c.clinic_id == CLINIC)
)


def _held(asked: Asked) -> ColumnElement[bool]:
    return and_(_OPEN, or_(_TABLE.c.held_at.is_not(None), _TABLE.c.paused_until >= asked.now.date()))


STATES: Final[dict[str, Any]] = {
    "": _OPEN,
    "overdue": lambda asked: and_(_OPEN, _TABLE.c.due_at < asked.now),
    "not-delivered": and_(_OPEN, _TABLE.c.business_status == BusinessStatus.DELIVERY_FAILED),
    "opened": and_(_OPEN, _TABLE.c.business_status == BusinessStatus.VIEWED),
    "held": _held,
    "answered": _ANSWERED,
    "ended": and_(_ENDED, _TABLE.c.status != TaskStatus.COMPLETED),
    "all": None,
}


def _search(asked: Asked) -> ColumnElement[bool] | None:
    own = select(_TABLE.c.id).where(_TABLE.c.clinic_id == asked.session.clinic)
    return every_word(
        asked,
        _TABLE.c.id,
        lambda word: own.where(_TABLE.c.number.in_(numbers(asked, word))),
        lambda word: own.where(_TABLE.c.patient_id.in_(people_named(asked, _PATIENT, word))),
        lambda word: own.where(_TABLE.c.clinician_id.in_(people_named(asked, _CLINICIAN, word))),
    )


def _sent_by(asked: Asked) -> ColumnElement[bool] | None:
    """A letter with a link went, or goes, by this channel."""
    if asked.value not in set(Channel):
        return None
    message = tables.message
    return (
        select(message.c.id)
        .where(
            message.c.clinic_id == _TABLE.c.clinic_id,
            message.c.referral_id == _TABLE.c.id,
            message.c.kind.in_(WITH_LINK),
            message.c.channel == asked.value,
        )
        .exists()
    )


def _moment(column: ColumnElement[Any]) -> Any:
    """Until a moment in ISO 8601, which a service has worked out."""

    def condition(asked: Asked) -> ColumnElement[bool]:
        return column <= datetime.fromisoformat(asked.value)

    return condition


_REQUESTS: Final[Listing[Referral]] = Listing(
    query=_ROWS,
    to_row=lambda row: to_referral(row[: len(FIELDS)]),
    sorts={
        "due": Sort((_TABLE.c.due_at, _TABLE.c.id)),
        "newest": Sort((_TABLE.c.created_at, _TABLE.c.id), descending=True),
        "oldest": Sort((_TABLE.c.created_at, _TABLE.c.id)),
        "patient": Sort((_PATIENT.c.search_name, _TABLE.c.created_at, _TABLE.c.id)),
        "clinician": Sort((_CLINICIAN.c.search_name, _TABLE.c.created_at, _TABLE.c.id)),
    },
    filters={
        "state": one_of(STATES),
        "q": _search,
        "channel": _sent_by,
        "patient": equals(_TABLE.c.patient_id),
        "clinician": equals(_TABLE.c.clinician_id),
        "started_until": _moment(_TABLE.c.started_at),
        "due_until": _moment(_TABLE.c.due_at),
    },
    always=frozenset({"state"}),
)


def listed(session: Session, view: View, now: datetime) -> Page[Referral]:
    """By state (STATES), words, channel, patient, clinician, how long they run and when they are due."""
    return read(session, _REQUESTS, view, now)
