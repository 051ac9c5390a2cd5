"""Notifications on their way: in order, at least once, without a gap, past receivers that are slow."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import event

from referral.domain.errors import StaleVersion
from referral.domain.subscription import KEPT, LEASE, MAX_TRIES, retry_delay
from referral.fhir.subscription import MAX_COUNT
from referral.services.doctor import drift
from referral.services.notify_subscribers import forget_events, notify_one
from referral.storage import resources, subscriptions
from tests.database import NOW, ClinicFixture
from tests.fhir_api.client import Json
from tests.fhir_api.people import Referred
from tests.fhir_api.subscribing import (
    Subscriber,
    heartbeat,
    kinds,
    numbers,
    parameters,
    subscriber,
    subscription,
)
from tests.processes import eventually
from tests.receiver import Receiver, receiving


@pytest.fixture
def ehr(clinic: ClinicFixture) -> Subscriber:
    return subscriber(clinic)


@pytest.fixture
def task(ehr: Subscriber) -> Json:
    return Referred(ehr.fhir).task


def change(ehr: Subscriber, task: Json, words: str = "hello") -> None:
    """One event."""
    now = ehr.fhir.get(f"Task/{task['id']}").body
    assert ehr.fhir.put(f"Task/{task['id']}", {**now, "description": words}).status == 200


def row(ehr: Subscriber, id: str) -> subscriptions.Subscription:
    with ehr.clinic.transaction() as session:
        found = subscriptions.find(session, id)
    assert found is not None
    return found


def test_a_receiver_that_was_down_misses_nothing(ehr: Subscriber, task: Json) -> None:
    with receiving() as receiver:
        id = ehr.subscribe(receiver)
        change(ehr, task, "1")
        ehr.work()
        receiver.status = 503
        change(ehr, task, "2")
        assert ehr.work() == 1
        assert ehr.work() == 0, "it waits before it tries again"
    assert row(ehr, id).error == "It answered with status 503."
    # Not there at all.
    change(ehr, task, "3")
    ehr.clock.now += timedelta(minutes=1)
    assert ehr.work() == 1
    assert row(ehr, id).tries == 2
    assert ehr.read(id)["status"] == "active"
    ehr.clock.now += timedelta(minutes=1)
    receiver.status = 200
    with receiving(receiver):
        change(ehr, task, "4")
        assert ehr.work() == 1
    assert numbers(receiver) == [1, 2, 2, 3, 4]
    assert (row(ehr, id).delivered, row(ehr, id).tries) == (4, 0)
    assert [parameters(call)["events-since-subscription-start"] for call in receiver.calls] == ["1", "2", "4"]


def test_no_more_than_asked_come_at_once_and_in_their_order(ehr: Subscriber, task: Json) -> None:
    with receiving() as receiver:
        ehr.subscribe(receiver, extension=[{"url": MAX_COUNT, "valuePositiveInt": 2}])
        for count in range(5):
            change(ehr, task, str(count))
        assert ehr.work() == 3
    assert [len(parameters(call)["events"]) for call in receiver.calls] == [2, 2, 1]
    assert numbers(receiver) == [1, 2, 3, 4, 5]
    assert {len(call.bundle["entry"]) for call in receiver.calls} == {2}, "one entry for one resource"


def test_after_many_failures_it_is_an_error_and_its_client_revives_it(ehr: Subscriber, task: Json) -> None:
    with receiving() as receiver:
        id = ehr.subscribe(receiver)
        change(ehr, task, "1")
        receiver.status = 500
        for _ in range(MAX_TRIES):
            assert ehr.work() == 1
            ehr.clock.now += timedelta(hours=1)
        assert ehr.work() == 0
        found = ehr.read(id)
        assert (found["status"], found["error"]) == ("error", "It answered with status 500.")
        status = parameters(ehr.fhir.get(f"Subscription/{id}/$status").body)
        assert status["status"] == "error"
        assert status["error"]["coding"][0]["code"] == "no-response"
        change(ehr, task, "2")
        status = parameters(ehr.fhir.get(f"Subscription/{id}/$status").body)
        assert status["events-since-subscription-start"] == "2", "counted meanwhile"
        assert ehr.work() == 0
        receiver.status = 200
        receiver.calls.clear()
        assert ehr.fhir.put(f"Subscription/{id}", {**found, "status": "requested"}).status == 200
        assert "error" not in ehr.read(id)
        ehr.work()
    assert kinds(receiver) == ["handshake", "event-notification"]
    assert numbers(receiver) == [1, 2]
    with ehr.clinic.transaction() as session:
        subtypes = session.connection.exec_driver_sql(
            "SELECT subtype, outcome FROM audit_event WHERE entity = %s AND actor_id = 'worker' ORDER BY id",
            (f"Subscription/{id}",),
        ).all()
    assert [tuple(found) for found in subtypes] == [
        ("subscription-active", "0"),
        ("subscription-error", "8"),
        ("subscription-active", "0"),
    ]


def test_a_handshake_that_fails_is_an_error_at_once(ehr: Subscriber) -> None:
    with receiving(Receiver(status=404)) as receiver:
        id = ehr.fhir.create(subscription(receiver.url))["id"]
        assert ehr.work() == 1
    assert (ehr.read(id)["status"], ehr.read(id)["error"]) == ("error", "It answered with status 404.")
    refused = ehr.fhir.create(subscription("https://hooks.example.org:8443/x"))["id"]
    with ehr.clinic.transaction() as session:
        # As if its name led to another place by now.
        subscriptions.change(session, refused, NOW, endpoint="https://10.0.0.1/")
    ehr.work()
    assert "not public" in ehr.read(refused)["error"]


def test_a_heartbeat_comes_when_nothing_else_has(ehr: Subscriber, task: Json) -> None:
    with receiving() as receiver:
        ehr.subscribe(receiver, extension=[heartbeat(120)])
        ehr.clock.now += timedelta(seconds=119)
        assert ehr.work() == 0
        ehr.clock.now += timedelta(seconds=1)
        assert ehr.work() == 1
        ehr.clock.now += timedelta(seconds=100)
        change(ehr, task)
        assert ehr.work() == 1
        ehr.clock.now += timedelta(seconds=119)
        assert ehr.work() == 0
        ehr.clock.now += timedelta(seconds=1)
        assert ehr.work() == 1
    assert kinds(receiver) == ["heartbeat", "event-notification", "heartbeat"]
    assert numbers(receiver) == [1]
    assert parameters(receiver.calls[-1])["events-since-subscription-start"] == "1"


def test_an_end_that_has_come_ends_it(ehr: Subscriber, task: Json) -> None:
    with receiving() as receiver:
        document = subscription(receiver.url) | {"end": "2026-11-03T18:00:00Z"}
        id = ehr.fhir.create(document)["id"]
        ehr.work()
        ehr.clock.now += timedelta(hours=1)
        change(ehr, task)
        ehr.work()
    assert (ehr.read(id)["status"], ehr.read(id)["error"]) == ("off", "Its end has come.")
    assert kinds(receiver) == ["handshake"]


def test_a_slow_receiver_holds_up_nobody_else(ehr: Subscriber, task: Json) -> None:
    with receiving() as slow, receiving() as quick:
        for receiver in (slow, quick):
            ehr.subscribe(receiver)
        slow.pause = threading.Event()
        change(ehr, task, "1")
        worker = threading.Thread(target=ehr.work)
        worker.start()
        eventually(lambda: slow.calls and quick.calls)
        # While the slow one is still being waited for, the quick one hears of the next change.
        change(ehr, task, "2")
        eventually(lambda: len(quick.calls) == 2)
        assert ehr.work() == 0, "a second worker leaves it to the first"
        slow.pause.set()
        worker.join(30)
    assert numbers(quick) == [1, 2]
    assert numbers(slow) == [1, 2]


def test_a_worker_that_dies_while_sending_is_followed_by_another(ehr: Subscriber, task: Json) -> None:
    with receiving() as receiver:
        id = ehr.subscribe(receiver)
        change(ehr, task)
        with ehr.clinic.transaction() as session:
            dead = subscriptions.claim(session, ehr.clock.now)
        assert dead is not None
        assert ehr.work() == 0, "the lease of the dead one has not run out"
        ehr.clock.now += LEASE + timedelta(seconds=1)
        assert ehr.work() == 1
        # Back from the dead: its claim is worth nothing any more.
        notify_one(ehr.notifier(), ehr.clinic.id, dead)
    assert numbers(receiver) == [1]
    assert (row(ehr, id).delivered, row(ehr, id).tries) == (1, 0)


def test_what_kills_its_worker_each_time_ends_in_error(ehr: Subscriber, task: Json) -> None:
    with receiving() as receiver:
        id = ehr.subscribe(receiver)
        change(ehr, task)
        for _ in range(MAX_TRIES + 1):
            with ehr.clinic.transaction() as session:
                subscriptions.claim(session, ehr.clock.now)
            ehr.clock.now += LEASE + timedelta(seconds=1)
        ehr.work()
    assert receiver.calls == []
    assert "stopped its worker" in ehr.read(id)["error"]


def test_numbers_are_given_to_what_is_committed_and_have_no_gap(ehr: Subscriber, task: Json) -> None:
    """One transaction is undone, and one that began first ends last."""
    with receiving() as receiver:
        ehr.subscribe(receiver)
        late = subscriber(ehr.clinic)
        with ehr.clinic.transaction() as session:
            session.connection.exec_driver_sql(
                "INSERT INTO subscription_event (clinic_id, subscription_id, focus, at)"
                " SELECT clinic_id, id, 'Task/early', now() FROM subscription"
            )
            change(late, task, "committed first")
            assert ehr.work() == 1
        undone = {"resourceType": "Bundle", "type": "transaction", "entry": _one_good_and_one_bad(task)}
        assert ehr.fhir.post("", undone).status >= 400
        ehr.work()
    assert numbers(receiver) == [1, 2]
    assert parameters(receiver.calls[1])["events"][0]["focus"].endswith("Task/early")


def test_everybody_at_once_and_still_no_gap(ehr: Subscriber) -> None:
    """Six at the same time, a third of them undone, while a worker sends and its receiver stumbles."""
    tasks = [Referred(ehr.fhir).task for _ in range(3)]
    with receiving() as receiver:
        id = ehr.subscribe(receiver)

        def changes(seed: int) -> int:
            done, chance = 0, random.Random(seed)
            for turn in range(8):
                task = tasks[chance.randrange(3)]
                try:
                    with ehr.clinic.transaction() as session:
                        resources.amend(session, "Task", task["id"], {"description": f"{seed} {turn}"}, NOW)
                        if chance.random() < 0.3:
                            raise StaleVersion
                    done += 1
                except StaleVersion:
                    continue
            return done

        with ThreadPoolExecutor(6) as pool:
            running = [pool.submit(changes, seed) for seed in range(6)]
            while not all(one.done() for one in running):
                receiver.status = 503 if len(receiver.calls) % 3 == 1 else 200
                ehr.work()
                ehr.clock.now += timedelta(minutes=1)
            made = sum(one.result() for one in running)
        receiver.status = 200
        ehr.clock.now += timedelta(hours=1)
        ehr.work()
    assert row(ehr, id).delivered == made > 3
    heard = list(dict.fromkeys(numbers(receiver)))
    assert heard == list(range(1, made + 1)), "each once, if what is known is dropped, and in order"


def _one_good_and_one_bad(task: Json) -> list[Json]:
    good = {**task, "description": "undone"}
    bad = {"resourceType": "Task", "status": "draft", "intent": "order", "focus": {"reference": "Task/none"}}
    return [
        {"resource": good, "request": {"method": "PUT", "url": f"Task/{task['id']}"}},
        {"resource": {**bad, "id": "x"}, "request": {"method": "PUT", "url": "Task/not-there"}},
    ]


def test_a_clinic_without_subscriptions_pays_no_round_trip(ehr: Subscriber) -> None:
    said: list[str] = []

    def listen(_c: object, _k: object, statement: str, *_: object) -> None:
        said.append(statement)

    engine = ehr.clinic.database.engine
    event.listen(engine, "before_cursor_execute", listen)
    try:
        Referred(ehr.fhir)
    finally:
        event.remove(engine, "before_cursor_execute", listen)
    asking = [statement for statement in said if "subscription" in statement]
    assert asking
    assert all("INSERT INTO audit_event" in statement for statement in asking), "what is written last anyway"


def scopes(ehr: Subscriber, *texts: str) -> None:
    """Of every client of the clinic that follows now."""
    with ehr.clinic.transaction() as session:
        session.connection.exec_driver_sql(
            "UPDATE api_client SET scopes = %s WHERE clinic_id = %s", (list(texts), ehr.clinic.id)
        )


def test_what_a_restricted_scope_does_not_reach_is_not_told_and_has_no_number(ehr: Subscriber) -> None:
    fulfil = "system/Task.rs?code=http://hl7.org/fhir/CodeSystem/task-code|fulfill"
    scopes(ehr, "system/Subscription.cruds", fulfil)
    with receiving() as receiver:
        id = ehr.subscribe(receiver)
        desk = subscriber(ehr.clinic).fhir
        for _ in range(2):
            Referred(desk)
        # Another Task of each request is for its questionnaire.
        waiting = parameters(ehr.fhir.get(f"Subscription/{id}/$status").body)
        assert waiting["events-since-subscription-start"] == "2"
        scopes(ehr, "system/Subscription.cruds", "system/Task.rs?status=failed")
        ehr.work()
        assert row(ehr, id).delivered == 2
        Referred(desk)
        ehr.work()
    assert receiver.calls == [], "numbered before and not for this client any more, or never for it"
    assert (row(ehr, id).numbered, row(ehr, id).delivered) == (2, 2)


def test_old_events_are_forgotten_and_an_old_error_is_over(ehr: Subscriber, task: Json) -> None:
    with receiving() as receiver:
        id = ehr.subscribe(receiver)
        failing = ehr.fhir.create(subscription(f"{receiver.url}/failing"))["id"]
        ehr.work()
        change(ehr, task, "1")
        with ehr.clinic.transaction() as session:
            claimed = subscriptions.find(session, failing)
            assert claimed is not None
            subscriptions.release(session, claimed, NOW, status="error", error="It did not answer.")
        ehr.work()
        with ehr.clinic.transaction() as session:
            forget_events(session, NOW + KEPT - timedelta(days=1), KEPT)
        assert len(parameters(ehr.fhir.get(f"Subscription/{id}/$events").body)["events"]) == 1
        with ehr.clinic.transaction() as session:
            forget_events(session, NOW + KEPT + timedelta(days=1), KEPT)
    assert parameters(ehr.fhir.get(f"Subscription/{id}/$events").body)["events"] == []
    assert ehr.read(id)["status"] == "active"
    assert ehr.read(failing)["status"] == "off"


def test_the_doctor_sees_a_status_that_is_not_published(ehr: Subscriber) -> None:
    with receiving() as receiver:
        id = ehr.subscribe(receiver)
    with ehr.clinic.transaction() as session:
        (finding,) = drift(session, "a clinic")
        assert finding.ok
        subscriptions.change(session, id, NOW, status="error")
        (finding,) = drift(session, "a clinic")
        assert (finding.ok, finding.text) == (
            False,
            f"a clinic: rows and FHIR disagree for Subscription/{id}.",
        )


def test_retries_wait_longer_each_time_and_never_more_than_an_hour() -> None:
    waits = [retry_delay(tries, 0.0) for tries in range(1, 20)]
    assert waits[:3] == [timedelta(seconds=5), timedelta(seconds=10), timedelta(seconds=20)]
    assert all(one <= other for one, other in pairwise(waits))
    assert retry_delay(19, 0.999) <= timedelta(hours=1)
