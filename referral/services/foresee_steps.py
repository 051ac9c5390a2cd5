"""All coming steps of a request, by the rule that climbs them: when, and by what. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from referral.domain.calendar import BusinessCalendar
from referral.domain.codes import Channel
from referral.domain.records import Clinician
from referral.domain.reminders import Climb, Coming, Ladder, Planned, coming
from referral.services.climb import Carrier, contact_for


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One coming step; `channel` is None where it sends nothing, or has nothing to send by."""

    planned: Planned
    at: datetime
    channel: Channel | None


def foresee_steps(
    climb: Climb,
    ladder: Ladder,
    calendar: BusinessCalendar,
    clinician: Clinician,
    last: Carrier | None,
    now: datetime,
) -> tuple[Foreseen, ...]:
    """In order of time. `last` carried the newest letter; each is taken to arrive by what it goes by."""
    return tuple(_with_channels(coming(climb, ladder, calendar, now), clinician, last))


def _with_channels(steps: Iterable[Coming], clinician: Clinician, last: Carrier | None) -> Iterator[Foreseen]:
    for step in steps:
        contact = contact_for(step.planned.rung, clinician, last)
        if contact is not None:
            last = (contact.id, contact.channel)
        yield Foreseen(step.planned, step.at, contact.channel if contact else None)
