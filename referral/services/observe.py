"""Figures of the whole installation, for the metrics."""

from __future__ import annotations

from datetime import datetime

from referral.storage import clinics, mode, outbox, referrals, safety_events
from referral.storage.db import Session


def figures(session: Session, now: datetime) -> list[tuple[str, str, float]]:
    """(name, meaning, value) summed over all clinics; ages are the oldest in any of them, in seconds."""
    depth, age, open_requests, waiting = 0, 0.0, 0, 0
    restoring = len(mode.restoring(session))
    for clinic in clinics.every(session):
        session.enter_clinic(clinic.id)
        waiting += safety_events.waiting(session)
        waiting, oldest = outbox.depth(session, now)
        depth, age = depth + waiting, max(age, oldest)
        open_requests += referrals.count_open(session)
    return [
        ("referral_outbox_due", "Messages that are due and not yet sent.", depth),
        ("referral_outbox_age_seconds", "Age of the oldest message that is due.", age),
        ("referral_requests_open", "Requests that wait for an answer.", open_requests),
        (
            "referral_stream_waiting",
            "Events that are not exported yet; more than a few need somebody.",
            waiting,
        ),
        ("referral_restore_mode", "Clinics that are closed after a restore.", restoring),
    ]
