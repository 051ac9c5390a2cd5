"""What the clinic owes its recommenders: reports by occasion, and the messages that carry them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Integer, bindparam, exists, select, update
from sqlalchemy.dialects.postgresql import insert

from referral.domain.codes import Channel
from referral.domain.outgoing import REACHED, MessageState
from referral.domain.report_rules import Occasion, Withheld
from referral.storage.db import Session
from referral.storage.tables import course_report as _TABLE  # noqa: N812 - as in every module of storage
from referral.storage.tables import message as _MESSAGE  # noqa: N812


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseReport:
    """One row. `about` is the id of what can happen twice.

    The course is told as it stood at `queue_at`. `bundle_id` is the FHIR document, as soon as it is drawn.
    `told_at`: somebody of the clinic has told the clinician instead, and says so. `version` counts those of
    the same thing to the same clinician, the highest holds; `corrects` is the report that it replaces in
    their chart, None where they had none.
    """

    id: str
    patient_id: str
    order_id: str
    referral_id: str
    occasion: Occasion
    about: str
    treats: bool | None
    happened_at: datetime
    queue_at: datetime
    due_at: datetime
    state: str
    withheld_for: Withheld | None
    message_id: uuid.UUID | None
    bundle_id: str | None
    created_by: str
    created_at: datetime
    told_at: datetime | None = None
    told_by: str | None = None
    version: int = 1
    corrects: str | None = None

    @property
    def may_be_told(self) -> bool:
        """Not where the patient, or the clinician, does not want it."""
        return self.withheld_for in (None, Withheld.NO_CONTACT)


@dataclass(frozen=True, slots=True)
class Followed:
    """A report with what became of its message; `letter_id` is the sealed PDF as soon as it is drawn.

    `is_replaced`: another version of it holds.
    """

    report: CourseReport
    state: MessageState | None
    channel: Channel | None
    finished_at: datetime | None
    letter_id: str | None
    is_replaced: bool

    @property
    def has_arrived(self) -> bool:
        """As far as its channel tells."""
        return self.state in REACHED


_FIELDS: Final = tuple(CourseReport.__slots__)
_COLUMNS: Final = tuple(_TABLE.c[name] for name in _FIELDS)
_UNIQUE: Final = ("clinic_id", "referral_id", "occasion", "about", "version")
_NEWER: Final = _TABLE.alias("newer")
_IS_REPLACED: Final = exists().where(
    *(_NEWER.c[name] == _TABLE.c[name] for name in _UNIQUE[:-1]),
    _NEWER.c.version > _TABLE.c.version,
)
_FOLLOWED: Final = (
    select(
        *_COLUMNS,
        _MESSAGE.c.state,
        _MESSAGE.c.channel,
        _MESSAGE.c.finished_at,
        _MESSAGE.c.letter_id,
        _IS_REPLACED.label("is_replaced"),
    )
    .select_from(
        _TABLE.outerjoin(
            _MESSAGE,
            (_MESSAGE.c.clinic_id == _TABLE.c.clinic_id) & (_MESSAGE.c.id == _TABLE.c.message_id),
        )
    )
    .order_by(_TABLE.c.created_at, _TABLE.c.version, _TABLE.c.id)
)


def _to_report(row: Any) -> CourseReport:
    values = dict(zip(_FIELDS, row, strict=False))
    values["occasion"] = Occasion(values["occasion"])
    values["withheld_for"] = Withheld(values["withheld_for"]) if values["withheld_for"] else None
    return CourseReport(**values)


def _to_followed(row: Any) -> Followed:
    state, channel, finished_at, letter_id, is_replaced = row[len(_FIELDS) :]
    return Followed(
        _to_report(row),
        MessageState(state) if state else None,
        Channel(channel) if channel else None,
        finished_at,
        letter_id,
        is_replaced,
    )


def add(session: Session, new: CourseReport) -> bool:
    """False where the same (request, occasion, about, version) is owed already: repeating is harmless."""
    values = {name: getattr(new, name) for name in _FIELDS}
    made = session.connection.scalar(
        insert(_TABLE)
        .values(clinic_id=session.clinic, **values)
        .on_conflict_do_nothing(index_elements=_UNIQUE)
        .returning(_TABLE.c.id)
    )
    return made is not None


def change(session: Session, id: str, **values: Any) -> None:
    """What becomes of it: state, withheld_for, message_id, bundle_id, told_at and told_by."""
    session.connection.execute(
        update(_TABLE).where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.id == id).values(**values)
    )


def planned(session: Session, now: datetime, limit: int) -> list[CourseReport]:
    """Those whose time to be drawn has come, the first due first; nothing is locked."""
    rows = session.connection.execute(
        select(*_COLUMNS)
        .where(
            _TABLE.c.clinic_id == session.clinic,
            _TABLE.c.state == "planned",
            _TABLE.c.queue_at <= now,
        )
        .order_by(_TABLE.c.queue_at, _TABLE.c.id)
        .limit(limit)
    )
    return [_to_report(row) for row in rows]


def get(session: Session, id: str, *, lock: bool = False) -> CourseReport | None:
    """None where there is none."""
    query = select(*_COLUMNS).where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.id == id)
    row = session.connection.execute(query.with_for_update(key_share=True) if lock else query).one_or_none()
    return _to_report(row) if row else None


def of_message(session: Session, message_id: uuid.UUID) -> CourseReport | None:
    """The report that a message carries."""
    row = session.connection.execute(
        select(*_COLUMNS).where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.message_id == message_id)
    ).one_or_none()
    return _to_report(row) if row else None


def followed(session: Session, id: str) -> Followed:
    """One that exists, with what became of it."""
    mine = (_TABLE.c.clinic_id == session.clinic, _TABLE.c.id == id)
    return _to_followed(session.connection.execute(_FOLLOWED.where(*mine)).one())


def of_orders(session: Session, order_ids: Iterable[str]) -> list[Followed]:
    """All reports of these orders, oldest first."""
    mine = (_TABLE.c.clinic_id == session.clinic, _TABLE.c.order_id.in_(list(order_ids)))
    return [_to_followed(row) for row in session.connection.execute(_FOLLOWED.where(*mine))]


def of_referral(session: Session, referral_id: str) -> list[Followed]:
    """All reports to the clinician of this request, oldest first."""
    mine = (_TABLE.c.clinic_id == session.clinic, _TABLE.c.referral_id == referral_id)
    return [_to_followed(row) for row in session.connection.execute(_FOLLOWED.where(*mine))]


_LATE: Final = (
    _FOLLOWED.where(
        _TABLE.c.clinic_id == bindparam("clinic"),
        (_TABLE.c.state != "withheld") | (_TABLE.c.withheld_for == Withheld.NO_CONTACT),
        _TABLE.c.told_at.is_(None),
        ~_IS_REPLACED,
        (_TABLE.c.due_at < bindparam("now")) | (_TABLE.c.withheld_for == Withheld.NO_CONTACT),
        _TABLE.c.due_at >= bindparam("since"),
        _MESSAGE.c.state.is_(None) | _MESSAGE.c.state.not_in([*REACHED, MessageState.CANCELLED]),
    )
    .order_by(None)
    .order_by(_TABLE.c.due_at, _TABLE.c.id)
    .limit(bindparam("most", type_=Integer))
)


def late(session: Session, since: datetime, now: datetime, limit: int) -> list[Followed]:
    """Reports due since `since` that have not arrived, the longest due first: somebody has to call.

    Also those that no contact may carry, due or not; not what a person has cancelled, or told by voice, and
    not what another version has replaced.
    """
    given = {"clinic": session.clinic, "since": since, "now": now, "most": limit}
    return [_to_followed(row) for row in session.connection.execute(_LATE, given)]
