"""M2: the database restarts, crashes, hangs up, is full, and the work is soon as quick as before.

Each fault meets the workers in the middle of their work. Afterwards nothing is lost or doubled.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg
import pytest

from referral.domain.outgoing import MessageState
from tests.faults.fleet import Fleet, run_fleet, seed_of
from tests.faults.test_kills import judge
from tests.processes import eventually

# What the work has to come back to, of what it was just before, within so many seconds.
RECOVERED, WITHIN = 0.95, 60


@dataclass(frozen=True, slots=True)
class Measure:
    """The pace is that of the provider's calls, which take `latency`, whatever else this machine does.

    It is counted over `window` seconds; before a fault it is the best of so many `windows`, with `once` only
    before the first one. There is always a `backlog` that lasts for longer than is measured. So many `faults`
    are taken by chance.
    """

    latency: float
    window: float
    windows: int
    backlog: int
    faults: int
    once: bool = False


SHORT = Measure(latency=1.0, window=3.0, windows=3, backlog=2_500, faults=1, once=True)
LONG = Measure(latency=1.0, window=4.0, windows=4, backlog=6_000, faults=6)


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
        eventually(lambda: time.monotonic() - begun > 4)


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


Fault = Callable[[Fleet], None]
FAULTS: tuple[Fault, ...] = (end_backends, crash, restart, kill_thrice, fill, cut_the_cable)


def pace(fleet: Fleet, seconds: float) -> float:
    """Messages finished in a second, over so many seconds."""
    before, begun = fleet.finished(), time.monotonic()
    eventually(lambda: time.monotonic() - begun >= seconds)
    return (fleet.finished() - before) / (time.monotonic() - begun)


def pace_before(fleet: Fleet, how: Measure) -> float:
    """With everybody at work, and nothing left to be drawn: that is work of another kind."""
    fleet.ring()
    eventually(lambda: not fleet.states()[MessageState.QUEUED], 180)
    eventually(lambda: pace(fleet, how.latency) > 0, 60)
    return max(pace(fleet, how.window) for _ in range(how.windows))


def recovery(fleet: Fleet, fault: Fault, before: float, window: float) -> tuple[float, float]:
    """The best pace after the fault as a share of the pace before it, and when it was reached, in seconds."""
    begun = time.monotonic()
    fault(fleet)
    best, reached = 0.0, 0.0
    while best < RECOVERED and time.monotonic() - begun < WITHIN:
        with contextlib.suppress(psycopg.OperationalError):
            best, reached = max(best, pace(fleet, window) / before), time.monotonic() - begun
    return best, reached


def measured(fleet: Fleet, how: Measure, rng: random.Random) -> dict[str, tuple[float, float]]:
    """By fault, in an order of chance, what recovery() says."""
    found, before = {}, 0.0
    for fault in rng.sample(FAULTS, how.faults):
        if (missing := how.backlog - fleet.waiting()) > 0:
            fleet.queue_many(missing)
        if not before or not how.once:
            before = pace_before(fleet, how)
        found[fault.__name__] = recovery(fleet, fault, before, how.window)
        share, reached = found[fault.__name__]
        print(f"M2 {fault.__name__}: before {before:.0f}/s, {share:.2f} of it after {reached:.0f} s")  # noqa: T201
    return found


@pytest.mark.parametrize(
    "how", [pytest.param(SHORT, id="short"), pytest.param(LONG, id="long", marks=pytest.mark.soak)]
)
def test_the_work_is_soon_as_quick_as_before_and_nothing_is_lost(
    how: Measure, record_property: Callable[[str, object], None]
) -> None:
    seed = seed_of("M2")
    with run_fleet(
        requests=10, proxied=("database",), provider_options=("--latency", str(how.latency))
    ) as fleet:
        found = measured(fleet, how, random.Random(seed))
        fleet.stop_what_waits()
        fleet.provider.script(latency=0)
        fleet.kill_all()
        fleet.drain(180)
        counts = judge(fleet)
    paces = ", ".join(f"{name} {share:.2f} after {after:.0f} s" for name, (share, after) in found.items())
    record_property("figure", f"M2 (seed {seed}): of the pace before: {paces}; {counts}")
    assert {name: share for name, (share, _) in found.items() if share < RECOVERED} == {}
