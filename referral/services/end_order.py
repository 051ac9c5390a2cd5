"""Ends an infusion order, whoever ends it: its gate is closed for good, and what was asked for it ends."""

from __future__ import annotations

from datetime import datetime

from referral.domain.audit import Actor
from referral.services import publish_warnings
from referral.services.close_referral import cancel_referral
from referral.services.follow_gate import cancel_bookings
from referral.storage import orders, referrals, resources
from referral.storage.db import Session


def end_order(session: Session, actor: Actor, order_id: str, status: str, now: datetime) -> None:
    """`status` is completed, revoked or entered-in-error. The caller holds the order and has checked it."""
    orders.set_status(session, order_id, status)
    resources.amend(session, "ServiceRequest", order_id, {"status": status}, now)
    cancel_bookings(session, actor, order_id, now)
    for referral in referrals.find(session, order_id=order_id, is_open=True, lock=True):
        cancel_referral(session, actor, referral.id, referral.version, "cancelled-by-clinic", now)
    publish_warnings.end_flag(session, order_id, now)
    publish_warnings.refresh_issues(session, order_id, now)
