"""M1: workers are killed with -9 again and again; nothing is lost, nothing reaches a provider twice.

`make soak` kills a thousand times over 20,000 messages, every run of the tests a few times over some hundred.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable

import pytest

from referral.domain.codes import Channel
from referral.domain.outgoing import MessageState
from tests.faults.fleet import Fleet, run_fleet, seed_of
from tests.processes import eventually

SENT = frozenset({MessageState.ACCEPTED, MessageState.DELIVERED})
# What a person is asked about: it may have arrived, or it has stopped its worker three times.
PARKED = frozenset({MessageState.UNKNOWN, MessageState.DEAD})
# One of so many deaths takes the whole tree along; the others a process that draws and sends.
TREES = 6
FRACTIONS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)


def storm(fleet: Fleet, rng: random.Random, *, messages: int, kills: int) -> int:
    """Queue a few, let some work be done, kill, and so on; returns how many whole trees died."""
    trees = 0
    for number in range(kills):
        before = fleet.finished()
        fleet.queue(messages * (number + 1) // kills - messages * number // kills, rng)
        fleet.ring()
        # Whoever is killed has been at work since the last death.
        eventually(lambda before=before: fleet.finished() > before, 90)  # type: ignore[misc]
        threading.Event().wait(rng.choice(FRACTIONS))
        if rng.randrange(TREES) == 0:
            fleet.kill_all()
            trees += 1
        else:
            eventually(lambda: fleet.kill_child(rng), 60)
    return trees


def judge(fleet: Fleet) -> str:
    """Raises where a message was lost, doubled, or is told to have been what it was not; a line of counts."""
    state = fleet.provider.state()
    mails = Counter(str(mail["Message-ID"]) for mail in fleet.mailbox.messages)
    rows = fleet.rows()
    assert len(rows) == fleet.queued
    ends = Counter(row[2] for row in rows)
    # Nothing twice: to a provider that can be asked by its key, and to a mail server by the Message-ID.
    assert fleet.doubled() == [], f"stood still for {fleet.clock.stood_still} s"
    assert {id: count for id, count in mails.items() if count > 1} == {}
    # Nothing lost: what is told to be sent was accepted; what was accepted is told, or a person's matter.
    counted = Counter(row[1] for row in rows if row[2] in SENT)
    doubtful = Counter(row[1] for row in rows if row[2] in PARKED)
    taken = {Channel.EMAIL: len(mails), "provider": state["accepted"]}
    told = {Channel.EMAIL: counted[Channel.EMAIL], "provider": counted[Channel.SMS] + counted[Channel.FAX]}
    left = {Channel.EMAIL: doubtful[Channel.EMAIL], "provider": doubtful[Channel.SMS] + doubtful[Channel.FAX]}
    for where, count in taken.items():
        assert told[where] <= count <= told[where] + left[where], (where, taken, told, left)
    assert ends.pop(MessageState.CANCELLED, 0) == fleet.stopped
    assert set(ends) <= SENT | PARKED, ends
    parked = sum(ends[state] for state in PARKED)
    count = len(rows) - fleet.stopped
    return f"{count} messages, 0 lost, 0 doubled, {parked} parked for a person ({dict(ends)})"


@pytest.mark.parametrize(
    ("messages", "kills", "requests"),
    [
        pytest.param(180, 12, 10, id="short"),
        pytest.param(20_000, 1_000, 100, id="long", marks=pytest.mark.soak),
    ],
)
def test_no_message_is_lost_or_doubled_however_often_workers_are_killed(
    messages: int, kills: int, requests: int, record_property: Callable[[str, object], None]
) -> None:
    seed = seed_of("M1")
    with run_fleet(requests=requests, provider_options=("--latency", "0.05")) as fleet:
        trees = storm(fleet, random.Random(seed), messages=messages, kills=kills)
        fleet.kill_all()  # whoever holds something now is dead, and the leases of the dead have run out
        fleet.drain(120 + messages / 50)
        counts = judge(fleet)
    record_property("figure", f"M1 (seed {seed}): {kills} kills -9 ({trees} of whole trees): {counts}")
