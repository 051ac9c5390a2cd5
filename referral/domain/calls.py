"""Calls that people of the clinic make: why, what can come of one, and how often nobody is reached."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from referral.domain.codes import Channel
from referral.domain.errors import InvalidInput, Issue

# Nobody was reached this often: a person looks for another way, and the list forgets it.
MAX_TRIES: Final = 3


class CallReason(StrEnum):
    """Why somebody has to call."""

    LADDER = "ladder"
    ASKED = "asked"
    ONLY_CONTACT = "only-contact"
    CONFIRM_NUMBER = "confirm-number"
    OWN = "own"


class CallState(StrEnum):
    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


class CallOutcome(StrEnum):
    """What came of a call. NOT_REACHED is the third NO_ANSWER; nobody chooses it."""

    WILL_ANSWER = "will-answer"
    OTHER_CHANNEL = "other-channel"
    ANSWER_GIVEN = "answer-given"
    BACK_ON = "back-on"
    NO_ANSWER = "no-answer"
    WRONG_NUMBER = "wrong-number"
    NOT_THEIR_PATIENT = "not-their-patient"
    DO_NOT_CONTACT = "do-not-contact"
    NUMBER_RIGHT = "number-right"
    NUMBER_WRONG = "number-wrong"
    NOT_REACHED = "not-reached"


_ABOUT_REQUEST: Final = (
    CallOutcome.WILL_ANSWER,
    CallOutcome.OTHER_CHANNEL,
    CallOutcome.ANSWER_GIVEN,
    CallOutcome.BACK_ON,
    CallOutcome.NO_ANSWER,
    CallOutcome.WRONG_NUMBER,
    CallOutcome.NOT_THEIR_PATIENT,
    CallOutcome.DO_NOT_CONTACT,
)
_ABOUT_NUMBER: Final = (
    CallOutcome.NUMBER_RIGHT,
    CallOutcome.NUMBER_WRONG,
    CallOutcome.NO_ANSWER,
    CallOutcome.WRONG_NUMBER,
)
# After these the same call is still to be made, or its end comes by another step.
STAYS_OPEN: Final = frozenset(
    {CallOutcome.NO_ANSWER, CallOutcome.WRONG_NUMBER, CallOutcome.BACK_ON, CallOutcome.ANSWER_GIVEN}
)


def outcomes_of(reason: CallReason) -> tuple[CallOutcome, ...]:
    """What a person may choose, in the order of the list."""
    return _ABOUT_NUMBER if reason is CallReason.CONFIRM_NUMBER else _ABOUT_REQUEST


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLog:
    """What a person says of a call: `channel` for OTHER_CHANNEL, `back_on` for BACK_ON.

    `spoke_with` for NUMBER_RIGHT and NUMBER_WRONG.
    """

    outcome: CallOutcome
    channel: Channel | None = None
    back_on: date | None = None
    spoke_with: str = ""


def check_log(log: CallLog, reason: CallReason, today: date) -> None:
    """Raises InvalidInput with every problem; `today` is the clinic's date."""
    issues = []
    if log.outcome not in outcomes_of(reason):
        issues.append(Issue("Choose what came of the call.", ("call_outcome",), "required"))
    if log.outcome is CallOutcome.OTHER_CHANNEL and log.channel is None:
        issues.append(Issue("Choose how it is sent again.", ("call_channel",), "required"))
    if log.outcome is CallOutcome.BACK_ON:
        ahead = (log.back_on - today).days if log.back_on else 0
        if not 0 < ahead <= 180:
            text = "Give the day on which they are back: after today, at most half a year ahead."
            issues.append(Issue(text, ("call_back_on",), "value"))
    if log.outcome is CallOutcome.NUMBER_RIGHT and len(log.spoke_with.strip()) < 3:
        issues.append(Issue("Whom did you speak with?", ("call_spoke_with",), "required"))
    if issues:
        raise InvalidInput(*issues)
