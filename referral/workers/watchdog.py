"""A worker that hears nothing any more notices it, and ends itself so that it is started again.

A connection can die without a word: nothing arrives on it, and nothing says so. Each worker therefore
listens to an ear of its own beside the common queue, through the same connection, and says something into
it now and then. Hearing nothing of that, while the broker answers others and there is room for work, is
deafness. Ending is harmless: what a task had in hand is rows with a lease.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

log = structlog.get_logger(__name__)
# How often something is said, and after how long a worker that has not heard it is deaf. The minute in which
# that has to be noticed has room for a machine that is slow.
SAY_SECONDS: Final = 5.0
DEAF_SECONDS: Final = 25.0
# A worker that is asked to end finishes what it has in hand; a deaf one may wait for its broker for ever.
_GRACE_SECONDS: Final = 10.0


@dataclass
class Hearing:
    """When something was last heard, or was not to be expected, in seconds of a clock that never jumps."""

    heard_at: float
    deaf_after: float = DEAF_SECONDS

    def is_deaf(self, now: float, *, reachable: bool, has_room: bool) -> bool:
        """A broker that is away, and a worker that takes nothing because it is busy, prove nothing."""
        if not reachable or not has_room:
            self.heard_at = now
        return now - self.heard_at > self.deaf_after


@dataclass
class Watchdog:
    """`say` puts something into this worker's own ear, and raises where the broker does not answer.

    `has_room` says whether the worker would take a task just now. `end` is done to a deaf worker.
    """

    say: Callable[[], object]
    has_room: Callable[[], bool]
    end: Callable[[], object]
    every: float = SAY_SECONDS
    hearing: Hearing = field(default_factory=lambda: Hearing(time.monotonic()))
    stopping: threading.Event = field(default_factory=threading.Event)

    def hear(self, **_: Any) -> None:
        """Something has arrived."""
        self.hearing.heard_at = time.monotonic()

    def watch(self) -> None:
        """Until `stopping` is set, or the worker is deaf."""
        while not self.stopping.wait(self.every):
            try:
                self.say()
                reachable = True
            except Exception:  # noqa: BLE001 - whatever the reason: nothing can be expected to arrive
                reachable = False
            if self.hearing.is_deaf(time.monotonic(), reachable=reachable, has_room=self.has_room()):
                log.error("worker.deaf", seconds=round(self.hearing.deaf_after))
                self.end()
                return


def end_worker() -> None:
    """Ask this process to end as its supervisor would, then end it: the supervisor starts another."""
    os.kill(os.getpid(), signal.SIGTERM)
    if not threading.Event().wait(_GRACE_SECONDS):
        os.kill(os.getpid(), signal.SIGKILL)
