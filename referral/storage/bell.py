"""The bell that the database rings when there is something to send (docs/adr/0002)."""

from __future__ import annotations

from collections.abc import Iterator
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
    engine = create_engine(
        url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 5}
    )
    with engine.connect() as connection:
        connection.execute(text(f"LISTEN {channel}"))
        driver: Any = connection.connection.driver_connection
        rang = True
        while True:
            yield rang
            if rang:
                # No `stop_after`: what rings in this moment is one ring.
                rang = bool(list(driver.notifies(timeout=together)))
                if rang:
                    continue
            rang = bool(list(driver.notifies(timeout=seconds, stop_after=1)))
