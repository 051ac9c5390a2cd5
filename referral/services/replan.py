"""Lets what is planned follow the calendar: a closed day that was added later moves it, and says so."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from referral.domain.calendar import BusinessCalendar
from referral.domain.records import Referral
from referral.domain.reminders import Climb, Ladder, due_date, next_step
from referral.services import publish
from referral.services.climb import climb_of, ladder_and_calendar, replanned
from referral.storage import referrals, replannings
from referral.storage.db import Session
from referral.storage.replannings import Replanning

# So many follow in the transaction that changes the calendar; the rest by a sweep.
AT_ONCE: Final = 25
_BATCH: Final = 50


def plan_words(climb: Climb, ladder: Ladder, calendar: BusinessCalendar) -> dict[str, Any]:
    """A plan as the timeline keeps it: the next step, when it is due, when the request expires."""
    planned = next_step(climb, ladder, calendar)
    return {
        "step": planned.step if planned else None,
        "at": planned.due_at.isoformat() if planned else None,
        "due": due_date(ladder, calendar, climb).isoformat(),
    }


def plan_of(referral: Referral, ladder: Ladder) -> dict[str, Any]:
    """The same out of the row, as it was last worked out."""
    climbing = referral.next_step_at is not None and referral.climbed < len(ladder.rungs)
    return {
        "step": ladder.rungs[referral.climbed].step if climbing else None,
        "at": referral.next_step_at.isoformat() if referral.next_step_at else None,
        "due": referral.due_at.isoformat(),
    }


def calendar_changed(session: Session, clinician_id: str | None, why: str, now: datetime) -> int:
    """The first requests follow at once, the others by the sweep; returns how many were moved at once.

    `why` is a word of ours for the timeline. The caller has written what changed.
    """
    walk = replannings.begin(session, clinician_id, now)
    moved, _ = _follow(session, walk, AT_ONCE, why, now)
    return moved


def replan_open(session: Session, now: datetime) -> bool:
    """The next step of a walk; True while there may be more. Safe to run twice, and by two workers."""
    walk = replannings.take(session)
    if walk is None:
        return False
    _follow(session, walk, _BATCH, "calendar", now)
    return True


def _follow(session: Session, walk: Replanning, limit: int, why: str, now: datetime) -> tuple[int, bool]:
    found = replannings.next_of(session, walk, limit)
    moved = 0
    for _, _, id in found:
        referral = referrals.get(session, id, lock=True)
        if referral.is_open:
            moved += replan_one(session, referral, why, now)
    finished = len(found) < limit
    replannings.advance(session, walk, found[-1] if found else None, moved, now if finished else None)
    return moved, finished


def replan_one(session: Session, referral: Referral, why: str, now: datetime) -> bool:
    """Work the plan out anew; False where nothing is different. The caller holds the request."""
    ladder, calendar = ladder_and_calendar(session, referral)
    climb = climb_of(referral)
    values = replanned(climb, ladder, calendar)
    if values["due_at"] == referral.due_at and values["next_step_at"] == referral.next_step_at:
        return False
    changed = referrals.change(session, referral, **values)
    before, after = plan_of(referral, ladder), plan_words(climb, ladder, calendar)
    referrals.note(session, referral.id, "replanned", "system", now, why=why, before=before, after=after)
    publish.referral_changed(session, changed, now)
    return True
