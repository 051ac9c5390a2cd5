"""What is overdue around a course of treatment: visits that were promised, reports that are owed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from referral.services.attention import Attention, Reason
from referral.services.calendars import clinic_calendar
from referral.services.find_orders import States
from referral.storage import course_reports, follow_ups
from referral.storage.db import Session

_MOST: Final = 100
# What nobody has seen to for a quarter of a year is a matter for the measures and no longer for today.
_LOOKED_BACK: Final = timedelta(days=91)


def overdue_visits(session: Session, states: States, now: datetime) -> Iterator[Attention]:
    """Promised visits whose day has passed, and nobody has said in time what became of them."""
    calendar = clinic_calendar(session)
    until = follow_ups.open_until(session, calendar.local_date(now), _MOST)
    overdue = [one for one in until if one.is_overdue(calendar, now)]
    asked = states.about({one.referral_id for one in overdue})
    for one in overdue:
        followed, state = asked[one.referral_id]
        since = one.asked_at or one.promised_at
        yield Attention(reason=Reason.FOLLOW_UP, state=state, since=since, followed=followed)


def late_reports(session: Session, states: States, now: datetime) -> Iterator[Attention]:
    """Reports that a recommender should have had by now; also where no contact may carry one."""
    late = course_reports.late(session, now - _LOOKED_BACK, now, _MOST)
    asked = states.about({one.report.referral_id for one in late})
    for one in late:
        followed, state = asked[one.report.referral_id]
        since = one.report.due_at
        yield Attention(reason=Reason.LATE_REPORT, state=state, since=since, followed=followed, report=one)
