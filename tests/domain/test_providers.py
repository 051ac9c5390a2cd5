"""Caps and circuit breakers as rules: tables of cases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from referral.domain.providers import (
    FIRST_REST,
    LONGEST_REST,
    OPENS_AFTER,
    Answered,
    Circuit,
    Limits,
    Provider,
    read_limits,
    settle,
    take,
)

NOW = datetime(2026, 11, 3, 17, 0, tzinfo=UTC)
LEASE = timedelta(seconds=60)
FRESH = Provider(name="sms")


def after(calls: list[bool], provider: Provider = FRESH, now: datetime = NOW) -> Provider:
    """The provider after a batch with these answers."""
    taken, _ = take(provider, Limits(), "batch", len(calls), now, LEASE)
    return settle(taken, "batch", Answered(calls, error="no answer"), now)


@pytest.mark.parametrize(
    ("calls", "circuit"),
    [
        ([True], Circuit.CLOSED),
        ([False] * (OPENS_AFTER - 1), Circuit.CLOSED),
        ([False] * OPENS_AFTER, Circuit.OPEN),
        ([False] * (OPENS_AFTER - 1) + [True, False], Circuit.CLOSED),
        ([True] + [False] * OPENS_AFTER, Circuit.OPEN),
        ([False] * OPENS_AFTER + [True], Circuit.CLOSED),
    ],
)
def test_five_failures_in_a_row_open_the_circuit_and_an_answer_closes_it(
    calls: list[bool], circuit: Circuit
) -> None:
    assert after(calls).circuit(NOW) is circuit


def test_failures_are_counted_over_batches() -> None:
    provider = FRESH
    for _ in range(OPENS_AFTER):
        assert provider.circuit(NOW) is Circuit.CLOSED
        provider = after([False], provider)
    assert (provider.circuit(NOW), provider.last_error) == (Circuit.OPEN, "no answer")


def test_while_it_is_open_nobody_calls_and_then_one_at_a_time() -> None:
    broken = after([False] * OPENS_AFTER)
    _, grant = take(broken, Limits(), "a", 16, NOW, LEASE)
    assert (grant.calls, grant.again_at) == (0, NOW + FIRST_REST)
    rested = NOW + FIRST_REST
    probing, grant = take(broken, Limits(), "a", 16, rested, LEASE)
    assert (grant.calls, probing.circuit(rested)) == (1, Circuit.PROBING)
    assert take(probing, Limits(), "b", 16, rested, LEASE)[1].calls == 0
    closed = settle(probing, "a", Answered([True]), rested)
    assert (closed.circuit(rested), closed.failures, closed.last_error) == (Circuit.CLOSED, 0, None)
    assert take(closed, Limits(), "b", 16, rested, LEASE)[1].calls == 16


def test_a_probe_that_dies_leaves_its_place_to_the_next_one() -> None:
    broken = after([False] * OPENS_AFTER)
    rested = NOW + FIRST_REST
    probing, _ = take(broken, Limits(), "dead", 1, rested, LEASE)
    assert take(probing, Limits(), "b", 1, rested + LEASE, LEASE)[1].calls == 1


def test_each_failed_probe_doubles_the_rest_up_to_five_minutes() -> None:
    provider, now, rests = after([False] * OPENS_AFTER), NOW, []
    for _ in range(6):
        assert provider.rests_until is not None
        rests.append(provider.rests_until - now)
        now = provider.rests_until
        provider = after([False], provider, now)
    assert rests == [FIRST_REST * 2**n for n in range(4)] + [LONGEST_REST] * 2


def test_what_was_called_before_the_circuit_opened_does_not_prolong_its_rest() -> None:
    broken = after([False] * OPENS_AFTER)
    later = NOW + timedelta(seconds=10)
    assert settle(broken, "slow", Answered([False] * 9), later).rests_until == broken.rests_until


def test_places_are_shared_by_all_and_come_back() -> None:
    limits = Limits(at_once=10)
    provider, grant = take(FRESH, limits, "a", 8, NOW, LEASE)
    assert grant.calls == 8
    provider, grant = take(provider, limits, "b", 8, NOW, LEASE)
    assert grant.calls == 2
    full, grant = take(provider, limits, "c", 8, NOW, LEASE)
    assert (grant.calls, "c" in full.uses) == (0, False)
    assert NOW < grant.again_at < NOW + timedelta(seconds=1)
    provider = settle(provider, "a", Answered([True] * 8), NOW)
    assert take(provider, limits, "c", 8, NOW, LEASE)[1].calls == 8


def test_places_of_the_dead_are_free_when_their_lease_has_run_out() -> None:
    limits = Limits(at_once=4)
    provider, _ = take(FRESH, limits, "dead", 4, NOW, LEASE)
    assert take(provider, limits, "b", 4, NOW + LEASE - timedelta(seconds=1), LEASE)[1].calls == 0
    assert take(provider, limits, "b", 4, NOW + LEASE, LEASE)[1].calls == 4


def test_so_many_in_a_second_and_no_more() -> None:
    limits = Limits(at_once=1000, per_second=20)
    provider, begun = FRESH, 0
    for step in range(101):  # ten seconds in tenths, asking for more than there is
        now = NOW + step * timedelta(seconds=0.1)
        provider, grant = take(provider, limits, f"b{step}", 16, now, LEASE)
        begun += grant.calls
        if grant.calls:
            provider = settle(provider, f"b{step}", Answered([True] * grant.calls), now)
    assert 20 * 10 <= begun <= 20 * 11


def test_a_rate_below_one_waits_for_its_turn_and_says_when() -> None:
    limits = Limits(per_second=0.5)
    provider, grant = take(FRESH, limits, "a", 4, NOW, LEASE)
    assert grant.calls == 1
    provider, grant = take(provider, limits, "b", 4, NOW, LEASE)
    assert (grant.calls, grant.again_at) == (0, NOW + timedelta(seconds=2))
    assert take(provider, limits, "b", 4, grant.again_at, LEASE)[1].calls == 1


def test_what_was_taken_and_not_used_is_not_lost() -> None:
    limits = Limits(per_second=16)
    provider, _ = take(FRESH, limits, "a", 16, NOW, LEASE)
    provider = settle(provider, "a", Answered([True] * 6), NOW)
    assert take(provider, limits, "b", 16, NOW, LEASE)[1].calls == 10


def test_a_provider_that_asks_to_be_left_alone_is() -> None:
    wait = timedelta(seconds=40)
    provider = settle(FRESH, "a", Answered([False], retry_after=wait), NOW)
    assert (provider.circuit(NOW), provider.rests_until) == (Circuit.OPEN, NOW + wait)
    endless = settle(FRESH, "a", Answered([False], retry_after=timedelta(days=9)), NOW)
    assert endless.rests_until == NOW + LONGEST_REST


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    limits = Limits(per_second=10)
    spent = replace(FRESH, allowance=0.0, counted_at=NOW)
    assert take(spent, limits, "a", 5, NOW - timedelta(hours=1), LEASE)[1].calls == 0


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("", {}),
        ("sms=16@20,fax=4", {"sms": Limits(16, 20.0), "fax": Limits(4, None)}),
        (" sms=1@0.5 , fax-mail=2", {"sms": Limits(1, 0.5), "fax-mail": Limits(2, None)}),
    ],
)
def test_limits_are_read(text: str, limits: dict[str, Limits]) -> None:
    assert read_limits(text) == limits


@pytest.mark.parametrize(
    "text", ["sms", "sms=0", "sms=4@0", "sms=4@", "sms=-1", "SMS=4", "sms=4;fax=2", "=4"]
)
def test_what_is_no_limit_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="must look like"):
        read_limits(text)


@pytest.mark.parametrize(
    ("calls", "later", "expected"),
    [
        ([False] * OPENS_AFTER, timedelta(0), True),
        ([False] * 2, timedelta(minutes=9), False),
        ([False] * 2, timedelta(minutes=10), True),
        # One call that failed says little, however long ago it was.
        ([False], timedelta(days=1), False),
        ([False] * OPENS_AFTER + [True], timedelta(days=1), False),
        ([True] + [False] * 2, timedelta(minutes=10), True),
    ],
)
def test_who_answers_no_call_for_long_takes_nothing(
    calls: list[bool], later: timedelta, expected: bool
) -> None:
    assert after(calls).takes_nothing(NOW + later) is expected


def test_it_takes_nothing_since_the_first_failure_in_a_row() -> None:
    failing = after([False], after([False, True, False]), NOW + timedelta(minutes=3))
    assert (failing.failing_since, failing.failures) == (NOW, 2)
    assert after([True], failing, NOW + timedelta(minutes=4)).failing_since is None
