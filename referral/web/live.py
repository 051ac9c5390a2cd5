"""Open pages hear that something has changed: one ear of a process, and many streams (docs/adr/0033).

A stream says "look again" and nothing else. The ear is a thread; everything else belongs to the event loop.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final

import structlog
from fastapi.concurrency import run_in_threadpool

from referral.domain.errors import Throttled, Unavailable
from referral.storage import bell
from referral.storage.accounts import SESSIONS
from referral.storage.rings import ANYTHING, CHANNEL, read

# Browsers hold six connections to a host without HTTP/2; the others are for what people do.
MOST_STREAMS: Final = 4
# How often a silent stream says that it is there, and looks whether its session runs, in seconds.
BEAT_SECONDS: Final = 20.0
# How long what was told is remembered, for a page that was loaded just before it listened.
_REMEMBERED_SECONDS: Final = 150.0
# How much longer ago a page was loaded than it says: its request was on the way meanwhile.
_ON_THE_WAY_SECONDS: Final = 1.0
_LISTEN_SECONDS: Final = 5.0
_AGAIN_SECONDS: Final = 2.0
_READY_SECONDS: Final = 5.0
# Server-sent events, as the HTML standard writes them.
LOOK: Final = b"event: changed\ndata:\n\n"
BEAT: Final = b":\n\n"
log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class Stream:
    """One open page of `account_id`; `follows` are names ('Type/id'), or ANYTHING that the clinic has."""

    clinic_id: str
    account_id: str
    follows: frozenset[str]
    missed: bool = False
    doubted: bool = False
    ended: bool = False
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, names: frozenset[str]) -> None:
        self.doubted |= SESSIONS in names
        self.missed |= concerns(names, self.follows)
        if self.doubted or self.missed:
            self.woken.set()

    def end(self) -> None:
        self.ended = True
        self.woken.set()


def concerns(names: frozenset[str], follows: frozenset[str]) -> bool:
    """Whether somebody who follows these has to look again."""
    told = names - {SESSIONS}
    return bool(told) and (ANYTHING in told or ANYTHING in follows or not told.isdisjoint(follows))


class Live:
    """One per application. `url` is the database's; the ear begins with the first stream."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._streams: set[Stream] = set()
        self._past: deque[tuple[float, str, frozenset[str]]] = deque()
        # When the ear began to hear, None while it does not.
        self._hears_since: float | None = None
        self._hears = asyncio.Event()
        self._ear: threading.Thread | None = None
        self._stopping = threading.Event()

    async def open(self, clinic_id: str, account_id: str, follows: frozenset[str], age: float) -> Stream:
        """A stream for a page that was loaded `age` seconds ago; it begins as missed where that was too long.

        Raises Throttled where this account has as many as it may, Unavailable where nothing would be heard.
        """
        if sum(stream.account_id == account_id for stream in self._streams) >= MOST_STREAMS:
            raise Throttled("Too many pages of this account are live already.", 60)
        stream = Stream(clinic_id, account_id, follows)
        self._streams.add(stream)
        try:
            await self._ready()
        except BaseException:
            self._streams.discard(stream)
            raise
        stream.missed |= self._missed(clinic_id, follows, time.monotonic() - age - _ON_THE_WAY_SECONDS)
        return stream

    def leave(self, stream: Stream) -> None:
        self._streams.discard(stream)

    def end(self) -> None:
        """The server stops: no stream may keep it waiting."""
        self._stopping.set()
        self._hears.set()  # nobody waits for it any more
        for stream in self._streams:
            stream.end()

    async def written(self, stream: Stream, runs: Callable[[], bool]) -> AsyncIterator[bytes]:
        """What the page is sent, until its session has ended, by `runs`, or nothing is heard any more.

        The first says whether something was missed.
        """
        missed, stream.missed = stream.missed, False
        yield LOOK if missed else BEAT
        while not stream.ended:
            try:
                async with asyncio.timeout(BEAT_SECONDS):
                    await stream.woken.wait()
            except TimeoutError:
                stream.doubted = True
            stream.woken.clear()
            if stream.ended or (stream.doubted and not await _still(runs)):
                return
            stream.doubted, missed, stream.missed = False, stream.missed, False
            yield LOOK if missed else BEAT

    async def _ready(self) -> None:
        if self._ear is None and not self._stopping.is_set():
            loop = asyncio.get_running_loop()
            self._ear = threading.Thread(target=self._listen, args=(loop,), name="live", daemon=True)
            self._ear.start()
        try:
            async with asyncio.timeout(_READY_SECONDS):
                await self._hears.wait()
        except TimeoutError:
            raise Unavailable("Changes cannot be heard just now. Please try again in a minute.") from None

    def _missed(self, clinic_id: str, follows: frozenset[str], since: float) -> bool:
        """Whether something may have changed since then (a time of the monotonic clock)."""
        if self._hears_since is None or since < self._hears_since:
            return True
        if since < time.monotonic() - _REMEMBERED_SECONDS:
            return True
        return any(
            at >= since and whose == clinic_id and concerns(names, follows) for at, whose, names in self._past
        )

    def _heard(self, payloads: list[str]) -> None:
        now = time.monotonic()
        if self._hears_since is None:
            self._hears_since = now
            self._hears.set()
        while self._past and self._past[0][0] < now - _REMEMBERED_SECONDS:
            self._past.popleft()
        for clinic_id, names in map(read, payloads):
            self._past.append((now, clinic_id, names))
            for stream in self._streams:
                if stream.clinic_id == clinic_id:
                    stream.hear(names)

    def _deaf(self) -> None:
        """What is told meanwhile is lost: pages come back and look."""
        self._hears_since = None
        self._hears.clear()
        self._past.clear()
        for stream in self._streams:
            stream.end()

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._stopping.is_set():
            try:
                for payloads in bell.hear(self._url, CHANNEL, _LISTEN_SECONDS):
                    if self._stopping.is_set() or not _tell(loop, self._heard, payloads):
                        return
            except Exception as error:  # noqa: BLE001 - whatever broke, wait and listen again; the cause is logged
                log.warning("live.interrupted", cause=type(error).__name__)
                if not _tell(loop, self._deaf):
                    return
                self._stopping.wait(_AGAIN_SECONDS)


def _tell(loop: asyncio.AbstractEventLoop, what: Callable[..., None], *given: list[str]) -> bool:
    """False where the loop has ended."""
    try:
        loop.call_soon_threadsafe(what, *given)
    except RuntimeError:
        return False
    return True


async def _still(runs: Callable[[], bool]) -> bool:
    """False too where the database does not say."""
    try:
        return await run_in_threadpool(runs)
    except Unavailable:
        return False
