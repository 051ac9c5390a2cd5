"""What the benchmarks share: engines, two servers side by side, and a load that costs little itself.

Only ratios count: both sides run in one process each, on the same engines, in interleaved rounds.
"""

from __future__ import annotations

import asyncio
import base64
import multiprocessing
import os
import shutil
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from referral.bootstrap import Runtime, build_runtime
from referral.config import Settings
from referral.domain.audit import Actor
from referral.embedded import Engines
from referral.services.demo import ensure_demo
from referral.services.smart_clients import NewClient, register_client
from referral.storage import migrate

CONNECTIONS = 16
ROUNDS = 5
SECONDS = 3.0


@contextmanager
def running_engines() -> Iterator[tuple[Engines, Settings]]:
    """Real PostgreSQL and Valkey in a directory that is gone afterwards, with durability as in production."""
    directory = Path(tempfile.mkdtemp(prefix="referral-bench-"))
    try:
        with Engines(directory) as engines:
            migrate.upgrade(engines.admin_url)
            yield engines, settings_for(engines, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def settings_for(engines: Engines, directory: Path) -> Settings:
    return Settings(
        database_url=engines.app_url,
        redis_url=engines.redis_url,
        embedded=True,
        demo=False,
        data_dir=directory,
        master_key=base64.b64encode(bytes(32)).decode(),  # type: ignore[arg-type]
        log_format="json",
    )


def runtime_for(settings: Settings) -> Runtime:
    return build_runtime(settings)


def demo_clinic(settings: Settings) -> tuple[str, str]:
    """(id of the demo clinic, bearer token of a client of it)."""
    runtime = runtime_for(settings)
    now = datetime.now(UTC)
    with runtime.transaction() as session:
        clinic_id = ensure_demo(session, now)
    with runtime.transaction(clinic_id) as session:
        actor = Actor(clinic_id, "system", "bench")
        token = register_client(session, actor, NewClient(name="bench"), None, now).token or ""
    runtime.close()
    return clinic_id, token


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _serve(make: Callable[[Settings], FastAPI], settings: Settings, port: int) -> None:
    uvicorn.run(
        make(settings),
        host="127.0.0.1",
        port=port,
        log_level="error",
        access_log=False,
        loop="uvloop",
        http="httptools",
    )


@contextmanager
def server(make: Callable[[Settings], FastAPI], settings: Settings) -> Iterator[int]:
    """One uvicorn worker in a process of its own; yields its port once it answers."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(make, settings, port), daemon=True
    )
    process.start()
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            if time.monotonic() > deadline or not process.is_alive():
                raise
            time.sleep(0.05)
    try:
        yield port
    finally:
        process.terminate()
        process.join(10)


@dataclass(frozen=True, slots=True)
class Request:
    """A complete HTTP/1.1 request; `statuses` are the ones that count as success."""

    raw: bytes
    status: bytes


def get(path: str, **headers: str) -> Request:
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
    return Request("\r\n".join(lines).encode(), b"200")


def post(path: str, body: bytes, content_type: str, **headers: str) -> Request:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        *(f"{k}: {v}" for k, v in headers.items()),
        "",
        "",
    ]
    return Request("\r\n".join(lines).encode() + body, b"201")


async def _loop(port: int, requests: Iterator[Request], until: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    done = 0
    while time.perf_counter() < until:
        request = next(requests)
        writer.write(request.raw)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        if head[9:12] != request.status:
            raise RuntimeError(f"{head[:15]!r} {body[:500]!r}")
        done += 1
    writer.close()
    return done


async def _load(port: int, requests: Iterator[Request], connections: int, seconds: float) -> float:
    begun = time.perf_counter()
    counts = await asyncio.gather(*(_loop(port, requests, begun + seconds) for _ in range(connections)))
    return sum(counts) / (time.perf_counter() - begun)


def compare(
    ours: tuple[int, Iterator[Request]],
    bare: tuple[int, Iterator[Request]],
    *,
    connections: int = CONNECTIONS,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
    names: tuple[str, str] = ("ours", "bare"),
) -> tuple[float, float, float]:
    """(ours per second, bare per second, median of ours / bare); the first round warms up and is dropped."""
    rates: list[tuple[float, float]] = []
    for number in range(rounds + 1):
        pair = [asyncio.run(_load(port, requests, connections, seconds)) for port, requests in (ours, bare)]
        if number:
            rates.append((pair[0], pair[1]))
            both = f"{names[0]} {pair[0]:8.1f}/s   {names[1]} {pair[1]:8.1f}/s"
            print(f"  round {number}: {both}   ratio {pair[0] / pair[1]:.2f}")
    ratio = statistics.median(ours_rate / bare_rate for ours_rate, bare_rate in rates)
    return statistics.median(r[0] for r in rates), statistics.median(r[1] for r in rates), ratio


def figure(name: str, value: float, goal: str) -> None:
    """The line that every benchmark ends in."""
    print(f"figure: {name} = {value:.2f} (goal {goal})", flush=True)


def cores() -> int:
    return len(os.sched_getaffinity(0))
