"""Who is told, outside of the pages, that a safety task waits; when the next one is, and when it ends.

At once and at any hour. Each time that nobody has written down what was done within the time that the
clinic has set, the next of its contacts is told, and after the last the first again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from referral.domain.codes import Channel
from referral.domain.outgoing import MessageState

CHANNELS: Final = (Channel.SMS, Channel.EMAIL)
# Minutes until the next contact is told.
WAITS: Final = (5, 10, 15, 30, 60)
USUAL_WAIT: Final = 15
MOST_CONTACTS: Final = 6
# About one task. Whoever has not been woken by so many is not by more; the Today board goes on saying so.
MOST_MESSAGES: Final = 24
# These have certainly not reached anybody, or nobody knows: the next contact does not wait for its time.
_IN_VAIN: Final = frozenset(
    {MessageState.FAILED, MessageState.DEAD, MessageState.UNKNOWN, MessageState.CANCELLED}
)
_OPEN: Final = frozenset({MessageState.QUEUED, MessageState.SENDING})


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCallContact:
    """A person or a shift of the clinic; `place` is the order in which they are told, lowest first."""

    id: str
    place: int
    name: str
    channel: Channel
    address: str


@dataclass(frozen=True, slots=True)
class Told:
    """One message about a task: to whom, since when, and how far it is."""

    step: int
    contact_id: str
    state: MessageState
    at: datetime


def next_call(
    contacts: Sequence[OnCallContact], told: Sequence[Told], wait: timedelta, now: datetime
) -> tuple[int, OnCallContact] | None:
    """(step, whom) of the message that is due now about a task that waits, None while none is.

    `contacts` in their order; `told` oldest first. What came to nothing is followed at once by whoever has
    not been told within `wait`. For whom something waits to leave nothing more is made: after an outage
    everybody gets one message.
    """
    if not contacts or len(told) >= MOST_MESSAGES:
        return None
    if not told:
        return 1, contacts[0]
    last = told[-1]
    places = {contact.id: place for place, contact in enumerate(contacts, 1)}
    place, on_the_way = places.get(last.contact_id, 0), {one.contact_id for one in told if one.state in _OPEN}
    around = (*contacts[place:], *contacts[:place])
    after = next((contact for contact in around if contact.id not in on_the_way), None)
    if after is None:
        return None
    lately = {one.contact_id for one in told if now - one.at < wait}
    is_due = now - last.at >= wait or (last.state in _IN_VAIN and after.id not in lately)
    return (last.step + 1, after) if is_due else None
