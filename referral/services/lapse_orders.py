"""Takes orders back on hold when time alone has closed their gate."""

from __future__ import annotations

from datetime import datetime

from referral.domain.audit import Actor
from referral.services.refresh_gate import refresh_gate
from referral.storage import orders
from referral.storage.db import Session


def lapse_orders(session: Session, now: datetime) -> int:
    """Looks at active orders whose last recommendation has run out; returns how many went on hold.

    The database refuses a start at once; this lets the published order say so too. Safe to run twice.
    """
    actor = Actor(session.clinic, "system", "sweep")
    lapsed = 0
    for order_id in orders.past_validity(session, now):
        orders.get(session, order_id, lock=True)
        lapsed += not refresh_gate(session, actor, order_id, now).open
    return lapsed
