"""Reads of one process, together: what waits at the same moment goes to the database in one statement.

Nobody waits for company: a read that finds the database free goes at once, and what arrives meanwhile goes
next. Each read has an audit row of its own, written by the statement that reads (docs/adr/0006).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from fastapi.concurrency import run_in_threadpool

from referral.storage.db import Database

_MOST: Final = 64
_AT_ONCE: Final = 2

Asked = TypeVar("Asked")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Asked, Found]):
    asked: Asked
    answer: asyncio.Future[Found]


class Together(Generic[Asked, Found]):
    """One per process and kind of read; used from its event loop only.

    `read_many` takes a connection and answers many in their order, by one statement of its own (see
    Database.statement); an answer that is an exception is raised where it was waited for.
    """

    def __init__(
        self,
        database: Database,
        read_many: Callable[[Any, Sequence[Asked]], Sequence[Found | Exception]],
    ) -> None:
        self._database = database
        self._read_many = read_many
        self._waiting: list[_Waiting[Asked, Found]] = []
        self._rounds: list[asyncio.Task[None]] = []

    async def read(self, asked: Asked) -> Found:
        """Raises Unavailable where the database cannot answer; then there is no audit row either."""
        mine: _Waiting[Asked, Found] = _Waiting(asked, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        self._rounds = [task for task in self._rounds if not task.done()]
        if len(self._rounds) < _AT_ONCE:
            self._rounds.append(asyncio.create_task(self._serve()))
        return await mine.answer

    async def _serve(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            try:
                found = await run_in_threadpool(self._ask, [one.asked for one in batch])
            except Exception as error:  # noqa: BLE001 - each reader is told, and raises it where it is handled
                for one in batch:
                    if not one.answer.done():
                        one.answer.set_exception(error)
                continue
            for one, answer in zip(batch, found, strict=True):
                if one.answer.done():  # its client has gone
                    continue
                if isinstance(answer, Exception):
                    one.answer.set_exception(answer)
                else:
                    one.answer.set_result(answer)

    def _ask(self, asked: Sequence[Asked]) -> Sequence[Found | Exception]:
        with self._database.statement() as connection:
            return self._read_many(connection, asked)
