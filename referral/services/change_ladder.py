"""The medical director puts a new ladder in force, as a version of the policy (docs/adr/0021)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import InvalidInput, Issue
from referral.domain.ladder_draft import ladder_changes
from referral.domain.reminders import Climb, Coming, Ladder, coming
from referral.services.calendars import business_calendar, closed_by_clinic, federal_holidays, hours_of
from referral.services.change_policy import outrun, put_in_force
from referral.services.foresee_policy import Foreseen
from referral.storage import audit, clinics, referrals
from referral.storage.db import Session, hold

_LEAST_REASON: Final = 10
# Open requests are counted up to here: the page says "more than".
_COUNTED: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderPreview:
    """What a request that is asked for now would get from an office in `time_zone`, if nobody answers.

    `holidays` are the federal holidays on its way, `closed` the clinic's closed days; neither counts.
    `open_requests` go on by the ladder that they were asked with; more than 1,000 are told as 1,001.
    """

    time_zone: str
    leaves_at: datetime
    steps: tuple[Coming, ...]
    holidays: tuple[tuple[date, str], ...]
    closed: tuple[tuple[date, date, str], ...]
    open_requests: int


def preview_ladder(session: Session, ladder: Ladder, time_zone: str, now: datetime) -> LadderPreview:
    """By the very rule that climbs. Nothing is written; nothing here is about a patient."""
    clinic = clinics.current(session)
    closures, days = closed_by_clinic(session)
    calendar = business_calendar(time_zone, hours_of(clinic), closures, days)
    leaves_at = calendar.next_opening(now)
    steps = coming(Climb(started_at=leaves_at), ladder, calendar, now)
    first, last = calendar.local_date(now), calendar.local_date(steps[-1].at)
    return LadderPreview(
        time_zone=time_zone,
        leaves_at=leaves_at,
        steps=steps,
        holidays=tuple(federal_holidays(first, last)),
        closed=tuple(
            (c.first_on, c.last_on, c.words) for c in closures if first <= c.last_on and c.first_on <= last
        ),
        open_requests=referrals.count_open(session, at_most=_COUNTED + 1),
    )


def change_ladder(
    session: Session, actor: Actor, new: Ladder, *, based_on: int, reason: str, now: datetime
) -> int:
    """Save `new` with the policy in force as the next version; returns its number.

    Requests that run keep the ladder that they were asked with. Raises InvalidInput without a reason or a
    change, StaleVersion when somebody else has saved a version since the one that the form was made from.
    """
    words = " ".join(reason.split())[:500]
    if len(words) < _LEAST_REASON:
        text = "Please write in a sentence why; it is kept with this version."
        raise InvalidInput(Issue(text, ("reason",), "required"))
    hold(session, "policy")
    policy, before = clinics.policy_in_force(session)
    if policy.version != based_on:
        raise outrun(policy)
    if not ladder_changes(before, new):
        raise InvalidInput(Issue("Nothing is different from the ladder in force.", ("reason",), "value"))
    # No order is moved by it: the gate does not ask how somebody was reminded.
    saved = put_in_force(session, actor, policy, new, words, Foreseen({}, 0), now)
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype="ladder-change",
        detail={"version": saved.version, "steps": len(new.rungs), "days": new.days},
    )
    audit.record(session, actor, entry)
    return saved.version
