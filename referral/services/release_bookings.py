"""The sweep over tentative bookings: releases those whose gate has not opened two business days before."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import structlog

from referral.domain.audit import Actor
from referral.services.follow_gate import cancel_bookings, follow_gate, release_overdue
from referral.services.refresh_gate import refresh_gate
from referral.storage import bookings, orders
from referral.storage.db import Session, attempt

log = structlog.get_logger(__name__)
_BATCH: Final = 200


def release_bookings(session: Session, now: datetime) -> int:
    """Returns how many bookings were released. Safe to run twice and at once; the next sweep takes the rest.

    Also mends bookings that do not say what their order says, whatever has forgotten them.
    """
    actor = Actor(session.clinic, "system", "sweep")
    due = bookings.orders_due(session, now, _BATCH)
    astray = bookings.orders_out_of_step(session, now, _BATCH)
    return sum(_settle_safely(session, actor, order_id, now) for order_id in dict.fromkeys([*due, *astray]))


def _settle_safely(session: Session, actor: Actor, order_id: str, now: datetime) -> int:
    """One order's trouble is not another's."""
    try:
        with attempt(session):
            return _settle(session, actor, order_id, now)
    except Exception:
        log.exception("release.failed", order=order_id)
        return 0


def _settle(session: Session, actor: Actor, order_id: str, now: datetime) -> int:
    """The gate is read once more: one that has just opened confirms instead."""
    order = orders.get(session, order_id, lock=True)
    if order.status not in orders.USABLE:
        cancel_bookings(session, actor, order_id, now)
        return release_overdue(session, actor, order_id, now)
    decision = refresh_gate(session, actor, order_id, now)
    follow_gate(session, actor, order_id, now, is_open=decision.settled)
    return 0 if decision.settled else release_overdue(session, actor, order_id, now)
