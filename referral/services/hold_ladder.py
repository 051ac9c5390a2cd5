"""Guessing at a link stops the reminders: each would carry a new link, and with it new tries.

A person of the clinic calls the clinician and sends the request again; then the ladder goes on.
"""

from __future__ import annotations

from datetime import datetime

from referral.domain.outgoing import REMINDERS
from referral.domain.records import Referral
from referral.services.climb import going_on
from referral.services.close_referral import stop_messages
from referral.storage import faxes, referrals
from referral.storage.db import Session


def hold_for_guessing(session: Session, actor_id: str, referral_id: str, now: datetime) -> None:
    """The ladder stands still from now on, and reminders that wait to leave do not. Staff see why."""
    referral = referrals.get(session, referral_id, lock=True)
    referrals.note(session, referral_id, "portal-frozen", actor_id, now)
    if referral.is_open and referral.held_at is None:
        held = referrals.change(session, referral, held_at=now, next_step_at=None)
        stop_messages(session, held, REMINDERS, now)


def go_on_after_guessing(session: Session, referral: Referral, now: datetime) -> Referral:
    """The ladder goes on, unless it waits for something else. The caller holds the request."""
    if not _is_held_for_guessing(session, referral):
        return referral
    return referrals.change(session, referral, **going_on(session, referral, now))


def _is_held_for_guessing(session: Session, referral: Referral) -> bool:
    """A question or a fax of the clinician's holds it as well, and is answered in another way."""
    if referral.held_at is None or faxes.waiting_for(session, [referral.id]):
        return False
    question = referrals.latest_questions(session, [referral.id]).get(referral.id)
    return question is None or question.at < referral.held_at
