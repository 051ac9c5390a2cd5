"""One request to one clinician: which steps its coordination Task may take."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from referral.domain.codes import BusinessStatus, Decision, TaskStatus
from referral.domain.errors import TransitionRefused


class Event(StrEnum):
    """What can happen to a request."""

    PROVE_IDENTITY = "prove-identity"
    ACCEPT = "accept"
    BEGIN = "begin"
    ANSWER = "answer"
    ASK_INFORMATION = "ask-information"
    REJECT = "reject"
    DELIVERY_FAILED = "delivery-failed"
    RESEND = "resend"
    CANCEL = "cancel"
    EXPIRE = "expire"


_OPEN: Final = (
    TaskStatus.REQUESTED,
    TaskStatus.RECEIVED,
    TaskStatus.ACCEPTED,
    TaskStatus.IN_PROGRESS,
    TaskStatus.ON_HOLD,
)
_BEGUN: Final = (TaskStatus.ACCEPTED, TaskStatus.IN_PROGRESS, TaskStatus.ON_HOLD)

# What may happen next (fhir.md 5). A step that is missing here is refused.
_NEXT: Final[dict[tuple[Event, TaskStatus], TaskStatus]] = {
    (Event.PROVE_IDENTITY, TaskStatus.REQUESTED): TaskStatus.RECEIVED,
    **{(Event.PROVE_IDENTITY, state): state for state in (TaskStatus.RECEIVED, *_BEGUN)},
    **{
        (Event.ACCEPT, state): TaskStatus.ACCEPTED
        for state in (TaskStatus.REQUESTED, TaskStatus.RECEIVED, TaskStatus.ACCEPTED)
    },
    (Event.BEGIN, TaskStatus.REQUESTED): TaskStatus.IN_PROGRESS,
    (Event.BEGIN, TaskStatus.RECEIVED): TaskStatus.IN_PROGRESS,
    (Event.BEGIN, TaskStatus.ACCEPTED): TaskStatus.IN_PROGRESS,
    (Event.BEGIN, TaskStatus.IN_PROGRESS): TaskStatus.IN_PROGRESS,
    **{(Event.ANSWER, state): TaskStatus.COMPLETED for state in _OPEN},
    **{(Event.ASK_INFORMATION, state): TaskStatus.IN_PROGRESS for state in _OPEN},
    **{(Event.REJECT, state): TaskStatus.REJECTED for state in _OPEN},
    (Event.DELIVERY_FAILED, TaskStatus.REQUESTED): TaskStatus.REQUESTED,
    (Event.RESEND, TaskStatus.REQUESTED): TaskStatus.REQUESTED,
    **{(Event.RESEND, state): state for state in (TaskStatus.RECEIVED, *_BEGUN)},
    **{(Event.CANCEL, state): TaskStatus.CANCELLED for state in _OPEN},
    **{(Event.EXPIRE, state): TaskStatus.CANCELLED for state in (TaskStatus.REQUESTED, TaskStatus.RECEIVED)},
    **{(Event.EXPIRE, state): TaskStatus.FAILED for state in _BEGUN},
}

_SPOKEN: Final = {
    TaskStatus.COMPLETED: "it has been answered",
    TaskStatus.CANCELLED: "it has been cancelled",
    TaskStatus.REJECTED: "the clinician has declined it",
    TaskStatus.FAILED: "it has expired",
    TaskStatus.ENTERED_IN_ERROR: "it was entered in error",
    TaskStatus.DRAFT: "it has not been sent",
}


def next_status(event: Event, status: TaskStatus) -> TaskStatus:
    """The status after `event`; raises TransitionRefused where the state does not allow it."""
    try:
        return _NEXT[(event, status)]
    except KeyError:
        why = _SPOKEN.get(status, f"its status is {status}")
        raise TransitionRefused(f"This step ({event}) is not possible: {why}.", "Task.status") from None


BUSINESS_STATUS_OF: Final = {
    Decision.RECOMMENDED: BusinessStatus.RECOMMENDED,
    Decision.RECOMMENDED_WITH_CONDITIONS: BusinessStatus.RECOMMENDED_WITH_CONDITIONS,
    Decision.NOT_RECOMMENDED: BusinessStatus.NOT_RECOMMENDED,
    Decision.NEEDS_INFORMATION: BusinessStatus.AWAITING_INFORMATION,
}

EVENT_OF: Final = {
    Decision.RECOMMENDED: Event.ANSWER,
    Decision.RECOMMENDED_WITH_CONDITIONS: Event.ANSWER,
    Decision.NOT_RECOMMENDED: Event.ANSWER,
    Decision.NEEDS_INFORMATION: Event.ASK_INFORMATION,
    Decision.NOT_MY_PATIENT: Event.REJECT,
}
