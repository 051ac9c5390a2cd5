"""Whoever is on call is told of each safety task, once, when the whole worker tree dies around the call."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable

from referral.domain.outgoing import MessageState, provider_key
from referral.services.keep_on_call import add_on_call
from referral.services.raise_safety import raise_safety
from referral.storage import on_call
from tests.faults.fleet import Fleet, run_fleet, seed_of
from tests.processes import eventually
from tests.services import people

# Each task dies once: while its call is in hand, and at any moment from the bell until it is recorded.
IN_THE_CALL, AT_ANY_MOMENT = 3, 3
# The provider takes so many seconds, so that the call is seen.
LATENCY = 0.4


def on_duty(fleet: Fleet) -> None:
    with fleet.database.transaction(fleet.clinic.id) as session:
        for number in (1, 2):
            add_on_call(
                session, fleet.clinic.actor, f"Shift {number}", "sms", f"303555010{number}", fleet.clock.now()
            )


def raised(fleet: Fleet, number: int) -> str:
    """One more sign of self-harm; the id of its task. The database rings by itself, as it does everywhere."""
    with fleet.database.transaction(fleet.clinic.id) as session:
        task = raise_safety(
            session,
            fleet.clinic.actor,
            patient_id=people.patient(session, fleet.clinic).id,
            order_id=None,
            source=f"QuestionnaireResponse/{number}",
            answer=2,
            now=fleet.clock.now(),
        )
    assert task is not None
    fleet.ring()
    return task.id


def called(fleet: Fleet, task_ids: list[str]) -> list[on_call.SafetyCall]:
    with fleet.database.transaction(fleet.clinic.id) as session:
        found = on_call.of_tasks(session, task_ids)
    return [call for id in task_ids for call in found[id]]


def is_told(fleet: Fleet, task_id: str) -> bool:
    fleet.ring()
    return all(call.finished_at is not None for call in called(fleet, [task_id]))


def test_whoever_is_on_call_is_told_once_when_the_workers_die_around_the_call(
    record_property: Callable[[str, object], None],
) -> None:
    rng, task_ids = random.Random(seed := seed_of("safety calls")), list[str]()
    with run_fleet(requests=1, provider_options=("--latency", str(LATENCY))) as fleet:
        on_duty(fleet)
        for number in range(IN_THE_CALL + AT_ANY_MOMENT):
            before = fleet.provider.state()["submissions"]
            task_ids.append(raised(fleet, number))
            if number < IN_THE_CALL:
                eventually(lambda: fleet.provider.state()["in_hand"], 90)
            else:
                # It has begun, or is about to; the moment of its death is chance.
                eventually(lambda: bool(fleet.worker.pool()), 90)
                threading.Event().wait(rng.uniform(0, 3 * LATENCY))
            fleet.kill_all()
            eventually(lambda: is_told(fleet, task_ids[-1]), 120)
            assert fleet.provider.state()["submissions"] > before
        calls, state = called(fleet, task_ids), fleet.provider.state()
        # Nobody waited for the second contact: each task has one message, to the first.
        assert [(one.step, one.state) for one in calls] == [(1, MessageState.ACCEPTED)] * len(task_ids)
        assert len({one.contact_id for one in calls}) == 1
        # What is told to be sent was taken, and nothing twice.
        assert Counter(state["per_key"]) == Counter(str(provider_key(one.id, 1)) for one in calls)
        assert fleet.doubled() == []
        assert any(one.attempts > 1 for one in calls)
    counts = f"{len(calls)} trees killed around {len(calls)} calls: 0 lost, 0 doubled"
    record_property("figure", f"safety calls (seed {seed}): {counts}")
