"""What a clinician and the clinic say to each other about a request, and what of it waits for the clinic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

# More is a letter, not a question.
LONGEST: Final = 2000
LONGEST_REACH: Final = 120


class Speaker(StrEnum):
    CLINICIAN = "clinician"
    CLINIC = "clinic"


class About(StrEnum):
    """What is said. CALL, COLLEAGUE, LEFT and WRONG_ADDRESS are a clinician's honest ways out."""

    QUESTION = "question"
    REPLY = "reply"
    CALL = "call"
    COLLEAGUE = "colleague"
    LEFT = "left"
    WRONG_ADDRESS = "wrong-address"


# Whoever says this is not the one to answer: the links rest, and staff find who is (safety.md 3).
EXITS: Final = frozenset({About.COLLEAGUE, About.LEFT, About.WRONG_ADDRESS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Whom to call and how, as a clinician has typed it; no narrative, since the front desk calls."""

    name: str = ""
    telephone: str = ""
    when: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.name or self.telephone or self.when)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One thing that was said. `words_id` is narrative, `reach_id` a Reach; both are encrypted documents.

    `had_seen`: whoever said it had been shown the patient's data. What a clinician says waits for the clinic
    until it is settled.
    """

    id: str
    referral_id: str
    speaker: Speaker
    about: About
    words_id: str | None
    reach_id: str | None
    had_seen: bool
    said_by: str
    said_at: datetime
    settled_at: datetime | None = None
    settled_by: str | None = None

    @property
    def waits(self) -> bool:
        return self.speaker is Speaker.CLINICIAN and self.settled_at is None
