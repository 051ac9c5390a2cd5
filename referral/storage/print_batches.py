"""Batches of letters that people print and mail: ids and digests, in the order of the sheets."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import and_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from referral.domain.outgoing import WITH_NARRATIVE, MessageState
from referral.storage import tables
from referral.storage.db import Session, one_of

_BATCH: Final = tables.print_batch
_ITEM: Final = tables.print_item
_MESSAGE: Final = tables.message


class PaperFate(StrEnum):
    """What became of a letter of a batch. PUT_BACK waits for another; TAKEN_OUT is not wanted any more."""

    WAITING = "waiting"
    MAILED = "mailed"
    PUT_BACK = "put-back"
    TAKEN_OUT = "taken-out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """`printed_at` is when its PDF was first asked for, `closed_at` when nothing in it waited any more."""

    id: str
    number: int
    created_by: str
    created_at: datetime
    printed_at: datetime | None = None
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """`place` counts from 1 and never changes."""

    message_id: uuid.UUID
    place: int
    document_id: str
    sha256: bytes
    pages: int
    postal_code: str
    fate: PaperFate = PaperFate.WAITING
    decided_by: str | None = None
    decided_at: datetime | None = None

    @property
    def sheets(self) -> int:
        """Printed on both sides."""
        return (self.pages + 1) // 2


_BATCH_FIELDS: Final = tuple(Batch.__slots__)
_ITEM_FIELDS: Final = tuple(Item.__slots__)
BATCH_COLUMNS: Final = tuple(_BATCH.c[name] for name in _BATCH_FIELDS)
_ITEM_COLUMNS: Final = tuple(_ITEM.c[name] for name in _ITEM_FIELDS)


def to_batch(row: Any) -> Batch:
    """From BATCH_COLUMNS in their order."""
    return Batch(**dict(zip(_BATCH_FIELDS, row, strict=True)))


def _to_item(row: Any) -> Item:
    values = dict(zip(_ITEM_FIELDS, row, strict=True))
    return Item(**{**values, "fate": PaperFate(values["fate"])})


def _unbatched() -> Any:
    in_a_batch = (
        select(_ITEM.c.message_id)
        .where(
            _ITEM.c.clinic_id == _MESSAGE.c.clinic_id,
            _ITEM.c.message_id == _MESSAGE.c.id,
            one_of(_ITEM.c.fate, [PaperFate.WAITING]),
        )
        .exists()
    )
    return and_(one_of(_MESSAGE.c.state, [MessageState.BY_HAND]), ~in_a_batch)


def _told(*, narrative: bool) -> Any:
    kinds = one_of(_MESSAGE.c.kind, sorted(WITH_NARRATIVE))
    return kinds if narrative else ~kinds


def waiting(session: Session, limit: int, *, narrative: bool) -> list[uuid.UUID]:
    """Messages that wait to be printed and are in no batch, oldest first: with narrative, or without."""
    query = (
        select(_MESSAGE.c.id)
        .where(_MESSAGE.c.clinic_id == session.clinic, _unbatched(), _told(narrative=narrative))
        .order_by(_MESSAGE.c.created_at, _MESSAGE.c.id)
        .limit(limit)
    )
    return list(session.connection.scalars(query))


# In no batch yet, by whether they repeat narrative.
COUNT_WAITING: Final = {
    narrative: select(func.count()).where(
        _MESSAGE.c.clinic_id == bindparam("clinic"), _unbatched(), _told(narrative=narrative)
    )
    for narrative in (False, True)
}


def count_waiting(session: Session, *, narrative: bool) -> int:
    """In no batch yet."""
    return int(session.connection.scalar(COUNT_WAITING[narrative], {"clinic": session.clinic}) or 0)


def count_open(session: Session) -> int:
    """Batches that nobody has confirmed."""
    query = select(func.count()).where(_BATCH.c.clinic_id == session.clinic, _BATCH.c.closed_at.is_(None))
    return int(session.connection.scalar(query) or 0)


def add(session: Session, id: str, created_by: str, items: Iterable[Item], now: datetime) -> Batch:
    """The caller holds the clinic's batches, so that numbers follow each other."""
    last = session.connection.scalar(
        select(func.max(_BATCH.c.number)).where(_BATCH.c.clinic_id == session.clinic)
    )
    batch = Batch(id=id, number=int(last or 0) + 1, created_by=created_by, created_at=now)
    values = {name: getattr(batch, name) for name in _BATCH_FIELDS}
    session.connection.execute(insert(_BATCH), {"clinic_id": session.clinic, **values})
    rows = [
        {"clinic_id": session.clinic, "batch_id": id, **{name: getattr(item, name) for name in _ITEM_FIELDS}}
        for item in items
    ]
    session.connection.execute(insert(_ITEM), rows)
    return batch


def get(session: Session, id: str, *, lock: bool = False) -> Batch | None:
    """None where there is none in this clinic."""
    query = select(*BATCH_COLUMNS).where(_BATCH.c.clinic_id == session.clinic, _BATCH.c.id == id)
    row = session.connection.execute(query.with_for_update() if lock else query).one_or_none()
    return to_batch(row) if row else None


def recent(session: Session, limit: int) -> list[Batch]:
    """Open ones first, then the newest."""
    query = (
        select(*BATCH_COLUMNS)
        .where(_BATCH.c.clinic_id == session.clinic)
        .order_by(_BATCH.c.closed_at.is_not(None), _BATCH.c.number.desc())
        .limit(limit)
    )
    return [to_batch(row) for row in session.connection.execute(query)]


def items(session: Session, batch_id: str) -> list[Item]:
    """In the order of the sheets."""
    query = (
        select(*_ITEM_COLUMNS)
        .where(_ITEM.c.clinic_id == session.clinic, _ITEM.c.batch_id == batch_id)
        .order_by(_ITEM.c.place)
    )
    return [_to_item(row) for row in session.connection.execute(query)]


def fates(session: Session, batch_ids: Iterable[str]) -> dict[str, dict[PaperFate, int]]:
    """How many letters of each batch have met which fate."""
    counted: dict[str, dict[PaperFate, int]] = {id: {} for id in batch_ids}
    query = (
        select(_ITEM.c.batch_id, _ITEM.c.fate, func.count())
        .where(_ITEM.c.clinic_id == session.clinic, _ITEM.c.batch_id.in_(list(counted)))
        .group_by(_ITEM.c.batch_id, _ITEM.c.fate)
    )
    for batch_id, fate, count in session.connection.execute(query):
        counted[batch_id][PaperFate(fate)] = count
    return counted


def decide(
    session: Session,
    batch_id: str,
    message_ids: Iterable[uuid.UUID],
    fate: PaperFate,
    by: tuple[str, datetime],
) -> None:
    """Of letters that waited; `by` is who decided and when."""
    session.connection.execute(
        update(_ITEM)
        .where(
            _ITEM.c.clinic_id == session.clinic,
            _ITEM.c.batch_id == batch_id,
            _ITEM.c.message_id.in_(list(message_ids)),
            _ITEM.c.fate == PaperFate.WAITING,
        )
        .values(fate=fate, decided_by=by[0], decided_at=by[1])
    )


def stamp(session: Session, batch_id: str, **values: datetime) -> None:
    """`printed_at` or `closed_at`."""
    session.connection.execute(
        update(_BATCH).where(_BATCH.c.clinic_id == session.clinic, _BATCH.c.id == batch_id).values(**values)
    )
