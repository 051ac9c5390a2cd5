"""Who sees the patient next and when: what a clinician has promised in the form, and what became of it.

The rule that asks for a recommendation exists for this. The promise counts from the end of the course, and
until there is one from the last session; a patient is reminded before that day, the office is asked after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from referral.domain.answers import Answers
from referral.domain.calendar import BusinessCalendar
from referral.domain.language import phrase

# Days of each answer to "Next visit within"; a quarter of a year for three months.
WITHIN: Final = {"2-weeks": 14, "4-weeks": 28, "3-months": 91}
# Business days before the day of the visit on which the patient is reminded, and after it for the office.
REMIND_AHEAD: Final = 3
ASK_AFTER: Final = 2
# Nobody has answered for so many business days: the front desk sees to it.
OVERDUE_AFTER: Final = 7


class Outcome(StrEnum):
    """What became of the visit. MOVED is another day, and the promise goes on from there.

    SUPERSEDED is said by nobody: the clinician has answered anew about this order.
    """

    SEEN = "seen"
    MOVED = "moved"
    LOST = "lost"
    NOT_OURS = "not-ours"
    SUPERSEDED = "superseded"


# What an office or the clinic can say.
OUTCOMES: Final = {
    Outcome.SEEN: phrase("The patient was seen"),
    Outcome.MOVED: phrase("The visit has another day"),
    Outcome.LOST: phrase("The patient did not come, and we have lost contact"),
    Outcome.NOT_OURS: phrase("We do not treat this patient any more"),
}


# Every way in which a promise changes.
CHANGES: Final = {**OUTCOMES, Outcome.SUPERSEDED: "A newer answer says who sees the patient next"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """One promise; `id` is its Task. `adjuster` is who adjusts medication, as the form says.

    `due_on` is the clinic's date, None before the first session. `outcome_on` is the day on which the patient
    was seen. `settled_at` None while it goes on.
    """

    id: str
    recommendation_id: str
    referral_id: str
    patient_id: str
    order_id: str
    clinician_id: str
    within: str
    adjuster: str | None
    promised_at: datetime
    due_on: date | None = None
    moved_to: date | None = None
    reminded_at: datetime | None = None
    asked_at: datetime | None = None
    outcome: Outcome | None = None
    outcome_on: date | None = None
    settled_at: datetime | None = None
    settled_by: str | None = None

    def is_overdue(self, calendar: BusinessCalendar, now: datetime) -> bool:
        """The office was asked and nobody has answered in time; the front desk calls."""
        if self.settled_at is not None or self.due_on is None:
            return False
        return _after(calendar, self.due_on, OVERDUE_AFTER) <= now

    def is_to_remind(self, calendar: BusinessCalendar, now: datetime) -> bool:
        """Before the day itself has passed: later a reminder would only confuse."""
        if self.settled_at is not None or self.due_on is None or self.reminded_at is not None:
            return False
        day = calendar.at(self.due_on, calendar.opens)
        first = calendar.local_date(calendar.business_day_before(day, REMIND_AHEAD))
        return calendar.at(first, calendar.sends) <= now < day

    def is_to_ask(self, calendar: BusinessCalendar, now: datetime) -> bool:
        """Once for each day that was promised."""
        if self.settled_at is not None or self.due_on is None or self.asked_at is not None:
            return False
        return _after(calendar, self.due_on, ASK_AFTER) <= now


def _after(calendar: BusinessCalendar, day: date, count: int) -> datetime:
    return calendar.business_day_after(calendar.at(day, calendar.opens), count)


def promised(answers: Answers) -> tuple[str, str | None] | None:
    """(within, who adjusts medication) of a positive answer that promises a visit, else None."""
    within = answers.text("next-visit") or ""
    if not answers.is_positive or within not in WITHIN or answers.text("continues-care") == "no":
        return None
    return within, answers.text("medication-adjuster")
