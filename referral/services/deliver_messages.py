"""Delivers what is due in one clinic: draw and store, then send and record; both by the batch.

The loop never waits for a provider: while calls are out it draws, records what has ended, and looks for what
somebody is waiting for. So an identity code is never behind letters or behind a provider that hangs.
"""

from __future__ import annotations

import queue
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from referral.domain.codes import Channel
from referral.domain.outgoing import Lane
from referral.services.batches import Delivery
from referral.services.calls import Batch, Call, begin, close_batch, open_batch, settle
from referral.services.draw_batch import draw_lane, draw_left
from referral.services.look_into_doubt import claim_doubtful
from referral.services.record_outcomes import record
from referral.services.send_batch import claim
from referral.storage import dispatch
from referral.storage.dispatch import Work
from referral.storage.outbox import Message

__all__ = ["Delivery", "deliver_due"]

# A task ends well before Celery would end it; what is left is the next task's, or the next sweep's.
_LONGEST: Final = timedelta(seconds=40)
# How often the loop looks for urgent messages while it waits for calls to end.
_LOOK_SECONDS: Final = 0.25
# A provider that has room again within this time is waited for; else the next sweep comes back.
_WORTH_WAITING: Final = timedelta(seconds=2)

# More than this is not for one worker process alone.
_FOR_ONE: Final = 100

_CLAIMS: Final[Mapping[str, Callable[[Delivery, str, Batch], tuple[list[Call], list[Message]]]]] = {
    "urgent": claim,
    "left": claim_doubtful,
    "due": claim,
}


def deliver_due(delivery: Delivery, clinic_id: str) -> int:
    """Work off what is due in one clinic; returns how many messages were taken. Safe to run twice.

    Begins nothing new after 40 seconds even if more is due, and ends when the last call has.
    """
    return _Round(delivery, clinic_id).run()


@dataclass(slots=True)
class _Round:
    """`out` are the batches whose calls have not ended, `shut` when a provider without room may have some."""

    delivery: Delivery
    clinic_id: str
    began: float = field(default_factory=time.monotonic)
    taken: set[uuid.UUID] = field(default_factory=set)
    out: dict[tuple[str, Channel], Batch] = field(default_factory=dict)
    shut: dict[Channel, datetime] = field(default_factory=dict)
    done: queue.SimpleQueue[Batch] = field(default_factory=queue.SimpleQueue)
    letters_next: bool = False
    has_called: bool = False
    # Batches that were full: most likely there is more, and it is begun without a look at everything.
    full: set[tuple[str, Channel]] = field(default_factory=set)
    looked: float = 0.0

    def run(self) -> int:
        started, goes_on = self.delivery.now(), False
        try:
            while True:
                is_late = self.delivery.now() - started >= _LONGEST or self._seconds() >= _LONGEST.seconds
                if is_late and goes_on:
                    # More may be due than this task has time for.
                    self.delivery.call_help()
                goes_on = False if is_late else self._go_on()
                settle(self.delivery)
                busy = self._finish(0.0 if goes_on else _LOOK_SECONDS) or goes_on
                if not busy and not self.out and (is_late or not self._room_comes_soon()):
                    return len(self.taken)
        finally:
            # After an error, too: what was called has an outcome, and it is recorded if that is possible.
            while self.out:
                self._finish(_LOOK_SECONDS)
            settle(self.delivery)

    def _seconds(self) -> float:
        return time.monotonic() - self.began

    def _go_on(self) -> bool:
        """Begin and draw what is due; False where there was nothing to begin or to draw."""
        if self.full and time.monotonic() - self.looked < _LOOK_SECONDS:
            again, self.full = self.full, set()
            begun = [self._send(sort, channel) for sort, channel in sorted(again)]
            if any(begun):
                return True
        self.looked = time.monotonic()
        with self.delivery.database.transaction(self.clinic_id) as session:
            work = dispatch.work(session, self.delivery.now())
        begun = [
            *(self._send("urgent", channel) for channel in sorted(work.urgent)),
            *(self._send("left", channel) for channel in sorted(work.left_sending)),
            *(self._send("due", channel) for channel in sorted(work.send)),
        ]
        return self._draw(work) or any(begun)

    def _draw(self, work: Work) -> bool:
        """One batch, the most urgent one; texts and letters take turns."""
        if Lane.URGENT in work.draw:
            drawn = draw_lane(self.delivery, self.clinic_id, Lane.URGENT)
        elif work.left_drawing:
            drawn = draw_left(self.delivery, self.clinic_id)
        elif work.draw:
            letters = Lane.LETTER in work.draw and (self.letters_next or Lane.TEXT not in work.draw)
            self.letters_next = not letters
            drawn = draw_lane(self.delivery, self.clinic_id, Lane.LETTER if letters else Lane.TEXT)
        else:
            return False
        self.taken.update(message.id for message in drawn)
        if len(self.taken) >= _FOR_ONE and not self.has_called:
            self.has_called = True
            self.delivery.call_help()
        return bool(drawn)

    def _send(self, sort: str, channel: Channel) -> bool:
        """Begin one batch, unless one of its sort is still out; True where something was done."""
        if (sort, channel) in self.out or self.shut.get(channel, self.delivery.now()) > self.delivery.now():
            return False
        batch = open_batch(self.delivery, channel, self.done, is_urgent=sort == "urgent")
        if isinstance(batch, datetime):
            self.shut[channel] = batch
            return False
        calls: list[Call] = []
        try:
            calls, seen = _CLAIMS[sort](self.delivery, self.clinic_id, batch)
        finally:
            if not calls:
                close_batch(self.delivery, batch)
        self.taken.update(message.id for message in seen)
        if calls:
            self.out[sort, channel] = batch
            begin(self.delivery, batch, calls)
        return bool(seen)

    def _finish(self, seconds: float) -> bool:
        """Record batches that have ended, waiting up to `seconds` for the first; True where there was one."""
        ended = False
        while self.out:
            try:
                batch = self.done.get(timeout=seconds) if seconds and not ended else self.done.get_nowait()
            except queue.Empty:
                break
            ended = True
            self.full |= {
                key for key, one in self.out.items() if one is batch and len(one.calls) == one.places
            }
            self.out = {key: one for key, one in self.out.items() if one is not batch}
            record(self.delivery, self.clinic_id, batch)
            close_batch(self.delivery, batch)
        return ended

    def _room_comes_soon(self) -> bool:
        """Wait a moment where a provider that is full now will have room soon."""
        now = self.delivery.now()
        soon = [at for at in self.shut.values() if now < at <= now + _WORTH_WAITING]
        if not soon:
            return False
        time.sleep((min(soon) - now).total_seconds())
        return True
