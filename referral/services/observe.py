"""Figures of the whole installation, for the metrics."""

from __future__ import annotations

from datetime import datetime

from referral.storage import clinics, outbox, referrals
from referral.storage.db import Session


def figures(session: Session, now: datetime) -> list[tuple[str, str, float]]:
    """(name, meaning, value) summed over all clinics; ages are the oldest in any of them, in seconds."""
    depth, age, open_requests = 0, 0.0, 0
    for clinic in clinics.every(session):
        session.enter_clinic(clinic.id)
        waiting, oldest = outbox.depth(session, now)
        depth, age = depth + waiting, max(age, oldest)
        open_requests += referrals.count_open(session)
    return [
        ("referral_outbox_due", "Messages that are due and not yet sent.", depth),
        ("referral_outbox_age_seconds", "Age of the oldest message that is due.", age),
        ("referral_requests_open", "Requests that wait for an answer.", open_requests),
    ]
