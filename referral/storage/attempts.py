"""Guesses at a link, counted under its row's lock: alike for the links of clinicians and of patients."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Table, case, or_, update

from referral.domain.credential import FREEZE_AFTER, PAUSE, PAUSE_AFTER
from referral.storage.db import Session


def take_attempt(session: Session, links: Table, selector: str, now: datetime) -> bool:
    """Pay for one guess before it is looked at; False when none is left. Commit before evaluating.

    The counter moves under the row's lock: however many guess at once, an eleventh guess is never evaluated.
    The 5th pauses the link for 15 minutes, the 10th freezes it.
    """
    counted = links.c.attempts + 1
    changed = session.connection.execute(
        update(links)
        .where(
            links.c.clinic_id == session.clinic,
            links.c.selector == selector,
            links.c.frozen_at.is_(None),
            links.c.revoked_at.is_(None),
            links.c.attempts < FREEZE_AFTER,
            or_(links.c.paused_until.is_(None), links.c.paused_until <= now),
        )
        .values(
            attempts=counted,
            paused_until=case((counted == PAUSE_AFTER, now + PAUSE), else_=links.c.paused_until),
            frozen_at=case((counted >= FREEZE_AFTER, now), else_=None),
        )
    )
    return changed.rowcount == 1


def forgive(session: Session, links: Table, selector: str) -> None:
    """A right answer clears the counter."""
    session.connection.execute(
        update(links)
        .where(links.c.clinic_id == session.clinic, links.c.selector == selector)
        .values(attempts=0, paused_until=None, frozen_at=None)
    )
