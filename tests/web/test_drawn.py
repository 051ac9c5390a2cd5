"""Drawings take seconds, and nobody who asks for something else waits for them."""

from __future__ import annotations

import asyncio
import threading

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Message, Scope

from referral.web.staff.drawn import DrawnLater

# As many threads answer pages.
_THREADS = 40


def test_drawings_that_are_waited_for_leave_the_threads_of_the_pages_free() -> None:
    drawn = threading.Event()
    sent: list[int] = []

    def draw() -> Response:
        drawn.wait(60)
        return Response()

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            sent.append(message["status"])

    async def many_at_once() -> None:
        scope: Scope = {"type": "http", "method": "GET", "headers": []}
        waiting = [asyncio.create_task(DrawnLater(draw)(scope, receive, send)) for _ in range(_THREADS + 5)]
        await asyncio.sleep(0)
        try:
            # A page, which is answered in a thread as every one is.
            await asyncio.wait_for(run_in_threadpool(lambda: sent.append(0)), 20)
        finally:
            drawn.set()
            await asyncio.gather(*waiting)

    asyncio.run(many_at_once())
    assert sent == [0, *[200] * (_THREADS + 5)]
