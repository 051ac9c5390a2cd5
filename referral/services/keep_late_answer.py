"""An answer to a request that has one: the first stands, this one is kept and shown as a conflict."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from referral.domain.answers import Answers
from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import TaskStatus
from referral.domain.errors import InvalidInput, Issue, TransitionRefused
from referral.domain.late_answer import CameBy, LateAnswer
from referral.domain.records import Referral
from referral.services import publish
from referral.services.judge_recommendation import require_words
from referral.services.publish_late_answer import issue_found, issue_settled
from referral.storage import audit, directory, late_answers, recommendations, referrals, standings
from referral.storage.db import Session


def takes_late_answers(referral: Referral) -> bool:
    """Only what was answered has something to stand beside."""
    return referral.status is TaskStatus.COMPLETED


def keep_late_answer(
    session: Session,
    actor: Actor,
    referral: Referral,
    answers: Answers,
    came_by: CameBy,
    now: datetime,
    *,
    document: Mapping[str, Any] | None = None,
) -> LateAnswer:
    """The caller holds the request. Nothing that was decided changes by it.

    `document` is a QuestionnaireResponse of a client's own. Raises TransitionRefused where the request has
    ended without an answer, or its answer was voided.
    """
    first = recommendations.find(session, referral_id=referral.id)
    if first is None or not takes_late_answers(referral):
        raise TransitionRefused("This request is closed already; ask again if it is needed.", "Task.status")
    if not any(answer.is_living for answer in standings.of_referral(session, referral.id)):
        # Kept beside nothing, it would look as if it counted.
        text = "The answer to this request does not count any more; ask again, so that a new one can."
        raise TransitionRefused(text, "Task.status")
    clinician = directory.get_clinician(session, referral.clinician_id)
    response_id = publish.response(session, actor, referral, clinician, answers, dict(document or {}), now)
    late = LateAnswer(
        id=str(uuid.uuid4()),
        referral_id=referral.id,
        response_id=response_id,
        first_id=first.id,
        decision=answers.decision,
        differs=answers.decision != first.decision or not set(answers.red_flags) <= set(first.red_flags),
        came_by=came_by,
        received_at=now,
        recorded_by=actor.id,
    )
    late_answers.add(session, late)
    if late.differs:
        issue_found(session, referral, late, now)
    detail = {"late": late.id, "by": came_by, "decision": late.decision, "differs": late.differs}
    referrals.note(session, referral.id, "late-answer", actor.id, now, **detail)
    _record(session, actor, "late-answer", referral, late)
    return late


def settle_late_answer(
    session: Session, actor: Actor, referral_id: str, late_id: str, reason: str, now: datetime
) -> None:
    """The medical director has read both: the first goes on standing; to end it, it is voided.

    Raises InvalidInput without a reason, TransitionRefused where somebody has decided already.
    """
    words = require_words(reason, "late_reason")
    referral = referrals.get(session, referral_id, lock=True)
    late = next((one for one in late_answers.of_referral(session, referral_id) if one.id == late_id), None)
    if late is None:
        raise InvalidInput(Issue("There is no such answer.", ("late_reason",), "not-found"))
    if not late_answers.settle(session, late.id, actor.id, now):
        raise TransitionRefused("Somebody has decided about this answer already.", "DetectedIssue.status")
    kept = publish.keep_words(session, referral, words, now)
    issue_settled(session, late, actor, now)
    referrals.note(session, referral_id, "late-settled", actor.id, now, late=late.id, document=kept)
    _record(session, actor, "late-settled", referral, late)


def _record(session: Session, actor: Actor, what: str, referral: Referral, late: LateAnswer) -> None:
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype=what,
        entity=f"QuestionnaireResponse/{late.response_id}",
        patient_id=referral.patient_id,
        detail={"request": referral.id, "by": late.came_by, "differs": late.differs},
    )
    audit.record(session, actor, entry)
