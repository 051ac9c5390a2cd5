"""What a person may decide about a message that does not move by itself."""

from __future__ import annotations

from typing import Final

from referral.domain.outgoing import MessageState

# Tried again: what waits is tried at once, what has ended gets a new generation and so a new key.
MAY_RETRY: Final = frozenset(
    {
        MessageState.QUEUED,
        MessageState.READY,
        MessageState.FAILED,
        MessageState.UNKNOWN,
        MessageState.DEAD,
    }
)
# Those of which nobody knows whether they arrived: sent again only on the word of somebody who has asked.
MAY_HAVE_ARRIVED: Final = frozenset({MessageState.UNKNOWN})
MAY_PARK: Final = frozenset({MessageState.QUEUED, MessageState.READY})
MAY_CANCEL: Final = MAY_PARK | {MessageState.BY_HAND, MessageState.DEAD}

_WHY_NOT: Final = {
    MessageState.RENDERING: "it is being worked on at this moment; look again in a minute",
    MessageState.SENDING: "it is being worked on at this moment; look again in a minute",
    MessageState.BY_HAND: "it waits for somebody to print and mail it",
    MessageState.ACCEPTED: "it has been handed over; the request's page can send the letter again",
    MessageState.DELIVERED: "it has been delivered",
    MessageState.CANCELLED: "it was cancelled, because it made no sense any more",
    MessageState.FAILED: "it was refused for good, and nothing waits",
    MessageState.UNKNOWN: "it may have arrived; ask the recipient",
    MessageState.DEAD: "it is set aside already",
}


def why_not(state: MessageState, what: str) -> str:
    """The refusal in a sentence; `what` is a verb such as "cancelled"."""
    return f"This message cannot be {what}: {_WHY_NOT.get(state, 'its state does not allow it')}."
