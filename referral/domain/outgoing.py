"""Messages that leave: their kinds, states, keys and retries."""

from __future__ import annotations

import uuid
from collections.abc import Container
from datetime import timedelta
from enum import StrEnum
from typing import Final

# A fixed namespace, so that a row and its generation always give a provider the same key.
_KEY_NAMESPACE: Final = uuid.UUID("7d0f4a52-5e0b-5c8f-9a47-0b6a2f1c9d31")
MAX_TRIES: Final = 8
# A row that killed its worker at this many claims is parked: a poison row must not stop the queue.
MAX_CRASHES: Final = 3
LEASE: Final = timedelta(seconds=60)
# The longest that one call to a provider takes: every transport gives up within it.
LONGEST_CALL: Final = timedelta(seconds=20)
# How long a batch keeps its places at a provider: its calls begin at once or not at all. Less than a lease,
# so that places of the dead do not hold up the living for as long.
PLACES_HELD: Final = timedelta(seconds=30)
# Providers keep idempotency keys for a day at least; a try after this is no repetition any more.
KEY_KEPT: Final = timedelta(hours=20)
# A call whose outcome nobody knows is looked into after this: the provider may still be at work on it.
DOUBT: Final = timedelta(seconds=30)
_LONGEST_WAIT: Final = timedelta(hours=1)


class MessageKind(StrEnum):
    """Each has templates under templates/messages/ (a guard test looks)."""

    REQUEST = "request"
    REMINDER = "reminder"
    IDENTITY_CODE = "identity-code"
    FRESH_LINK = "fresh-link"
    CANCELLED = "cancelled"
    THANK_YOU = "thank-you"
    RENEWAL = "renewal"
    WITHDRAWN = "withdrawn"
    NO_LONGER_COUNTS = "no-longer-counts"
    CONVERSATION = "conversation"
    FOLLOW_UP = "follow-up"
    REPORT = "report"
    SAFETY_REPORT = "safety-report"
    PATIENT_STATUS = "patient-status"
    PATIENT_LINK = "patient-link"
    PATIENT_QUESTIONS = "patient-questions"
    PATIENT_VISIT = "patient-visit"


# Those that go to the patient, with a link to the patient's own page; a table of its own keeps these links.
TO_PATIENT: Final = frozenset(
    {
        *(MessageKind.PATIENT_STATUS, MessageKind.PATIENT_LINK, MessageKind.PATIENT_QUESTIONS),
        MessageKind.PATIENT_VISIT,
    }
)


# Those that carry a portal credential of their own.
WITH_LINK: Final = frozenset(
    {
        MessageKind.REQUEST,
        MessageKind.REMINDER,
        MessageKind.FRESH_LINK,
        MessageKind.RENEWAL,
        MessageKind.CONVERSATION,
        MessageKind.FOLLOW_UP,
        MessageKind.REPORT,
        MessageKind.SAFETY_REPORT,
    }
)
# Reports of a course to whoever recommended it. On paper they are the report itself, else a link to it.
REPORTS: Final = frozenset({MessageKind.REPORT, MessageKind.SAFETY_REPORT})
# Those whose paper repeats what a clinician has answered or written, or what was measured in a course.
WITH_NARRATIVE: Final = REPORTS | {MessageKind.THANK_YOU, MessageKind.CONVERSATION}
# What must not go out any more once the ladder stands still or has been moved.
REMINDERS: Final = frozenset({MessageKind.REMINDER})
# Those whose link comes with a letter about the request.
WITH_LETTER: Final = frozenset({MessageKind.REQUEST, MessageKind.REMINDER})
# Those that somebody is waiting for at this moment; business hours do not hold them back.
AT_ONCE: Final = frozenset({MessageKind.IDENTITY_CODE, MessageKind.FRESH_LINK, MessageKind.PATIENT_LINK})
# Those that closed days of an office do not hold back; its weekends, holidays and nights do.
EVEN_WHEN_CLOSED: Final = frozenset({MessageKind.SAFETY_REPORT})
# A letter that goes another way because the first refused it. Rungs of the ladder count from 1 and stay free.
SWITCHED: Final = 100
# A rung whose reminder was stopped before it left, and that is climbed once more after a pause.
AGAIN: Final = 1000
# Those that make no sense once the request is answered, cancelled or expired.
ONLY_WHILE_OPEN: Final = frozenset(
    {
        *(MessageKind.REQUEST, MessageKind.REMINDER, MessageKind.IDENTITY_CODE, MessageKind.FRESH_LINK),
        MessageKind.PATIENT_STATUS,
        MessageKind.CONVERSATION,
    }
)
# Those that make sense after an answer, as long as the recommendation stands.
WHILE_STANDING: Final = frozenset(
    {MessageKind.RENEWAL, MessageKind.FRESH_LINK, MessageKind.IDENTITY_CODE, MessageKind.CONVERSATION}
)


class Lane(StrEnum):
    """Whom a message may not wait behind. LETTER takes long to draw; URGENT is waited for at this moment."""

    URGENT = "urgent"
    TEXT = "text"
    LETTER = "letter"


def lane_of(kind: MessageKind) -> Lane:
    """The sealed record of an answer and a report are drawn like a letter."""
    if kind in AT_ONCE | EVEN_WHEN_CLOSED:
        return Lane.URGENT
    drawn = kind in WITH_LETTER | REPORTS or kind is MessageKind.THANK_YOU
    return Lane.LETTER if drawn else Lane.TEXT


# How many are drawn together: a letter takes up to half a second.
DRAWN_TOGETHER: Final = {Lane.URGENT: 20, Lane.TEXT: 100, Lane.LETTER: 2}


def together(lane: Lane, crashes: int) -> int:
    """How many messages to draw at once that have already lost a worker `crashes` times.

    The one that takes its workers down is found among ever fewer, and innocent ones outlive it.
    """
    return {0: DRAWN_TOGETHER[lane], 1: min(8, DRAWN_TOGETHER[lane])}.get(crashes, 1)


# How many are looked into together after a death: the first time these, afterwards each by itself.
_ASKED_TOGETHER: Final = 8


def asked_together(crashes: int) -> int:
    """How many messages to hand over, or to ask about, at once that have lost a worker `crashes` times."""
    return _ASKED_TOGETHER if crashes <= 1 else 1


def makes_sense(kind: MessageKind, *, is_open: bool, stands: bool) -> bool:
    """Whether a message may still go out: its request is open, or answered with what still stands."""
    if kind in WHILE_STANDING and stands:
        return True
    return kind is not MessageKind.RENEWAL and (is_open or kind not in ONLY_WHILE_OPEN)


def free_ordinal(rung: int, cancelled: Container[int]) -> int:
    """The ordinal of a reminder: its rung's, or another where one of the rung was stopped before it left."""
    ordinal = rung
    while ordinal in cancelled:
        ordinal += AGAIN
    return ordinal


class MessageState(StrEnum):
    """queued → rendering → ready → sending → accepted → delivered, or one of the other ends.

    What goes by post waits `by-hand` between sending and accepted, for a person who prints and mails it.
    """

    QUEUED = "queued"
    RENDERING = "rendering"
    READY = "ready"
    SENDING = "sending"
    BY_HAND = "by-hand"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    DEAD = "dead"


# Nothing of these has left, nor is just leaving: they can still be stopped.
NOT_LEFT: Final = (MessageState.QUEUED, MessageState.RENDERING, MessageState.READY, MessageState.BY_HAND)
# Of these nobody knows yet what becomes of them.
UNFINISHED: Final = (*NOT_LEFT, MessageState.SENDING)
# What goes its way by itself: no person has to do anything for it.
ON_THEIR_WAY: Final = tuple(state for state in UNFINISHED if state is not MessageState.BY_HAND)
# These have been handed over.
REACHED: Final = (MessageState.ACCEPTED, MessageState.DELIVERED)


def provider_key(message_id: uuid.UUID, generation: int) -> uuid.UUID:
    """The idempotency key that a provider is given; a resend decided by a person is a new generation."""
    return uuid.uuid5(_KEY_NAMESPACE, f"{message_id}:{generation}")


def generation_of(message_id: uuid.UUID, key: uuid.UUID) -> int:
    """Which generation of a message has this key; 0 where none of the first 255 has."""
    return next((number for number in range(1, 256) if provider_key(message_id, number) == key), 0)


def retry_delay(tries: int, fraction: float) -> timedelta:
    """Full jitter: `fraction` in [0, 1) of 30 s × 2^tries, an hour at most; `tries` are the calls so far."""
    seconds: int = 30 * 2 ** min(tries, 10)
    return min(timedelta(seconds=seconds), _LONGEST_WAIT) * fraction
