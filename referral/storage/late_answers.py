"""Answers that came after the first: ids and decisions; what they say is a QuestionnaireResponse."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from referral.domain.codes import Decision
from referral.domain.late_answer import CameBy, LateAnswer
from referral.storage.db import Session
from referral.storage.tables import late_answer as _TABLE  # noqa: N812 - as in every module of storage

_FIELDS: Final = tuple(LateAnswer.__slots__)
_COLUMNS: Final = tuple(_TABLE.c[name] for name in _FIELDS)


def _to_answer(row: Any) -> LateAnswer:
    values = dict(zip(_FIELDS, row, strict=True))
    values |= {"decision": Decision(values["decision"]), "came_by": CameBy(values["came_by"])}
    return LateAnswer(**values)


def add(session: Session, answer: LateAnswer) -> None:
    """Keep it beside the first."""
    values = {name: getattr(answer, name) for name in _FIELDS}
    session.connection.execute(insert(_TABLE).inline(), {"clinic_id": session.clinic, **values})


_OF_REFERRAL: Final = (
    select(*_COLUMNS)
    .where(_TABLE.c.clinic_id == bindparam("clinic"), _TABLE.c.referral_id == bindparam("referral"))
    .order_by(_TABLE.c.received_at, _TABLE.c.id)
)


def of_referral(session: Session, referral_id: str) -> list[LateAnswer]:
    """Oldest first."""
    given = {"clinic": session.clinic, "referral": referral_id}
    rows = session.connection.execute(_OF_REFERRAL, given)
    return [_to_answer(row) for row in rows]


_WAITING: Final = (
    select(*_COLUMNS)
    .where(_TABLE.c.clinic_id == bindparam("clinic"), _TABLE.c.differs, _TABLE.c.settled_at.is_(None))
    .order_by(_TABLE.c.received_at, _TABLE.c.id)
    .limit(bindparam("most"))
)


def waiting(session: Session, *, limit: int) -> list[LateAnswer]:
    """What says something else than the answer on record and nobody has looked at, oldest first."""
    rows = session.connection.execute(_WAITING, {"clinic": session.clinic, "most": limit})
    return [_to_answer(row) for row in rows]


def settle(session: Session, id: str, by: str, now: datetime) -> bool:
    """Somebody has looked at it; False where somebody had already."""
    changed = session.connection.execute(
        update(_TABLE)
        .where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.id == id, _TABLE.c.settled_at.is_(None))
        .values(settled_at=now, settled_by=by)
    )
    return changed.rowcount == 1
