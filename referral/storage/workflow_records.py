"""Which published resources are records of the workflow, that nobody rewrites from outside."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import exists, select

from referral.storage.db import Session
from referral.storage.tables import (
    chair,
    consultation,
    message,
    metadata,
    recommendation,
    scale_score,
    treatment_start,
)

_DOCUMENT: Final = metadata.tables["document"]
# Type of resource → the columns whose values are ids of such resources.
_IDS: Final[dict[str, tuple[Any, ...]]] = {
    "QuestionnaireResponse": (recommendation.c.response_id,),
    "Observation": (recommendation.c.id, scale_score.c.observation_id),
    "DocumentReference": (_DOCUMENT.c.id,),
    "Binary": (_DOCUMENT.c.id,),
    "Communication": (message.c.id,),
    "Encounter": (consultation.c.encounter_id,),
    "Location": (chair.c.id,),
}


def is_record(session: Session, type: str, id: str) -> bool:
    """Whether the workflow wrote this resource, or counts on it, as the record of what happened."""
    return any(_is_there(session, column, id) for column in _IDS.get(type, ()))


def is_started(session: Session, id: str) -> bool:
    """Whether the gate has let a treatment start under this id."""
    return _is_there(session, treatment_start.c.id, id)


def _is_there(session: Session, column: Any, id: str) -> bool:
    of_clinic = column.table.c.clinic_id == session.clinic
    return bool(session.connection.scalar(select(exists().where(of_clinic, column == id))))
