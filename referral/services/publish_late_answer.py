"""The FHIR side of an answer that says something else than the first: a DetectedIssue that names both."""

from __future__ import annotations

from datetime import datetime

from referral.domain.audit import Actor
from referral.domain.late_answer import LateAnswer
from referral.domain.records import Referral
from referral.fhir import warning as mapping
from referral.storage import resources
from referral.storage.db import Session


def issue_found(session: Session, about: Referral, late: LateAnswer, now: datetime) -> None:
    """It shares the id of the answer, and is preliminary until somebody has read both."""
    resources.create(session, [mapping.late_answer(late, about)], now)


def issue_settled(session: Session, late: LateAnswer, actor: Actor, now: datetime) -> None:
    """The first answer goes on standing."""
    changes = mapping.late_answer_settled(actor.id, now)
    resources.amend(session, "DetectedIssue", late.id, changes, now)
