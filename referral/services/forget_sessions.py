"""Removes sign-ins, visits of the portal, tokens and counters that have been dead for long; not the audit."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from referral.services.lock_session import forget_kept
from referral.storage import accounts, api_clients, credentials, patient_links
from referral.storage.db import Session

# Longer than anybody asks about them, shorter than they pile up.
KEPT: Final = timedelta(days=30)


def forget_sessions(session: Session, now: datetime) -> int:
    """What was last used 30 days ago or earlier, of the entered clinic; counters are nobody's.

    A visit with a draft stays until its request is closed: another visit goes on from there. Returns how many
    rows are gone. Running it twice is harmless.
    """
    before = now - KEPT
    ended = accounts.remove_sessions(session, before) + credentials.remove_sessions(session, before)
    ended += forget_kept(session, now) + patient_links.remove_visits(session, before)
    # A token that has run out says nothing to anybody.
    return ended + api_clients.forget(session, now)
