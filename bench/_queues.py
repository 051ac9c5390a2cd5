"""What others do in a second with jobs that do nothing: procrastinate, and bare Celery."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from urllib.parse import urlsplit

import psycopg
import redis
from celery import Celery
from procrastinate import App, PsycopgConnector

from referral.channels.sms import TwilioSms

_PROCESSES = 2
_AT_ONCE = TwilioSms.at_once

_HAS_BEGUN = "SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE status IN ('doing', 'succeeded'))"

broker = os.environ.get("BENCH_BROKER", "memory://")
bare = Celery("bare", broker=broker)
bare.conf.update(
    task_default_queue="bare",
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)


@bare.task(name="bare.nothing")
def nothing() -> None:
    """No more than the engine's own work."""


def _app(url: str) -> App:
    app = App(connector=PsycopgConnector(conninfo=url))

    @app.task(name="nothing", queue="bench")
    async def nothing_at_all() -> None:
        return None

    return app


async def _prepare(url: str, jobs: int) -> None:
    app = _app(url)
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await app.tasks["nothing"].batch_defer_async(*({} for _ in range(jobs)))


async def _work(url: str) -> None:
    app = _app(url)
    async with app.open_async():
        await app.run_worker_async(
            queues=["bench"], wait=False, concurrency=_AT_ONCE, install_signal_handlers=False
        )


def procrastinate_rate(url: str, jobs: int) -> float:
    """Two of its workers, each with as many jobs at once as ours has calls; from first to last job."""
    asyncio.run(_prepare(url, jobs))
    workers = [subprocess.Popen([sys.executable, "-m", "bench._queues", url]) for _ in range(_PROCESSES)]
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(_HAS_BEGUN).fetchone() == (False,):
            time.sleep(0.01)
    begun = time.monotonic()
    for worker in workers:
        worker.wait()
    return jobs / (time.monotonic() - begun)


def celery_rate(url: str, jobs: int) -> float:
    """From the first task that is taken to the last that is acknowledged."""
    environment = {**os.environ, "BENCH_BROKER": url}
    app = Celery("bare", broker=url)
    client = _client(url)
    for _ in range(jobs):
        app.send_task("bare.nothing", queue="bare")
    command = ["-m", "celery", "-A", "bench._queues:bare", "--quiet", "worker", "--pool=prefork"]
    options = [f"--concurrency={_PROCESSES}", "--queues=bare", "--without-gossip", "--without-mingle"]
    worker = subprocess.Popen([sys.executable, *command, *options], env=environment)
    try:
        while client.llen("bare") == jobs:
            time.sleep(0.01)
        begun = time.monotonic()
        while client.llen("bare") or client.hlen("unacked"):
            time.sleep(0.05)
        return jobs / (time.monotonic() - begun)
    finally:
        worker.terminate()
        worker.wait()


def _client(url: str) -> redis.Redis:
    parts = urlsplit(url)
    if parts.scheme == "redis+socket":
        return redis.Redis(unix_socket_path=parts.path)
    return redis.Redis.from_url(url)


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[1]))
