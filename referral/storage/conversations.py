"""What clinicians and the clinic have said to each other: ids and times; the words are documents."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from referral.domain.conversation import About, Speaker, Turn
from referral.storage.db import Session, among, one_of
from referral.storage.tables import conversation_turn as _TABLE  # noqa: N812 - as in every module of storage

_FIELDS: Final = tuple(Turn.__slots__)
_COLUMNS: Final = tuple(_TABLE.c[name] for name in _FIELDS)
_WAITS: Final = (one_of(_TABLE.c.speaker, [Speaker.CLINICIAN]), _TABLE.c.settled_at.is_(None))


def _to_turn(row: Any) -> Turn:
    values = dict(zip(_FIELDS, row, strict=True))
    values |= {"speaker": Speaker(values["speaker"]), "about": About(values["about"])}
    return Turn(**values)


def add(session: Session, turn: Turn) -> None:
    """Keep what was said."""
    values = {name: getattr(turn, name) for name in _FIELDS}
    session.connection.execute(insert(_TABLE).inline(), {"clinic_id": session.clinic, **values})


_OF_REFERRAL: Final = (
    select(*_COLUMNS)
    .where(_TABLE.c.clinic_id == bindparam("clinic"), _TABLE.c.referral_id == bindparam("referral"))
    .order_by(_TABLE.c.place)
)


def of_referral(session: Session, referral_id: str) -> list[Turn]:
    """Oldest first."""
    given = {"clinic": session.clinic, "referral": referral_id}
    rows = session.connection.execute(_OF_REFERRAL, given)
    return [_to_turn(row) for row in rows]


_WAITING: Final = (
    select(*_COLUMNS)
    .where(_TABLE.c.clinic_id == bindparam("clinic"), *_WAITS)
    .order_by(_TABLE.c.place)
    .limit(bindparam("most"))
)


def waiting(session: Session, *, limit: int) -> list[Turn]:
    """What clinicians have said and nobody of the clinic has seen to, oldest first."""
    rows = session.connection.execute(_WAITING, {"clinic": session.clinic, "most": limit})
    return [_to_turn(row) for row in rows]


def have_said(session: Session, referral_ids: Iterable[str]) -> frozenset[str]:
    """Those of these requests about which anything was ever said."""
    found = session.connection.scalars(
        select(_TABLE.c.referral_id)
        .where(_TABLE.c.clinic_id == session.clinic, among(_TABLE.c.referral_id, referral_ids))
        .distinct()
    )
    return frozenset(found)


def settle(
    session: Session, referral_id: str, by: str, now: datetime, about: Iterable[About] = tuple(About)
) -> int:
    """Somebody has seen to what waits of this request; returns how much that was."""
    changed = session.connection.execute(
        update(_TABLE)
        .where(
            _TABLE.c.clinic_id == session.clinic,
            _TABLE.c.referral_id == referral_id,
            _TABLE.c.about.in_(list(about)),
            *_WAITS,
        )
        .values(settled_at=now, settled_by=by)
    )
    return changed.rowcount


def unsettle(session: Session, referral_id: str, settled_at: datetime) -> None:
    """What was settled at this moment waits again: it was a mistake."""
    session.connection.execute(
        update(_TABLE)
        .where(
            _TABLE.c.clinic_id == session.clinic,
            _TABLE.c.referral_id == referral_id,
            _TABLE.c.settled_at == settled_at,
        )
        .values(settled_at=None, settled_by=None)
    )
