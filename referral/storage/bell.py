"""Listening to the database: its bell for what is to be sent (docs/adr/0002), and what has changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

# How long rings are collected after one was passed on: many messages at once are one reason to look.
_TOGETHER_SECONDS: Final = 0.25


def listen(url: str, channel: str, seconds: float, together: float = _TOGETHER_SECONDS) -> Iterator[bool]:
    """Yield True when `channel` has rung and False after each `seconds` of silence.

    The first value is True and comes at once: what was written while nobody listened has rung for nobody.
    Later rings come at once too, but not more often than once in `together` seconds.
    Ends when the connection breaks.
    """
    with _listening(url, channel) as driver:
        rang = True
        while True:
            yield rang
            if rang:
                # No `stop_after`: what rings in this moment is one ring.
                rang = bool(list(driver.notifies(timeout=together)))
                if rang:
                    continue
            rang = bool(list(driver.notifies(timeout=seconds, stop_after=1)))


def hear(url: str, channel: str, seconds: float) -> Iterator[list[str]]:
    """Yield what is told on `channel`, as soon as it is; nothing after each `seconds` of silence.

    The first value is nothing and comes as soon as somebody would be heard. Ends when the connection breaks.
    """
    with _listening(url, channel) as driver:
        yield []
        while True:
            yield [told.payload for told in driver.notifies(timeout=seconds, stop_after=1)]


@contextmanager
def _listening(url: str, channel: str) -> Iterator[Any]:
    engine = create_engine(
        url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 5}
    )
    with engine.connect() as connection:
        connection.execute(text(f"LISTEN {channel}"))
        yield connection.connection.driver_connection
