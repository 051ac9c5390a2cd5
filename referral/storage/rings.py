"""What this process has changed is told to open pages, a moment after the commits (docs/adr/0033)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Final

import orjson
import structlog
from sqlalchemy import Connection, text

from referral.domain.errors import Unavailable

CHANNEL: Final = "referral_changed"
# Stands for whatever there is: told where the names of what has changed would be too many.
ANYTHING: Final = "*"
# How long changes are collected after some were told. A NOTIFY in each transaction would make commits queue.
_TOGETHER_SECONDS: Final = 0.25
# PostgreSQL takes 7,999 bytes; a name is shorter than 100.
_MOST_NAMES: Final = 75
_RING: Final = text("SELECT pg_notify(:channel, :payload)")
log = structlog.get_logger(__name__)


class Rings:
    """One per pool. A ring is a hint to look again and nothing else: one that is lost costs a stale page.

    Its thread begins with the first change. `statement` gives a connection for one statement.
    """

    def __init__(self, statement: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._statement = statement
        self._changed = threading.Condition()
        self._pending: dict[str, set[str]] = {}
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def add(self, clinic_id: str, names: Iterable[str]) -> None:
        """Names are 'Type/id', or a type alone. Returns at once."""
        with self._changed:
            self._pending.setdefault(clinic_id, set()).update(names)
            if self._thread is None:
                self._closing.clear()
                self._thread = threading.Thread(target=self._tell, name=CHANNEL, daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Tell what is pending, and end the thread; a later change begins another."""
        with self._changed:
            thread, self._thread = self._thread, None
            self._closing.set()
            self._changed.notify()
        if thread is not None:
            thread.join()

    def _tell(self) -> None:
        while True:
            with self._changed:
                while not self._pending and not self._closing.is_set():
                    self._changed.wait()
                pending, self._pending = self._pending, {}
            if not pending:
                return
            try:
                with self._statement() as connection:
                    for payload in payloads(pending):
                        connection.execute(_RING, {"channel": CHANNEL, "payload": payload})
            except Unavailable as error:
                # Whoever listens has lost the database as well, and looks again when it is back.
                log.warning("rings.lost", cause=type(error).__name__)
            self._closing.wait(_TOGETHER_SECONDS)


def payloads(pending: dict[str, set[str]]) -> Iterator[str]:
    """One for each clinic."""
    for clinic_id, names in pending.items():
        told = sorted(names) if len(names) <= _MOST_NAMES else [ANYTHING]
        yield orjson.dumps([clinic_id, told]).decode()


def read(payload: str) -> tuple[str, frozenset[str]]:
    """The clinic and the names of what has changed in it."""
    clinic_id, names = orjson.loads(payload)
    return clinic_id, frozenset(names)
