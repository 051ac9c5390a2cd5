"""Takes orders back on hold when time alone has closed their gate."""

from __future__ import annotations

from datetime import datetime

from referral.domain.audit import Actor
from referral.domain.codes import BusinessStatus
from referral.services import publish
from referral.services.refresh_gate import refresh_order
from referral.storage import orders, overrides, referrals, standings
from referral.storage.db import Session


def lapse_orders(session: Session, now: datetime) -> int:
    """Looks at active orders whose last recommendation or override has run out; returns how many it closed.

    The database refuses a start at once; this lets the published order say so too. Safe to run twice.
    """
    actor = Actor(session.clinic, "system", "sweep")
    lapsed = 0
    for order_id in orders.past_validity(session, now):
        orders.get(session, order_id, lock=True)
        for answer in standings.of_orders(session, [order_id]):
            if answer.is_positive and answer.is_living:
                _note_end(session, answer.referral_id, now)
        lapsed += not refresh_order(session, actor, order_id, now).open
    for order_id in overrides.run_out(session, now):
        orders.get(session, order_id, lock=True)
        lapsed += not refresh_order(session, actor, order_id, now).open
    return lapsed


def _note_end(session: Session, referral_id: str, now: datetime) -> None:
    """The request that was answered says that its answer is too old; once."""
    referral = referrals.get(session, referral_id, lock=True)
    if referral.business_status is BusinessStatus.LAPSED:
        return
    changed = referrals.change(session, referral, business_status=BusinessStatus.LAPSED)
    publish.referral_changed(session, changed, now)
    referrals.note(session, referral_id, "validity-over", "sweep", now)
