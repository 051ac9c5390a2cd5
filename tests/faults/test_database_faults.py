"""M2: the database restarts, crashes, hangs up, is full, and the work goes on, soon as quick as before.

Each fault meets the workers in the middle of their work. Afterwards nothing is lost or doubled. How quick the
work is, is only measured by `make soak`: beside other tests a pace says nothing.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack

import psycopg
import pytest

from referral.domain.outgoing import MessageState
from tests.faults.fleet import Fleet, run_fleet, seed_of
from tests.faults.test_kills import judge
from tests.processes import eventually

# What the work has to come back to, of what it was just before, within so many seconds.
RECOVERED, WITHIN = 0.95, 60


# Seconds that the provider takes for a call, whatever else this machine does: that is the pace of the work.
LATENCY = 1.0
# So many seconds are counted for a pace; before a fault it is the best of so many windows.
WINDOW, WINDOWS = 4.0, 4


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


def at_work(fleet: Fleet, backlog: int) -> None:
    """At least so many messages wait, all of them drawn: drawing is work of another kind."""
    if (missing := backlog - fleet.waiting()) > 0:
        fleet.queue_many(missing)
    fleet.ring()
    eventually(lambda: not fleet.states()[MessageState.QUEUED], 180)
    goes_on(fleet)


def goes_on(fleet: Fleet) -> None:
    """More is finished than was."""
    before = eventually(lambda: finished(fleet), 60)
    eventually(lambda: finished(fleet) > before, 120)


def finished(fleet: Fleet) -> int:
    """Messages; 0 while the database cannot be asked."""
    with contextlib.suppress(psycopg.OperationalError):
        return fleet.finished()
    return 0


def recovery(fleet: Fleet, fault: Fault, before: float) -> tuple[float, float]:
    """The best pace after the fault as a share of the pace before it, and when it was reached, in seconds."""
    begun = time.monotonic()
    fault(fleet)
    best, reached = 0.0, 0.0
    while best < RECOVERED and time.monotonic() - begun < WITHIN:
        with contextlib.suppress(psycopg.OperationalError):
            best, reached = max(best, pace(fleet, WINDOW) / before), time.monotonic() - begun
    return best, reached


def end_of(fleet: Fleet) -> str:
    """What nobody has begun is stopped, the rest is sent, and nothing was lost or doubled."""
    fleet.stop_what_waits()
    fleet.provider.script(latency=0)
    fleet.kill_all()
    fleet.drain(180)
    return judge(fleet)


def test_the_work_goes_on_after_every_fault_and_nothing_is_lost(
    record_property: Callable[[str, object], None],
) -> None:
    """Whatever does not go on, is lost or doubled is said by goes_on() and judge()."""
    rng = random.Random(seed := seed_of("M2"))
    with run_fleet(requests=10, proxied=("database",), provider_options=("--latency", str(LATENCY))) as fleet:
        for fault in rng.sample(FAULTS, len(FAULTS)):
            at_work(fleet, 1_000)
            print(f"M2 {fault.__name__}: {fleet.waiting()} wait")  # noqa: T201 - pytest shows it on failure
            fault(fleet)
            goes_on(fleet)
        counts = end_of(fleet)
    record_property("figure", f"M2 (seed {seed}): it went on after {len(FAULTS)} faults; {counts}")


@pytest.mark.soak
def test_the_work_is_soon_as_quick_as_before(record_property: Callable[[str, object], None]) -> None:
    rng = random.Random(seed := seed_of("M2"))
    found: dict[str, tuple[float, float]] = {}
    with run_fleet(requests=10, proxied=("database",), provider_options=("--latency", str(LATENCY))) as fleet:
        for fault in rng.sample(FAULTS, len(FAULTS)):
            at_work(fleet, 6_000)
            before = max(pace(fleet, WINDOW) for _ in range(WINDOWS))
            share, after = found[fault.__name__] = recovery(fleet, fault, before)
            print(f"M2 {fault.__name__}: before {before:.0f}/s, {share:.2f} of it after {after:.0f} s")  # noqa: T201
        counts = end_of(fleet)
    paces = ", ".join(f"{name} {share:.2f} after {after:.0f} s" for name, (share, after) in found.items())
    record_property("figure", f"M2 (seed {seed}): of the pace before: {paces}; {counts}")
    assert {name: share for name, (share, _) in found.items() if share < RECOVERED} == {}
