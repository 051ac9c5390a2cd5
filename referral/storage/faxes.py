"""Faxes that came in: each once, read by one worker at a time, placed by one person at a time."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import Integer, Select, Text, any_, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from referral.domain.codes import Channel
from referral.domain.errors import NotFound, StaleVersion
from referral.domain.fax import DEALT_WITH, IN_INBOX, ON_THE_WAY, WAITING, FaxSource, FaxState, MatchedBy
from referral.storage.db import Session, one_of
from referral.storage.tables import contact
from referral.storage.tables import incoming_fax as _TABLE  # noqa: N812 - as in every module of storage
from referral.storage.versioned import over

# Longer than a scan may take: see letters/scan.py.
_LEASE: Final = timedelta(minutes=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fax:
    """One row. `document_id` are the bytes as they came, `record_id` the copy that its request has.

    `suggested` are requests whose codes stand on it where they are more than one. `is_late`: its request was
    closed when it came. `matched_at` is also when its request's reminders were stopped, if it stopped them.
    `meant_for` is the request that an uploaded letter was uploaded to.
    """

    id: str
    version: int
    source: FaxSource
    provider_reference: str | None
    received_at: datetime
    from_number: str | None
    sha256: bytes | None
    pages: int
    document_id: str | None
    state: FaxState
    problem: str | None
    attempts: int
    suggested: tuple[str, ...]
    referral_id: str | None
    record_id: str | None
    matched_by: MatchedBy | None
    matched_at: datetime | None
    is_late: bool
    reason: str | None
    handled_by: str | None
    handled_at: datetime | None
    meant_for: str | None = None

    def is_of(self, content: bytes) -> bool:
        return self.sha256 == hashlib.sha256(content).digest()


_FIELDS: Final = tuple(Fax.__slots__)
COLUMNS: Final = tuple(_TABLE.c[name] for name in _FIELDS)


def to_fax(row: Any) -> Fax:
    """From COLUMNS in their order."""
    values = dict(zip(_FIELDS, row, strict=True))
    values["source"] = FaxSource(values["source"])
    values["state"] = FaxState(values["state"])
    values["matched_by"] = MatchedBy(values["matched_by"]) if values["matched_by"] else None
    values["suggested"] = tuple(values["suggested"])
    return Fax(**values)


def add(
    session: Session,
    *,
    source: FaxSource,
    provider_reference: str | None,
    from_number: str | None,
    sha256: bytes | None,
    state: FaxState,
    now: datetime,
    meant_for: str | None = None,
) -> str | None:
    """The id of the new row; None where this clinic has the same fax by the same way already."""
    made = session.connection.scalar(
        insert(_TABLE).on_conflict_do_nothing().returning(_TABLE.c.id),
        {
            "clinic_id": session.clinic,
            "id": str(uuid.uuid4()),
            "source": source,
            "provider_reference": provider_reference,
            "received_at": now,
            "from_number": from_number,
            "sha256": sha256,
            "state": state,
            "not_before": now,
            "meant_for": meant_for,
        },
    )
    return None if made is None else str(made)


def get(session: Session, id: str, *, lock: bool = False) -> Fax:
    """Raises NotFound. A lock is taken after that of its request, see referrals.get()."""
    query = select(*COLUMNS).where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.id == id)
    row = session.connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound(f"There is no fax with id {id}.")
    return to_fax(row)


def still_kept(session: Session, ids: Iterable[str]) -> set[str]:
    """Those of these ids that have not been removed (services/forget_faxes)."""
    wanted = list(ids)
    if not wanted:
        return set()
    query = select(_TABLE.c.id).where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.id.in_(wanted))
    return {str(id) for id in session.connection.scalars(query)}


def find_by_bytes(session: Session, source: FaxSource, sha256: bytes) -> Fax | None:
    """The fax that had these bytes, if any."""
    row = session.connection.execute(
        select(*COLUMNS).where(
            _TABLE.c.clinic_id == session.clinic, _TABLE.c.source == source, _TABLE.c.sha256 == sha256
        )
    ).one_or_none()
    return to_fax(row) if row else None


def claim(session: Session, now: datetime) -> Fax | None:
    """The oldest that a worker has to fetch or read, with a lease: `attempts` counts those who took it."""
    due = (
        select(_TABLE.c.id)
        .where(
            _TABLE.c.clinic_id == session.clinic,
            _TABLE.c.state.in_(ON_THE_WAY),
            _TABLE.c.not_before <= now,
        )
        .order_by(_TABLE.c.received_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    row = session.connection.execute(
        update(_TABLE)
        .where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.id == due.c.id)
        .values(attempts=_TABLE.c.attempts + 1, not_before=now + _LEASE)
        .returning(*COLUMNS)
    ).one_or_none()
    return to_fax(row) if row else None


def change(session: Session, before: Fax, **values: Any) -> Fax:
    """Write over the version that was read; StaleVersion if somebody else was first."""
    row = session.connection.execute(
        over(session, _TABLE, before, **values).returning(*COLUMNS)
    ).one_or_none()
    if row is None:
        raise StaleVersion("Somebody else has dealt with this fax. Reload it and look again.")
    return to_fax(row)


def forget(session: Session, before: datetime, limit: int) -> list[Fax]:
    """Remove up to so many that were dealt with until then; their documents are still there."""
    old = (
        select(_TABLE.c.id)
        .where(
            _TABLE.c.clinic_id == session.clinic,
            _TABLE.c.state.in_(DEALT_WITH),
            _TABLE.c.handled_at <= before,
        )
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("old")
    )
    gone = delete(_TABLE).where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.id == old.c.id)
    return [to_fax(row) for row in session.connection.execute(gone.returning(*COLUMNS))]


def is_due(session: Session, now: datetime) -> bool:
    """Whether a worker has something to fetch or read."""
    query = select(_TABLE.c.id).where(
        _TABLE.c.clinic_id == session.clinic, _TABLE.c.state.in_(ON_THE_WAY), _TABLE.c.not_before <= now
    )
    return session.connection.scalar(query.limit(1)) is not None


@cache
def _listed(states: tuple[FaxState, ...]) -> Select[Any]:
    return (
        select(*COLUMNS)
        .where(_TABLE.c.clinic_id == bindparam("clinic"), one_of(_TABLE.c.state, states))
        .order_by(_TABLE.c.received_at.desc(), _TABLE.c.id)
        .limit(bindparam("most", type_=Integer))
    )


def listed(session: Session, states: tuple[FaxState, ...], *, limit: int) -> list[Fax]:
    """Newest first."""
    rows = session.connection.execute(_listed(states), {"clinic": session.clinic, "most": limit})
    return [to_fax(row) for row in rows]


def of_referral(session: Session, referral_id: str) -> list[Fax]:
    """Newest first, whatever became of them."""
    rows = session.connection.execute(
        select(*COLUMNS)
        .where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.referral_id == referral_id)
        .order_by(_TABLE.c.received_at.desc(), _TABLE.c.id)
    )
    return [to_fax(row) for row in rows]


def meant_for(session: Session, referral_id: str) -> list[Fax]:
    """Letters that were uploaded to this request, newest first, whatever became of them."""
    rows = session.connection.execute(
        select(*COLUMNS)
        .where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.meant_for == referral_id)
        .order_by(_TABLE.c.received_at.desc(), _TABLE.c.id)
    )
    return [to_fax(row) for row in rows]


_WAITING_FOR: Final = (
    select(*COLUMNS)
    .where(
        _TABLE.c.clinic_id == bindparam("clinic"),
        one_of(_TABLE.c.state, WAITING),
        _TABLE.c.referral_id == any_(bindparam("ids", type_=ARRAY(Text))),
    )
    .order_by(_TABLE.c.received_at.desc(), _TABLE.c.id)
)


def waiting_for(session: Session, referral_ids: Iterable[str]) -> dict[str, Fax]:
    """By request, the oldest fax that waits for a person; requests without any are missing."""
    given = {"clinic": session.clinic, "ids": list(referral_ids)}
    rows = session.connection.execute(_WAITING_FOR, given)
    return {str(fax.referral_id): fax for fax in map(to_fax, rows)}


COUNT_INBOX: Final = select(func.count()).where(
    _TABLE.c.clinic_id == bindparam("clinic"), one_of(_TABLE.c.state, IN_INBOX)
)


def clinicians_at(session: Session, digits: str) -> list[str]:
    """Ids of the clinicians who have this number on file for faxes; '' finds nobody."""
    if not digits:
        return []
    bare = func.right(func.regexp_replace(contact.c.address, r"\D", "", "g"), 10)
    rows = session.connection.scalars(
        select(contact.c.clinician_id)
        .where(contact.c.clinic_id == session.clinic, contact.c.channel == Channel.FAX, bare == digits)
        .order_by(contact.c.clinician_id)
    )
    return list(dict.fromkeys(rows))
