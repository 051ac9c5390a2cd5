"""Gate reads of one process, together: what waits at the same moment goes to the database in one statement.

Nobody waits for company: a read that finds the database free goes at once, and what arrives meanwhile goes
next. Each read has an audit row of its own, written by the statement that reads.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from fastapi.concurrency import run_in_threadpool

from referral.domain.audit import Actor
from referral.domain.errors import SignInRequired
from referral.storage.db import Database
from referral.storage.gate_reads import read_gates
from referral.storage.orders import FactsOfOrder

_MOST: Final = 64
_AT_ONCE: Final = 2


@dataclass(frozen=True, slots=True)
class _Waiting:
    actor: Actor
    order_id: str
    token: bytes | None
    answer: asyncio.Future[FactsOfOrder | None]


class GateReads:
    """One per process; used from its event loop only."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Waiting] = []
        self._rounds: list[asyncio.Task[None]] = []

    async def read(self, actor: Actor, order_id: str, token: bytes | None = None) -> FactsOfOrder | None:
        """What the gate looks at, as of now; None where this clinic has no such order.

        `token` is the digest of the caller's; SignInRequired where it was taken back a moment ago. Raises
        Unavailable where the database cannot answer; then there is no audit row either.
        """
        mine = _Waiting(actor, order_id, token, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        self._rounds = [task for task in self._rounds if not task.done()]
        if len(self._rounds) < _AT_ONCE:
            self._rounds.append(asyncio.create_task(self._serve()))
        return await mine.answer

    async def _serve(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            try:
                found = await run_in_threadpool(self._ask, batch)
            except Exception as error:  # noqa: BLE001 - each reader is told, and raises it where it is handled
                for one in batch:
                    if not one.answer.done():
                        one.answer.set_exception(error)
                continue
            for one, facts in zip(batch, found, strict=True):
                if one.answer.done():  # its client has gone
                    continue
                if isinstance(facts, SignInRequired):
                    one.answer.set_exception(facts)
                else:
                    one.answer.set_result(facts)

    def _ask(self, batch: list[_Waiting]) -> list[FactsOfOrder | SignInRequired | None]:
        with self._database.statement() as connection:
            return read_gates(connection, [(one.actor, one.order_id, one.token) for one in batch])
