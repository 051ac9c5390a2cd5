"""M2: the database restarts, crashes, hangs up, is full, and the work is soon as quick as before.

Each fault meets the workers in the middle of their work. Afterwards nothing is lost or doubled.
"""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psycopg
import pytest

from tests.faults.fleet import Fleet, run_fleet
from tests.faults.test_kills import judge
from tests.processes import eventually

# What the work has to come back to, of what it was just before, within so many seconds.
RECOVERED, WITHIN = 0.95, 60
# A provider that takes its time: the pace is then that of the calls, whatever else this machine does.
LATENCY = 1.0
WINDOW = 2.0
# Enough for the workers not to run out of work before the pace is measured.
BACKLOG = 2500


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with run_fleet(proxied=("database",), provider_options=("--latency", str(LATENCY))) as started:
        yield started


def end_backends(fleet: Fleet) -> None:
    """Every session of the service is ended by the administrator."""
    with fleet.admin() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


def crash(fleet: Fleet) -> None:
    """One backend dies by -9, so PostgreSQL throws everybody out and recovers."""
    with fleet.admin() as connection:
        row = connection.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND usename = 'referral_app'"
        ).fetchone()
    assert row is not None
    os.kill(int(str(row[0])), signal.SIGKILL)


def restart(fleet: Fleet) -> None:
    """As an administrator does it: everybody is sent away, and it comes back."""
    os.kill(fleet.engines.pids["postgres"], signal.SIGINT)
    eventually(lambda: "postgres" in fleet.engines.revive(), 60)


def kill_thrice(fleet: Fleet) -> None:
    """The whole server dies, and dies again as soon as it is back."""
    for _ in range(3):
        os.kill(fleet.engines.pids["postgres"], signal.SIGKILL)
        eventually(lambda: "postgres" in fleet.engines.revive(), 60)


def fill(fleet: Fleet) -> None:
    """Somebody else takes every connection that the server has, and everybody else's are gone for a while."""
    with ExitStack() as others:
        end_backends(fleet)
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                address = fleet.engines.app_url.replace("postgresql+psycopg", "postgresql")
                others.enter_context(psycopg.connect(address))
        begun = time.monotonic()
        eventually(lambda: time.monotonic() - begun > 2 * WINDOW)


def cut_the_cable(fleet: Fleet) -> None:
    """Connections break wherever they are, a while long, and some in the middle of what is said."""
    proxy = fleet.proxies["database"]
    for bytes_left in (50, 500, 5_000):
        proxy.cut_after = bytes_left
        proxy.cut()
        begun = time.monotonic()
        eventually(lambda begun=begun: time.monotonic() - begun > 0.5)  # type: ignore[misc]
    proxy.cut_after = None
    proxy.cut()


FAULTS = (end_backends, crash, restart, kill_thrice, fill, cut_the_cable)


def pace(fleet: Fleet, seconds: float = WINDOW) -> float:
    """Messages finished in a second, over so many seconds."""
    before, begun = fleet.finished(), time.monotonic()
    eventually(lambda: time.monotonic() - begun >= seconds)
    return (fleet.finished() - before) / (time.monotonic() - begun)


def recovery(fleet: Fleet, fault: Callable[[Fleet], None]) -> tuple[float, float]:
    """The best pace after the fault as a share of the pace before it, and when it was reached, in seconds."""
    fleet.queue_many(BACKLOG)
    fleet.ring()
    eventually(lambda: pace(fleet, 0.5) > 0, 60)
    before = statistics.median(pace(fleet) for _ in range(3))
    begun = time.monotonic()
    fault(fleet)
    best, reached = 0.0, 0.0
    while best < RECOVERED and time.monotonic() - begun < WITHIN:
        with contextlib.suppress(psycopg.OperationalError):
            best, reached = max(best, pace(fleet) / before), time.monotonic() - begun
    return best, reached


@pytest.mark.soak
def test_the_work_is_soon_as_quick_as_before_and_nothing_is_lost(
    fleet: Fleet, record_property: Callable[[str, object], None]
) -> None:
    shares = {}
    for fault in FAULTS:
        shares[fault.__name__], reached = recovery(fleet, fault)
        said = f"M2 {fault.__name__}: {shares[fault.__name__]:.2f} of the pace before after {reached:.0f} s"
        record_property("figure", said)
    fleet.provider.script(latency=0)
    fleet.kill_all()
    fleet.drain(180)
    judge(fleet)
    assert {name: share for name, share in shares.items() if share < RECOVERED} == {}
