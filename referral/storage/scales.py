"""Filled scales: what each came to, and which the patient was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, literal_column, select, text, update
from sqlalchemy.dialects.postgresql import insert

from referral.domain.scales import KeptScale, Scale, ScaleScore, Source
from referral.storage.db import Session
from referral.storage.tables import scale_request, scale_score, treatment_start

_FIELDS: Final = tuple(KeptScale.__slots__)
_COLUMNS: Final = tuple(scale_score.c[name] for name in _FIELDS)


def _to_kept(row: Any) -> KeptScale:
    values = dict(zip(_FIELDS, row, strict=True))
    return KeptScale(**{**values, "scale": Scale(values["scale"]), "source": Source(values["source"])})


def of_order(session: Session, order_id: str) -> list[ScaleScore]:
    """The totals of an order, oldest first; what has none or was an error is left out.

    `sessions` counts the treatments of the order that had begun when the scale was taken.
    """
    begun = (
        select(func.count())
        .where(
            treatment_start.c.clinic_id == scale_score.c.clinic_id,
            treatment_start.c.order_id == scale_score.c.order_id,
            treatment_start.c.started_at <= scale_score.c.taken_at,
        )
        .scalar_subquery()
    )
    rows = session.connection.execute(
        select(scale_score.c.scale, scale_score.c.total, scale_score.c.taken_at, begun)
        .where(
            scale_score.c.clinic_id == session.clinic,
            scale_score.c.order_id == order_id,
            scale_score.c.total.is_not(None),
            scale_score.c.voided_at.is_(None),
        )
        .order_by(scale_score.c.taken_at, scale_score.c.scale, scale_score.c.id)
    )
    return [
        ScaleScore(scale=Scale(scale), total=total, taken_at=taken_at, sessions=sessions)
        for scale, total, taken_at, sessions in rows
    ]


def filled(session: Session, order_id: str) -> list[KeptScale]:
    """All of an order, newest first, those without a total and errors too."""
    rows = session.connection.execute(
        select(*_COLUMNS)
        .where(scale_score.c.clinic_id == session.clinic, scale_score.c.order_id == order_id)
        .order_by(scale_score.c.taken_at.desc(), scale_score.c.id)
    )
    return [_to_kept(row) for row in rows]


def find(session: Session, id: str) -> KeptScale | None:
    """By the id of its QuestionnaireResponse, or of the Observation that came alone."""
    row = session.connection.execute(
        select(*_COLUMNS).where(scale_score.c.clinic_id == session.clinic, scale_score.c.id == id)
    ).one_or_none()
    return _to_kept(row) if row else None


def find_taken(session: Session, patient_id: str, scale: Scale, taken_at: datetime) -> KeptScale | None:
    """The filling of this moment, where there is one that is no error."""
    row = session.connection.execute(
        select(*_COLUMNS).where(
            scale_score.c.clinic_id == session.clinic,
            scale_score.c.patient_id == patient_id,
            scale_score.c.scale == scale,
            scale_score.c.taken_at == taken_at,
            scale_score.c.voided_at.is_(None),
        )
    ).one_or_none()
    return _to_kept(row) if row else None


def put(session: Session, kept: KeptScale) -> None:
    """Keep it; under an id that is there already it takes the place of what was."""
    values = {name: getattr(kept, name) for name in _FIELDS}
    added = insert(scale_score).values(clinic_id=session.clinic, **values)
    session.connection.execute(
        added.on_conflict_do_update(
            index_elements=["clinic_id", "id"],
            set_={name: added.excluded[name] for name in _FIELDS if name != "id"},
        )
    )


def void(session: Session, id: str, now: datetime) -> None:
    """It was an error; it stays, and counts for nothing."""
    session.connection.execute(
        update(scale_score)
        .where(
            scale_score.c.clinic_id == session.clinic,
            scale_score.c.id == id,
            scale_score.c.voided_at.is_(None),
        )
        .values(voided_at=now)
    )


# ---- What the patient was asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleRequest:
    """One scale that the patient is to fill in; `ended_at` None while it waits."""

    id: str
    patient_id: str
    order_id: str
    scale: Scale
    asked_at: datetime
    ended_at: datetime | None


_REQUEST: Final = tuple(scale_request.c[name] for name in ScaleRequest.__slots__)


def ask(
    session: Session, id: str, patient_id: str, order_id: str, scale: Scale, *, by: str, now: datetime
) -> bool:
    """False where this patient has been asked for it already and has not filled it in yet."""
    added: Any = session.connection.execute(
        insert(scale_request)
        .values(
            clinic_id=session.clinic,
            id=id,
            patient_id=patient_id,
            order_id=order_id,
            scale=scale,
            asked_at=now,
            asked_by=by,
        )
        .on_conflict_do_nothing(
            index_elements=["clinic_id", "patient_id", "scale"], index_where=text("ended_at IS NULL")
        )
        .returning(literal_column("1"))
    )
    return added.one_or_none() is not None


def waiting(session: Session, patient_id: str) -> list[ScaleRequest]:
    """What this patient has still to fill in, in the order in which it was asked for."""
    rows = session.connection.execute(
        select(*_REQUEST).where(
            scale_request.c.clinic_id == session.clinic,
            scale_request.c.patient_id == patient_id,
            scale_request.c.ended_at.is_(None),
        )
    )
    found = [ScaleRequest(**{**row._asdict(), "scale": Scale(row.scale)}) for row in rows]
    return sorted(found, key=lambda asked: (asked.asked_at, list(Scale).index(asked.scale)))


def end(session: Session, patient_id: str, scale: Scale, now: datetime, score_id: str | None = None) -> None:
    """The patient is not waited for any more: it is filled in, or taken back (`score_id` None)."""
    session.connection.execute(
        update(scale_request)
        .where(
            scale_request.c.clinic_id == session.clinic,
            scale_request.c.patient_id == patient_id,
            scale_request.c.scale == scale,
            scale_request.c.ended_at.is_(None),
        )
        .values(ended_at=now, score_id=score_id)
    )
