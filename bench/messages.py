"""Messages end to end: from a row that is due to a provider that has taken it and a row that says so.

One worker as the service starts it, with its two processes, and one provider on loopback; PostgreSQL and
Valkey with durability as in production. In the same run: no-op jobs of procrastinate on the same PostgreSQL
and no-op tasks of bare Celery on the same Valkey, each with two processes.

MESSAGES, COST, LETTERS, JOBS, MOST (open requests of the sweep) and MEMORY (messages of the memory figure,
after three tenths as many that warm it) make it shorter; PART=cost,rate,letters,others,sweep,memory chooses.
BENCH_MEMORY=100000 is the memory alone.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import text

from bench import _queues as others
from bench import _sweep as sweep
from bench._harness import demo_clinic, figure, free_port, running_engines
from bench._messages import WORKING_HOURS, admin, write_messages
from referral.config import Settings
from referral.domain.codes import Channel
from referral.domain.outgoing import MessageKind
from referral.embedded import Engines

MESSAGES = int(os.environ.get("MESSAGES", "20000"))
LETTERS = int(os.environ.get("LETTERS", "60"))
JOBS = int(os.environ.get("JOBS", "5000"))
COST = int(os.environ.get("COST", "3000"))
_ALONE = os.environ.get("BENCH_MEMORY", "")
MEMORY = int(_ALONE or os.environ.get("MEMORY", "100000"))
_PARTS = "memory" if _ALONE else os.environ.get("PART", "cost,rate,letters,others,sweep,memory")
PARTS = frozenset(_PARTS.split(","))
_SECONDS = 900.0


def provider_url(port: int) -> str:
    return f"twilio+http://AC0123456789abcdef:provider-token@127.0.0.1:{port}?from=%2B13035550100"


@contextmanager
def running(
    command: list[str], environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own, ended with all its children."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("REFERRAL_")}
    process = subprocess.Popen(
        [sys.executable, *command], env={**inherited, **(environment or {})}, start_new_session=True
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Provider(NamedTuple):
    port: int
    pid: int


@contextmanager
def provider() -> Iterator[Provider]:
    port = free_port()
    with running(["-m", "tests.provider", "--port", str(port), "--lean"]) as process:
        yield Provider(port, process.pid)


def worker_environment(settings: Settings, provider: Provider) -> dict[str, str]:
    clock = settings.data_dir / "now.txt"
    clock.write_text(WORKING_HOURS.isoformat())
    return settings.as_environment() | {
        "REFERRAL_SMS_URL": provider_url(provider.port),
        "REFERRAL_PRETEND_NOW_FILE": str(clock),
    }


@contextmanager
def worker(settings: Settings, provider: Provider) -> Iterator[subprocess.Popen[bytes]]:
    with running(["-m", "referral.cli", "worker"], worker_environment(settings, provider)) as process:
        yield process


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + _SECONDS
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError("it did not end")
        time.sleep(0.5)


def cpu_seconds(pid: int) -> float:
    """Of a process and its children, those that have ended included."""
    total = 0.0
    for one in (pid, *children(pid)):
        with suppress(FileNotFoundError):  # ended just now; its parent has what it took
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    return total


def children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    own = [int(one) for one in path.read_text().split()] if path.exists() else []
    return own + [grandchild for child in own for grandchild in children(child)]


def accepted(engines: Engines) -> Callable[[], int]:
    def count() -> int:
        with admin(engines.admin_url) as engine, engine.connect() as connection:
            query = text("SELECT count(*) FROM message WHERE state = 'accepted'")
            return int(connection.scalar(query) or 0)

    return count


def rate(count: Callable[[], int], wanted: int) -> float:
    """Messages a second between the first tenth and the end: the worker is warm by then."""
    begun_with = count()
    wait_for(lambda: count() - begun_with >= wanted // 10)
    first, since = count(), time.monotonic()
    wait_for(lambda: count() - begun_with >= wanted)
    return (count() - first) / (time.monotonic() - since)


def measure_rate(engines: Engines, settings: Settings, clinic_id: str) -> float:
    count = accepted(engines)
    write_messages(engines.admin_url, clinic_id, MESSAGES, first=2_000_001)
    with provider() as peer, worker(settings, peer) as process:
        parts = {"worker": process.pid, "postgresql": engines.pids["postgres"], "provider": peer.pid}
        before = {name: cpu_seconds(pid) for name, pid in parts.items()}
        found = rate(count, MESSAGES)
        for name, pid in parts.items():
            print(f"  {name}: {1000 * (cpu_seconds(pid) - before[name]) / MESSAGES:.2f} ms of CPU a message")
    figure("messages-per-second", found, ">= 600")
    return found


def measure_cost(engines: Engines, settings: Settings, clinic_id: str) -> None:
    """What a message takes of a processor, whatever else the machine does; PROFILE=1 tells where."""
    write_messages(engines.admin_url, clinic_id, COST, first=7_000_001)
    with provider() as peer:
        os.environ.update(worker_environment(settings, peer))
        from referral.services.deliver_messages import deliver_due
        from referral.workers import tasks

        delivery = replace(tasks._delivery(), call_help=lambda: None)  # noqa: SLF001 - as a worker makes it
        profile = cProfile.Profile(time.thread_time) if "PROFILE" in os.environ else None
        before = time.process_time(), cpu_seconds(engines.pids["postgres"])
        count = accepted(engines)
        wanted = count() + COST
        with profile or nullcontext():
            # A round ends after so many seconds, whatever is left.
            while count() < wanted:
                deliver_due(delivery, clinic_id)
        spent = time.process_time() - before[0], cpu_seconds(engines.pids["postgres"]) - before[1]
    figure("message-cpu-ms-python", 1000 * spent[0] / COST, "as it is")
    figure("message-cpu-ms-postgresql", 1000 * spent[1] / COST, "as it is")
    if profile is not None:
        for order in ("tottime", "cumtime"):
            pstats.Stats(profile).sort_stats(order).print_stats(60)


def measure_letters(engines: Engines, settings: Settings, clinic_id: str) -> None:
    """Requests by mail, each with its letter, from the row to the outbox viewer."""
    count = accepted(engines)
    before = count()
    letters = {"kind": MessageKind.REQUEST, "channel": Channel.EMAIL, "lane": "letter"}
    write_messages(engines.admin_url, clinic_id, LETTERS, first=5_000_001, **letters)
    with admin(engines.admin_url) as engine, engine.begin() as connection:
        connection.execute(
            text(
                "SET LOCAL session_replication_role = replica;"
                "UPDATE patient SET birth_date = '1986-04-12' WHERE id = 'bench';"
                "UPDATE referral SET status = 'requested', closed_at = NULL, delivered_at = now(),"
                " due_at = now() + interval '20 days'"
                " WHERE id IN (SELECT referral_id FROM message WHERE kind = 'request')"
            )
        )
    with provider() as peer, worker(settings, peer):
        begun = time.monotonic()
        wait_for(lambda: count() - before >= LETTERS)
        figure("letters-per-second", LETTERS / (time.monotonic() - begun), "as it is")


def measure_others(engines: Engines, settings: Settings, ours: float) -> None:
    url = engines.admin_url.replace("postgresql+psycopg://", "postgresql://")
    figure("messages-to-procrastinate", ours / others.procrastinate_rate(url, JOBS), "as it is")
    figure("messages-to-bare-celery", ours / others.celery_rate(str(settings.broker_url), JOBS), "as it is")


def pss(pid: int) -> int:
    """KiB that a process and its children have for themselves, shared pages divided among them."""
    total = 0
    for one in (pid, *children(pid)):
        lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def measure_memory(engines: Engines, settings: Settings, clinic_id: str) -> None:
    """The largest size in MEMORY messages against the one before them, after as many as warm it.

    Calls of 48 at once scatter what they hold over the heap, which grows to its high-water mark in the first
    30,000 messages and stays there; a leak would go on, and also show in the second half alone.
    """
    count = accepted(engines)
    before, step, warm = count(), MEMORY // 10, 3
    sizes: list[int] = []
    with provider() as peer, worker(settings, peer) as process:
        for number in range(warm + 10):
            first = 3_000_001 + number * step
            write_messages(engines.admin_url, clinic_id, step, first=first)
            wait_for(lambda done=before + (number + 1) * step: count() >= done)  # type: ignore[misc]
            sizes.append(pss(process.pid))
            print(f"  after {(number + 1) * step} messages: {sizes[-1] / 1024:.1f} MiB", flush=True)
    sizes = sizes[warm - 1 :]
    for name, first in (("growth", 0), ("growth-of-the-later-half", len(sizes) // 2)):
        percent = 100 * (max(sizes[first + 1 :]) / sizes[first] - 1)
        figure(f"worker-memory-{name}-percent", percent, "as it is" if first else "<= 5")


def main() -> None:
    with running_engines() as (engines, settings):
        clinic_id, _ = demo_clinic(settings)
        if "cost" in PARTS:
            measure_cost(engines, settings, clinic_id)
        if "rate" in PARTS or "others" in PARTS:
            ours = measure_rate(engines, settings, clinic_id)
        if "others" in PARTS:
            measure_others(engines, settings, ours)
        if "letters" in PARTS:
            measure_letters(engines, settings, clinic_id)
        if "memory" in PARTS:
            measure_memory(engines, settings, clinic_id)
        if "sweep" in PARTS:
            sweep.measure(engines, settings, clinic_id)


if __name__ == "__main__":
    main()
