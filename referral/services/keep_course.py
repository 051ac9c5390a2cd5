"""Keeps one version of what is recorded of a course: row, resource, audit row; tells who follows it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.course import (
    ChangeReason,
    Decided,
    Dose,
    Ended,
    MedicationChange,
    Plan,
    SideEffect,
    Stamp,
    TreatmentSession,
    Vital,
)
from referral.domain.errors import StaleVersion
from referral.domain.records import Order
from referral.services import course_events, publish_course
from referral.services.follow_up import count_visits
from referral.storage import audit, course, documents, resources
from referral.storage.course import Recorded
from referral.storage.db import Session

_LONGEST: Final = 2000
_SUBTYPE: Final[dict[type, str]] = {
    Plan: "course-plan",
    Decided: "course-decision",
    TreatmentSession: "course-session",
    Dose: "course-dose",
    Vital: "course-vital",
    SideEffect: "course-effect",
    MedicationChange: "course-medication",
    Ended: "course",
}


def stamp(
    session: Session,
    actor: Actor,
    order: Order,
    now: datetime,
    *,
    before: Stamp | None = None,
    why: ChangeReason | None = None,
    words: str = "",
) -> Stamp:
    """Of the next version after `before`. New words replace those before; they are kept encrypted."""
    words_id = before.words_id if before else None
    if words.strip():
        words_id = resources.new_id()
        documents.add(
            session,
            id=words_id,
            kind="course-words",
            content_type="text/plain; charset=utf-8",
            content=words.strip()[:_LONGEST].encode(),
            now=now,
            patient_id=order.patient_id,
        )
    version = before.version + 1 if before else 1
    return Stamp(version=version, recorded_by=actor.id, recorded_at=now, why=why, words_id=words_id)


def require_version(newest: Stamp, shown: int | None) -> None:
    """Raises StaleVersion where somebody else has changed it since it was shown; None asks for nothing."""
    if shown is not None and shown != newest.version:
        raise StaleVersion("Somebody else has changed this meanwhile. Please look at it again.")


def keep(
    session: Session,
    actor: Actor,
    order: Order,
    made: Sequence[Recorded],
    now: datetime,
    *,
    in_error: bool = False,
    publish: bool = True,
) -> None:
    """Rows, resources, audit, and the days that count from the end.

    `publish` False where a client's own resource says it already.
    """
    for one in made:
        course.add(session, order, one, in_error=in_error)
    if any(isinstance(one, Ended) for one in made):
        count_visits(session, order.id, now)
    if not publish:
        # The client's write has its audit row already.
        return
    publish_course.course(session, actor, order, list(made), now, in_error=in_error)
    for one in made:
        _note(session, actor, order, one)


def _note(session: Session, actor: Actor, order: Order, one: Recorded) -> None:
    written = one.stamp
    version = written.version if written else 1
    corrected = written is not None and written.why is not None
    subtype = "course-changed" if corrected else _SUBTYPE[type(one)]
    if isinstance(one, Ended) and not corrected:
        subtype = f"course-{one.ending}"
    entry = AuditEntry(
        action=Action.CREATE if version == 1 else Action.UPDATE,
        subtype=subtype,
        entity=f"{publish_course.type_of(one)}/{getattr(one, 'id', order.id)}",
        patient_id=order.patient_id,
        detail={"version": version, "why": written.why if written else None},
    )
    audit.record(session, actor, entry)


def tell(session: Session, actor: Actor, order: Order, one: Recorded, now: datetime) -> None:
    """Those who follow a course hear of what has happened; not of plans, doses, vital signs, medication."""
    if isinstance(one, Decided):
        course_events.decided(session, actor, order, one, now)
    elif isinstance(one, TreatmentSession):
        course_events.session_done(session, actor, order, one, now)
    elif isinstance(one, SideEffect) and one.serious:
        course_events.serious_event(session, actor, order, one, now)
    elif isinstance(one, Ended):
        course_events.ended(session, actor, order, one, now)
