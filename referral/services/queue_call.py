"""Decides that somebody of the clinic has to call: a row, in the transaction that decided it."""

from __future__ import annotations

from datetime import datetime

from referral.domain.calls import CallReason
from referral.domain.records import Referral
from referral.storage import calls, referrals
from referral.storage.db import Session


def queue_call(
    session: Session,
    referral: Referral,
    reason: CallReason,
    now: datetime,
    *,
    contact_id: str | None = None,
    due_at: datetime | None = None,
) -> bool:
    """False when the same call (request, reason, contact) waits already, which makes repeating harmless.

    `contact_id` is the number that the call is about, None for a call about the request itself. `due_at` None
    is at once. A call ends with its request.
    """
    made = calls.put(
        session, reason, now, referral_id=referral.id, contact_id=contact_id, due_at=due_at or now
    )
    if made is None:
        return False
    # The rung of the ladder is on the timeline already.
    if reason is not CallReason.LADDER:
        referrals.note(session, referral.id, "call-queued", "system", now, why=reason)
    return True
