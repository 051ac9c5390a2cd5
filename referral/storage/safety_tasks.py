"""Signs of self-harm and serious adverse events: each waits until somebody has written down what was done."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, exists, func, literal_column, select, text, update
from sqlalchemy.dialects.postgresql import insert

from referral.domain.errors import NotFound
from referral.domain.scales import SafetyAction, SafetyTask
from referral.storage.db import Session
from referral.storage.tables import safety_task as _TABLE  # noqa: N812 - as in every module of storage

_FIELDS: Final = tuple(SafetyTask.__slots__)
_COLUMNS: Final = tuple(_TABLE.c[name] for name in _FIELDS)


# For the frame of every staff page; `clinic` is bound.
COUNT_SIGNS: Final = (
    select(func.count())
    .select_from(_TABLE)
    .where(_TABLE.c.clinic_id == bindparam("clinic"), _TABLE.c.settled_at.is_(None))
)


def _to_task(row: Any) -> SafetyTask:
    values = dict(zip(_FIELDS, row, strict=True))
    action = values["action"]
    return SafetyTask(**{**values, "action": SafetyAction(action) if action else None})


def add(session: Session, task: SafetyTask) -> bool:
    """False where this source waits for somebody already."""
    values = {name: getattr(task, name) for name in _FIELDS}
    added: Any = session.connection.execute(
        insert(_TABLE)
        .values(clinic_id=session.clinic, **values)
        .on_conflict_do_nothing(
            index_elements=["clinic_id", "source"], index_where=text("settled_at IS NULL")
        )
        .returning(literal_column("1"))
    )
    return added.one_or_none() is not None


_WAITING: Final = (
    select(*_COLUMNS)
    .where(_TABLE.c.clinic_id == bindparam("clinic"), _TABLE.c.settled_at.is_(None))
    .order_by(_TABLE.c.raised_at, _TABLE.c.id)
)


def waiting(session: Session) -> list[SafetyTask]:
    """Oldest first; all of them, however many there are."""
    return [_to_task(row) for row in session.connection.execute(_WAITING, {"clinic": session.clinic})]


def waits_for(session: Session, patient_id: str) -> bool:
    """Whether a sign of self-harm of this patient waits for a person."""
    found = exists().where(
        _TABLE.c.clinic_id == session.clinic,
        _TABLE.c.patient_id == patient_id,
        _TABLE.c.source.not_like("AdverseEvent/%"),
        _TABLE.c.settled_at.is_(None),
    )
    return bool(session.connection.scalar(select(found)))


def of_source(session: Session, source: str) -> list[SafetyTask]:
    """Those that this resource ("Type/id") has raised, newest first."""
    rows = session.connection.execute(
        select(*_COLUMNS)
        .where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.source == source)
        .order_by(_TABLE.c.raised_at.desc())
    )
    return [_to_task(row) for row in rows]


def find(session: Session, id: str) -> SafetyTask | None:
    """By the id of its Task."""
    row = session.connection.execute(
        select(*_COLUMNS).where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.id == id)
    ).one_or_none()
    return _to_task(row) if row else None


def get(session: Session, id: str) -> SafetyTask:
    """As find(), but raises NotFound."""
    found = find(session, id)
    if found is None:
        raise NotFound("There is no such safety task.")
    return found


def settle(session: Session, id: str, action: SafetyAction, note_id: str, by: str, now: datetime) -> bool:
    """False where somebody else was faster."""
    changed = session.connection.execute(
        update(_TABLE)
        .where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.id == id, _TABLE.c.settled_at.is_(None))
        .values(settled_at=now, settled_by=by, action=action, note_id=note_id)
    )
    return changed.rowcount == 1
