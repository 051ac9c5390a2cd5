"""Calls to a provider that the installation has an account with: connections are kept and shared by threads.

What it says tells three things apart: it certainly has nothing, it may have it, it has answered.
"""

from __future__ import annotations

import base64
import io
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx
import orjson

from referral.channels.base import Outcome, Sent
from referral.channels.provider_urls import Account

# Less than servers keep an idle connection: one that is closed while we write on it leaves us in doubt.
_KEPT_SECONDS: Final = 4.0
_LARGEST_ANSWER: Final = 256 * 1024
_LONGEST_WAIT: Final = timedelta(hours=1)
# A gateway that gave up waiting, or lost the service behind it, does not know whether it was done.
_IN_DOUBT: Final = frozenset({502, 504})


class NotSent(Exception):
    """It certainly has nothing of it; the sentence names no host and no secret."""


class InDoubt(Exception):
    """The request has been written, or part of it, and no answer came."""


@dataclass(frozen=True, slots=True)
class Call:
    """`path` begins after the account's base address."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    content: bytes

    @property
    def json(self) -> dict[str, Any]:
        """Empty where the body is no JSON object."""
        try:
            read = orjson.loads(self.content)
        except orjson.JSONDecodeError:
            return {}
        return read if isinstance(read, dict) else {}

    def retry_after(self, now: datetime) -> timedelta | None:
        """How long the provider wants to be left alone, an hour at most; None where it does not say."""
        text = next((value for name, value in self.headers if name.lower() == "retry-after"), "").strip()
        try:
            # Ten digits are more than an hour, and more of them no time at all.
            wait = timedelta(seconds=int(text[:10])) if text.isdecimal() else _date(text) - now
        except (ValueError, OverflowError, TypeError):
            return None
        return min(max(wait, timedelta()), _LONGEST_WAIT)


def _date(text: str) -> datetime:
    read = parsedate_to_datetime(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


class Provider:
    """One per process and account. Safe for threads; a forked child opens connections of its own.

    `timeout` is for all of one call, in seconds. The standard library's client is used because it takes a
    third of the processor's time of others, and messages leave by the hundred in a second.
    """

    def __init__(
        self, account: Account, *, at_once: int, timeout: float, trust: ssl.SSLContext | None = None
    ) -> None:
        parts = urlsplit(account.base)
        self.account = account
        self._at_once, self._timeout, self._trust = at_once, timeout, trust
        self._secure, self._path = parts.scheme == "https", parts.path
        self._where = (parts.hostname or "", parts.port or (443 if self._secure else 80))
        signed_in = base64.b64encode(f"{account.user}:{account.password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {signed_in}", "Accept": "application/json"}
        self._lock = threading.Lock()
        self._idle: list[_Kept] = []
        self._pid = os.getpid()

    def deadline(self) -> float:
        """When calls that begin now and belong together have to be over."""
        return time.monotonic() + self._timeout

    def call(self, call: Call, *, limit: int = _LARGEST_ANSWER, deadline: float | None = None) -> Answer:
        """Raises NotSent and InDoubt; every answer of up to `limit` bytes is returned."""
        deadline = deadline or self.deadline()
        kept = self._connection(deadline)
        kept.deadline.at = deadline
        path = self._path + call.path + ("?" + urlencode(call.query) if call.query else "")
        try:
            kept.http.request(
                call.method, path, call.content or None, {**self._headers, **dict(call.headers)}
            )
            answer = kept.http.getresponse()
            content = answer.read(limit + 1)
        except (OSError, HTTPException) as error:
            kept.http.close()
            raise InDoubt(f"no answer ({type(error).__name__})") from error
        if len(content) > limit:
            kept.http.close()
            raise InDoubt(f"its answer is longer than {limit} bytes")
        self._keep(kept, usable=not answer.will_close)
        return Answer(answer.status, tuple(answer.getheaders()), content)

    def _connection(self, deadline: float) -> _Kept:
        """One that nothing is waiting to be read on: that would be the other side's goodbye."""
        while (kept := self._take()) is not None:
            if time.monotonic() - kept.since < _KEPT_SECONDS and not _readable(kept.http.sock):
                return kept
            kept.http.close()
        opened = self._opened(max(deadline - time.monotonic(), 0.001))
        try:
            opened.http.connect()
        except OSError as error:
            opened.http.close()
            raise NotSent(f"no connection ({type(error).__name__})") from error
        opened.http.sock = _InTime(opened.http.sock, opened.deadline)
        return opened

    def _opened(self, timeout: float) -> _Kept:
        if not self._secure:
            return _Kept(HTTPConnection(*self._where, timeout=timeout))
        if self._trust is None:
            # Made once, on first use: reading the authorities takes some hundredths of a second.
            self._trust = httpx.create_ssl_context()
        return _Kept(HTTPSConnection(*self._where, timeout=timeout, context=self._trust))

    def _take(self) -> _Kept | None:
        with self._lock:
            if self._pid != os.getpid():
                # Those of the parent: they are its own, and closing them is too.
                self._idle, self._pid = [], os.getpid()
            return self._idle.pop() if self._idle else None

    def _keep(self, kept: _Kept, *, usable: bool) -> None:
        kept.since = time.monotonic()
        with self._lock:
            if usable and len(self._idle) < self._at_once and self._pid == os.getpid():
                self._idle.append(kept)
                return
        kept.http.close()

    def close(self) -> None:
        """Its idle connections; a later call opens new ones."""
        while (kept := self._take()) is not None:
            kept.http.close()


@dataclass(slots=True)
class _Deadline:
    """When the call that uses a connection now has to be over."""

    at: float = 0.0

    def left(self) -> float:
        left = self.at - time.monotonic()
        if left <= 0:
            raise TimeoutError("out of time")
        return left


@dataclass(slots=True)
class _Kept:
    http: HTTPConnection
    deadline: _Deadline = field(default_factory=_Deadline)
    since: float = 0.0


class _InTime:
    """What http.client needs of a socket; ends a call at its deadline, however slowly single bytes arrive.

    It is closed when the answer that is being read from it is, too: http.client closes the connection of a
    last answer before that has been read.
    """

    def __init__(self, plain: socket.socket, deadline: _Deadline) -> None:
        self._plain, self._deadline = plain, deadline
        self._reading, self._over = 0, False

    def sendall(self, content: bytes) -> None:
        self._plain.settimeout(self._deadline.left())
        self._plain.sendall(content)

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - always "rb"
        self._reading += 1
        return io.BufferedReader(_Reading(self))

    def receive(self, into: Any) -> int:
        self._plain.settimeout(self._deadline.left())
        return self._plain.recv_into(into)

    def read_to_its_end(self) -> None:
        self._reading -= 1
        if self._over and not self._reading:
            self._plain.close()

    def fileno(self) -> int:
        return self._plain.fileno()

    def __del__(self) -> None:
        """A connection that nobody keeps any more; in a forked child this leaves the parent's alone."""
        self._plain.close()

    def close(self) -> None:
        self._over = True
        if not self._reading:
            self._plain.close()


class _Reading(io.RawIOBase):
    """The reading side of one answer; the connection outlives it."""

    def __init__(self, stream: _InTime) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        return self._stream.receive(into)

    def close(self) -> None:
        if not self.closed:
            self._stream.read_to_its_end()
        super().close()


def _readable(sock: Any) -> bool:
    waiting = select.poll()
    waiting.register(sock.fileno(), select.POLLIN)
    return bool(waiting.poll(0))


def not_ours(answer: Answer, who: str, detail: str = "") -> Sent:
    """What 4xx means where it is not about the recipient's number: our account, or this one request."""
    about_account = answer.status in (401, 402, 403)
    reason = f"the {who} provider answered {answer.status}{detail} to our request"
    return Sent(Outcome.LATER, reason=reason, about_provider=about_account)


def not_now(answer: Answer, who: str) -> Sent | None:
    """What 429 and 5xx mean for any provider; None for other answers."""
    if answer.status in _IN_DOUBT:
        return Sent(Outcome.UNKNOWN, reason=f"the {who} provider answered {answer.status}")
    if answer.status == 429 or answer.status >= 500:
        wait = answer.retry_after(datetime.now(UTC))
        return Sent(Outcome.LATER, reason=f"the {who} provider answered {answer.status}", retry_after=wait)
    return None
