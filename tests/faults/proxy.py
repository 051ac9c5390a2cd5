"""A TCP proxy of our own between a program and a server, which cuts, delays and stalls what passes.

It stands on loopback in front of PostgreSQL, Redis or a provider, on a TCP port or a unix socket of theirs.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

_CHUNK: Final = 64 * 1024


@dataclass(eq=False)
class _Link:
    """One connection: the streams of both sides, and whether it stands still."""

    writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter]
    moving: asyncio.Event = field(default_factory=asyncio.Event)

    def abort(self) -> None:
        """Both sides are told by a reset, as when a cable or a machine dies behind a router that knows."""
        for writer in self.writers:
            writer.transport.abort()


class FaultProxy:
    """`target` is (host, port) or the path of a unix socket. Everything may be changed while it runs.

    `delay` in seconds for each chunk, in both directions. `refusing` hangs up on whoever comes.
    `cut_after` cuts each new connection once so many bytes have come from its client.
    """

    def __init__(self, target: tuple[str, int] | str) -> None:
        self.target = target
        self.delay = 0.0
        self.refusing = False
        self.cut_after: int | None = None
        self.port = 0
        self.accepted = 0
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)

    def cut(self) -> int:
        """Reset every connection of now; returns how many."""
        return self._call(self._cut)

    def stall(self) -> int:
        """Nothing passes on the connections of now any more, and nobody is told; later ones work."""
        return self._call(lambda: self._set_all(moving=False))

    def move(self) -> int:
        """What was stalled goes on, where both sides still want it."""
        return self._call(lambda: self._set_all(moving=True))

    @property
    def connections(self) -> int:
        return self._call(lambda: len(self._links))

    def _cut(self) -> int:
        links = list(self._links)
        for link in links:
            link.abort()
        return len(links)

    def _set_all(self, *, moving: bool) -> int:
        for link in self._links:
            if moving:
                link.moving.set()
            else:
                link.moving.clear()
        return len(self._links)

    def _call(self, work: Callable[[], int]) -> int:
        """In the thread of the proxy, which alone touches its connections."""

        async def there() -> int:
            return work()

        return asyncio.run_coroutine_threadsafe(there(), self._loop).result(10)

    # ---- Its thread

    def start(self) -> None:
        self._thread.start()
        self._wait(self._listen())

    def stop(self) -> None:
        self._wait(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        self._cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            if self.refusing:
                raise ConnectionRefusedError
            there_reader, there = await self._connect()
        except OSError:
            await _end(writer)
            return
        link = _Link((writer, there))
        link.moving.set()
        self._links.add(link)
        try:
            await asyncio.gather(
                self._pass_on(link, reader, there, self.cut_after),
                self._pass_on(link, there_reader, writer, None),
            )
        finally:
            self._links.discard(link)
            await _end(*link.writers)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.target, str):
            return await asyncio.open_unix_connection(self.target)
        return await asyncio.open_connection(*self.target)

    async def _pass_on(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int | None
    ) -> None:
        """One direction, until it ends; then the other side is told as TCP does."""
        passed = 0
        try:
            while chunk := await reader.read(_CHUNK):
                if self.delay:
                    await asyncio.sleep(self.delay)
                await link.moving.wait()
                passed += len(chunk)
                if most is not None and passed > most:
                    # The beginning of what was sent arrives, its end never does.
                    writer.write(chunk[: max(len(chunk) - (passed - most), 0)])
                    await writer.drain()
                    link.abort()
                    return
                writer.write(chunk)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except (ConnectionError, OSError):
            link.abort()


async def _end(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        writer.transport.abort()
    await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


@contextmanager
def fault_proxy(target: tuple[str, int] | str) -> Iterator[FaultProxy]:
    """A proxy that works until the block ends."""
    proxy = FaultProxy(target)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
