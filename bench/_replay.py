"""What an endpoint of ours says to the database, so that a plain handler can say the same with fresh ids."""

from __future__ import annotations

import asyncio
import itertools
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import Connection, event

from bench._harness import Request
from referral.bootstrap import Runtime

# What is made anew for each request: ids, and the number that people read.
_FRESH = re.compile(r"([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|R-[0-9]{4}-[0-9]{5,})")
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL as the driver got it; `aside` is committed by itself."""

    text: str
    values: dict[str, Any]
    aside: bool


@contextmanager
def listening(runtime: Runtime) -> Iterator[list[Statement]]:
    """Every statement of this process while the block runs."""
    heard: list[Statement] = []
    aside_of = {runtime.database.engine: False, runtime.database._statements: True}  # noqa: SLF001 - both are heard
    hooks: list[tuple[Any, Callable[..., None]]] = []
    for engine, aside in aside_of.items():

        def hear(_c: Any, _cursor: Any, text: str, values: Any, *_: Any, aside: bool = aside) -> None:
            heard.append(Statement(text, dict(values), aside))

        event.listen(engine, "before_cursor_execute", hear)
        hooks.append((engine, hear))
    try:
        yield heard
    finally:
        for engine, hook in hooks:
            event.remove(engine, "before_cursor_execute", hook)


def call(app: FastAPI, request: Request) -> bytes:
    """Carry out a raw request within this process; the body of the answer."""
    head, _, body = request.raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split()

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            headers = dict(line.split(": ", 1) for line in lines)
            return await client.request(method, path, content=body, headers=headers)

    answer = asyncio.run(send())
    if answer.status_code != int(request.status):
        raise RuntimeError(answer.text[:2000])
    return answer.content


@dataclass(frozen=True, slots=True)
class Replay:
    """The statements of one request and what it answered; each `run` fills fresh ids into both."""

    statements: tuple[tuple[str, dict[str, Any], bool], ...]
    answer: list[str]
    known: frozenset[str]

    def run(self, connection: Connection, beside: Connection, given: str | None = None) -> str:
        """Say it all again with fresh ids, or with `given` for each of them; returns the answer."""
        made: dict[str, str] = {}

        def fill(parts: list[str]) -> str:
            for place in range(1, len(parts), 2):
                old = parts[place]
                if old not in self.known and old not in made:
                    made[old] = given or (
                        f"B-{next(_numbers)}" if old.startswith("R-") else str(uuid.uuid4())
                    )
            odd = (made.get(part, part) for part in parts[1::2])
            return "".join(
                itertools.chain.from_iterable(itertools.zip_longest(parts[::2], odd, fillvalue=""))
            )

        def whole(value: Any) -> Any:
            if type(value) is list:
                return [whole(one) for one in value]
            return fill(value) if type(value) is _Parts else value

        for text, values, aside in self.statements:
            filled = {name: whole(v) for name, v in values.items()}
            result = (beside if aside else connection).exec_driver_sql(text, filled)
            if result.returns_rows:
                result.all()
        return fill(self.answer)


def record(runtime: Runtime, app: FastAPI, requests: Iterator[Request]) -> Replay:
    """What a warm server does for one of the requests. Ids that two of them share are not fresh."""
    call(app, next(requests))
    heard: list[list[Statement]] = []
    for _ in range(2):
        with listening(runtime) as statements:
            answer = call(app, next(requests)).decode()
        heard.append(statements)
    first, last = ({id for s in heard[n] for v in s.values.values() for id in _ids(v)} for n in (0, 1))
    split = tuple((s.text, {k: _split(v) for k, v in s.values.items()}, s.aside) for s in heard[1])
    return Replay(split, _FRESH.split(answer), frozenset(first & last))


def _ids(value: Any) -> list[str]:
    if type(value) is list:
        return [id for one in value for id in _ids(one)]
    return _FRESH.findall(str(value)) if isinstance(value, str | uuid.UUID) else []


class _Parts(list[str]):
    """A text in pieces; an array of the statement itself is a plain list."""


def _split(value: Any) -> Any:
    if type(value) is list:
        return [_split(one) for one in value]
    return _Parts(_FRESH.split(str(value))) if _ids(value) else value
