"""The DetectedIssue of an override: what was missing, and that two people let one treatment go ahead."""

from __future__ import annotations

import uuid
from datetime import datetime

from referral.domain.audit import Actor
from referral.domain.gate import GateDecision
from referral.domain.override import OverrideCase
from referral.domain.records import Order
from referral.fhir.gate import detected_issue, override_mitigation
from referral.fhir.systems import DEFAULT
from referral.storage import referrals, resources
from referral.storage.db import Session


def publish_override(
    session: Session, actor: Actor, order: Order, case: OverrideCase, before: GateDecision, now: datetime
) -> None:
    """Written when an override is approved; `before` is the closed gate. People are named by their ids."""
    waiting = [r.task_id for r in referrals.of_orders(session, [order.id]) if r.is_open]
    author = DEFAULT.staff(case.requested_by)
    issue = detected_issue(str(uuid.uuid4()), order, before, author=author, task_ids=waiting)
    issue["status"] = "final"
    issue["mitigation"] = [override_mitigation(case.reason_code, at=now, author=DEFAULT.staff(actor.id))]
    resources.create(session, [issue], now)
