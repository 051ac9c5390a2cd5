"""Emergency access to treatment without the recommendation, given by two people (safety.md 2).

What may be overridden: a missing recommendation and nothing else. Without the initial consultation nobody at
the clinic has seen the patient; an indication that nobody has classified may be one that ketamine harms; an
order that is not in use was taken back by somebody. These stay closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from referral.domain.codes import OverrideReason

# A request that nobody has decided lapses after an hour, as an approval does, whose end the database sets.
DECIDE_WITHIN: Final = timedelta(minutes=60)
REVIEW_WITHIN: Final = timedelta(hours=72)
LEAST_WORDS: Final = 30


def tidy(words: str) -> str:
    """Spaces and line ends as one space: thirty characters are thirty that say something."""
    return " ".join(words.split())


def enough(words: str) -> bool:
    """Whether a reason has at least 30 characters."""
    return len(tidy(words)) >= LEAST_WORDS


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideCase:
    """One request for emergency access and all that became of it; times are the database's.

    `approved` is None while nobody has decided, `justified` None while nobody has reviewed. `start_id` is the
    start that has used it up.
    """

    id: str
    patient_id: str
    order_id: str
    reason_code: OverrideReason
    requested_by: str
    requested_at: datetime
    approved: bool | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    expires_at: datetime | None = None
    start_id: str | None = None
    started_at: datetime | None = None
    justified: bool | None = None
    reviewed_by: str | None = None
    reviewed_at: datetime | None = None

    @property
    def outcome(self) -> str:
        """In one word: asked, declined, approved, used."""
        if self.approved is None:
            return "asked"
        if not self.approved:
            return "declined"
        return "used" if self.start_id is not None else "approved"

    def waits(self, now: datetime) -> bool:
        """Somebody can still decide about it."""
        return self.approved is None and now - self.requested_at < DECIDE_WITHIN

    def in_force(self, now: datetime) -> bool:
        """A start may still use it, as far as this request goes."""
        return self.start_id is None and self.expires_at is not None and self.expires_at > now

    @property
    def review_due_at(self) -> datetime | None:
        """Until when the medical director has to have looked at it; None for what was not approved."""
        return self.decided_at + REVIEW_WITHIN if self.approved and self.decided_at else None

    @property
    def to_review(self) -> bool:
        """Given, and not looked at yet."""
        return self.approved is True and self.justified is None

    def overdue(self, now: datetime) -> bool:
        """Still not looked at after 72 hours."""
        return self.to_review and self.review_due_at is not None and self.review_due_at <= now
