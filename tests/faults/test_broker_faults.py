"""M3: the broker is emptied, killed, away, silent; that costs time, and no message."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator

import pytest
import redis

from referral.domain.codes import Channel
from referral.workers.watchdog import Hearing
from tests.faults.fleet import Fleet, run_fleet, seed_of
from tests.faults.test_kills import judge
from tests.processes import eventually

SMS = (Channel.SMS,)
# How long after the broker is back everything has to be sent, in seconds.
DRAINED = 120
# A worker that waits idly says so itself; one that was about to acknowledge a task runs into a time-out.
NOTICED = ("worker.deaf", "Connection to broker lost")


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """One worker tree for the whole file; the broker through a proxy."""
    with run_fleet(proxied=("redis",)) as started:
        yield started


def until_sent(fleet: Fleet, seconds: float) -> float:
    """How long it takes until all that was queued is finished, without a bell of the test's."""
    begun = time.monotonic()
    eventually(lambda: fleet.finished() >= fleet.queued, seconds)
    return time.monotonic() - begun


def test_an_emptied_broker_costs_a_moment(fleet: Fleet) -> None:
    rng = random.Random(seed_of("M3 flush"))
    with redis.Redis.from_url(fleet.engines.redis_url) as valkey:
        for _ in range(5):
            fleet.queue(20, rng, SMS)
            valkey.flushall()
    until_sent(fleet, DRAINED)
    judge(fleet)


@pytest.mark.parametrize("away", [5, pytest.param(600, marks=pytest.mark.soak)])
def test_what_is_decided_while_the_broker_is_away_goes_out_when_it_is_back(fleet: Fleet, away: float) -> None:
    rng = random.Random(seed_of("M3 away"))
    proxy = fleet.proxies["redis"]
    fleet.queue(20, rng, SMS)
    proxy.refusing = True
    proxy.cut()
    fleet.queue(20, rng, SMS)
    gone = time.monotonic()
    eventually(lambda: time.monotonic() - gone >= away, away + 30)
    proxy.refusing = False
    until_sent(fleet, DRAINED)
    judge(fleet)


def test_a_broker_that_is_killed_is_found_again(fleet: Fleet) -> None:
    rng = random.Random(seed_of("M3 killed"))
    fleet.queue(20, rng, SMS)
    os.kill(fleet.engines.pids["valkey"], signal.SIGKILL)
    eventually(lambda: "valkey" in fleet.engines.revive(), 30)
    fleet.queue(20, rng, SMS)
    until_sent(fleet, DRAINED)
    judge(fleet)


def test_a_worker_that_hears_nothing_any_more_notices(
    fleet: Fleet, record_property: Callable[[str, object], None]
) -> None:
    """Its connections are there and silent; a new one would work. The goal is a minute on a quiet machine."""
    rng = random.Random(seed_of("M3 deaf"))
    fleet.queue(5, rng, SMS)
    until_sent(fleet, DRAINED)
    before = len(fleet.worker.log.read_text())
    assert fleet.proxies["redis"].stall() > 0
    fleet.queue(20, rng, SMS)
    began = time.monotonic()
    eventually(lambda: any(word in fleet.worker.log.read_text()[before:] for word in NOTICED), 180)
    record_property("figure", f"deaf worker noticed after {time.monotonic() - began:.0f} s (goal <= 60)")
    until_sent(fleet, DRAINED)
    judge(fleet)


@pytest.mark.parametrize(
    ("reachable", "has_room", "deaf"),
    [(True, True, True), (False, True, False), (True, False, False), (False, False, False)],
)
def test_deaf_is_who_hears_nothing_though_the_broker_answers_and_there_is_room(
    reachable: bool, has_room: bool, deaf: bool
) -> None:
    hearing = Hearing(100.0, deaf_after=40)
    assert not hearing.is_deaf(139.0, reachable=True, has_room=True)
    assert hearing.is_deaf(141.0, reachable=reachable, has_room=has_room) is deaf
    # Who was busy or cut off has to be silent for the whole time once more.
    assert hearing.is_deaf(150.0, reachable=True, has_room=True) is deaf
