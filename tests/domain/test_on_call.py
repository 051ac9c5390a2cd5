"""Whom a safety task is told to next, as a table: what was sent so far, and what is due now."""

from __future__ import annotations

from datetime import timedelta

import pytest

from referral.domain.codes import Channel
from referral.domain.on_call import MOST_MESSAGES, OnCallContact, Told, next_call
from referral.domain.outgoing import MessageState
from tests.database import NOW

A, B, C = (
    OnCallContact(id=id, place=place, name=id, channel=Channel.SMS, address=f"+1303555010{place}")
    for place, id in enumerate("abc")
)
WAIT = timedelta(minutes=15)
S = MessageState


def told(*sent: tuple[str, MessageState, int]) -> list[Told]:
    """(to whom, how far, minutes ago), oldest first."""
    return [
        Told(step, id, state, NOW - timedelta(minutes=ago)) for step, (id, state, ago) in enumerate(sent, 1)
    ]


@pytest.mark.parametrize(
    ("contacts", "sent", "expected"),
    [
        ([], [], None),
        ([A, B], [], (1, A)),
        ([A, B], [("a", S.ACCEPTED, 14)], None),
        ([A, B], [("a", S.ACCEPTED, 15)], (2, B)),
        ([A, B], [("a", S.SENDING, 15)], (2, B)),
        # What has not left yet is not made twice; whom it can reach is told again.
        ([A], [("a", S.QUEUED, 60)], None),
        ([A, B], [("a", S.QUEUED, 40), ("b", S.ACCEPTED, 15)], (3, B)),
        ([A, B], [("a", S.QUEUED, 40), ("b", S.SENDING, 15)], None),
        # Nobody has been reached: not waited for, but nobody is told twice within the time.
        ([A, B], [("a", S.FAILED, 0)], (2, B)),
        ([A, B], [("a", S.UNKNOWN, 0)], (2, B)),
        ([A, B], [("a", S.CANCELLED, 0)], (2, B)),
        ([A], [("a", S.FAILED, 0)], None),
        ([A, B], [("a", S.FAILED, 1), ("b", S.DEAD, 0)], None),
        ([A, B], [("a", S.FAILED, 16), ("b", S.DEAD, 15)], (3, A)),
        ([A, B, C], [("a", S.ACCEPTED, 40), ("b", S.ACCEPTED, 20)], (3, C)),
        ([A, B], [("a", S.ACCEPTED, 30), ("b", S.ACCEPTED, 15)], (3, A)),
        # Whoever was told last has left the list: from its top again.
        ([A, B], [("gone", S.ACCEPTED, 15)], (2, A)),
        ([A], [("a", S.ACCEPTED, 15)] * MOST_MESSAGES, None),
    ],
)
def test_whom_a_task_is_told_to_next(
    contacts: list[OnCallContact],
    sent: list[tuple[str, MessageState, int]],
    expected: tuple[int, OnCallContact] | None,
) -> None:
    assert next_call(contacts, told(*sent), WAIT, NOW) == expected
