"""How many messages are where, and since when: for the metrics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select

from referral.domain.codes import Channel
from referral.domain.outgoing import MessageState
from referral.storage.db import Session
from referral.storage.tables import message, referral

_MOVING: Final = (MessageState.QUEUED, MessageState.RENDERING, MessageState.READY, MessageState.SENDING)
# Those that wait for a person, as long as their request is open.
PARKED: Final = (MessageState.BY_HAND, MessageState.UNKNOWN, MessageState.DEAD)
STATES: Final = (*_MOVING, *PARKED)


@dataclass(frozen=True, slots=True)
class Pile:
    """Messages of one clinic in one state for one channel. `since` is when the oldest was due, or ended."""

    state: MessageState
    channel: Channel
    count: int
    since: datetime


def piles(session: Session) -> list[Pile]:
    """Of the entered clinic. What has been delivered, has failed or was cancelled lies on no pile."""
    mine = message.c.clinic_id == session.clinic
    moving = select(message.c.state, message.c.channel, func.count(), func.min(message.c.not_before)).where(
        mine, message.c.state.in_(_MOVING)
    )
    ended = func.min(func.coalesce(message.c.finished_at, message.c.not_before))
    same = (message.c.clinic_id == referral.c.clinic_id) & (message.c.referral_id == referral.c.id)
    parked = (
        select(message.c.state, message.c.channel, func.count(), ended)
        .join(referral, same)
        .where(mine, referral.c.closed_at.is_(None))
    )
    # Each asks for what one partial index holds.
    by_hand = parked.where(message.c.state == MessageState.BY_HAND)
    trouble = parked.where(message.c.state.in_((MessageState.UNKNOWN, MessageState.DEAD)))
    found = []
    for query in (moving, by_hand, trouble):
        rows = session.connection.execute(query.group_by(message.c.state, message.c.channel))
        found += [
            Pile(MessageState(state), Channel(channel), int(count), since)
            for state, channel, count, since in rows
        ]
    return found
