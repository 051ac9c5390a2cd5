"""A record system follows the gate: by a worker that is killed, to a receiver that is away for a while."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from referral.fhir.json import decode, encode
from tests.fhir_api import people
from tests.fhir_api.subscribing import GATE, heartbeat, kinds, numbers, parameters, subscription
from tests.journeys.service import Service
from tests.processes import eventually
from tests.receiver import Receiver, receiving

Json = dict[str, Any]


class Follower:
    """A record system with infusion orders of its own, which it opens and closes."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._patient = self._create(people.patient())

    def call(self, method: str, path: str, document: Json | None = None) -> Json:
        answer = self._http.request(method, path, content=encode(document) if document else None)
        assert answer.status_code in (200, 201), answer.text
        read: Json = decode(answer.content)
        return read

    def _create(self, document: Json) -> str:
        made = self.call("POST", document["resourceType"], document)
        return f"{made['resourceType']}/{made['id']}"

    def place(self) -> str:
        """An order for chronic pain: nothing is missing but the consultation."""
        pain = self._create(people.condition(self._patient, "G89.4"))
        return self._create(people.order(self._patient, pain))

    def open(self, order: str) -> None:
        self._create(
            {
                "resourceType": "Encounter",
                "status": "finished",
                "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
                "type": [people.CONSULTATION],
                "subject": {"reference": self._patient},
                "basedOn": [{"reference": order}],
                "period": {"start": "2026-11-02T16:00:00Z", "end": "2026-11-02T17:00:00Z"},
            }
        )
        assert self.call("GET", order)["status"] == "active"

    def close(self, order: str) -> None:
        """Depression as well: that needs a recommendation."""
        found = self.call("GET", order)
        found["reasonReference"].append({"reference": self._create(people.condition(self._patient))})
        assert self.call("PUT", order, found)["status"] == "on-hold"


@pytest.fixture
def follower(service: Service) -> Iterator[Follower]:
    headers = {"Authorization": f"Bearer {service.token}", "Content-Type": "application/fhir+json"}
    with httpx.Client(verify=False, base_url=f"{service.address}/fhir/", headers=headers, timeout=60) as http:
        yield Follower(http)


def has(receiver: Receiver, last: int) -> None:
    eventually(lambda: last in numbers(receiver), 60)


def test_the_gate_is_followed_through_everything_that_goes_wrong(
    service: Service, follower: Follower
) -> None:
    with receiving() as receiver:
        asked = subscription(receiver.url, GATE, extension=[heartbeat(600)], header=["X-Secret: abc"])
        id = follower.call("POST", "Subscription", asked)["id"]
        eventually(lambda: follower.call("GET", f"Subscription/{id}")["status"] == "active", 60)
        order = follower.place()
        follower.open(order)
        has(receiver, 1)
        follower.close(order)
        has(receiver, 2)
        assert kinds(receiver) == ["handshake", "event-notification", "event-notification"]
        focus = parameters(receiver.calls[-1])["events"][0]["focus"]
        assert focus.endswith(f"/fhir/{order}")
        assert {call.headers["x-secret"] for call in receiver.calls} == {"abc"}

        # The worker is killed while the receiver thinks about it.
        receiver.pause = threading.Event()
        victims = service.pool_processes()
        third = follower.place()
        follower.open(third)
        eventually(lambda: 3 in numbers(receiver), 60)
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        receiver.pause.set()
        eventually(lambda: not set(service.pool_processes()) & set(victims))
        service.clock.advance(minutes=2)  # the lease of the dead runs out
        follower.close(third)
        service.sweep()
        has(receiver, 4)

    # Nobody is there: what happens meanwhile waits.
    fourth = follower.place()
    follower.open(fourth)
    eventually(lambda: _failures(service, id) > 0, 60)
    service.clock.advance(minutes=5)
    receiver.pause = None
    with receiving(receiver):
        follower.close(fourth)
        service.sweep()
        has(receiver, 6)
        heard = numbers(receiver)
        assert list(dict.fromkeys(heard)) == [1, 2, 3, 4, 5, 6]
        assert heard == sorted(heard), "in their order, some perhaps twice"
        before = len(receiver.calls)
        service.clock.advance(minutes=11)
        service.sweep()
        eventually(lambda: "heartbeat" in kinds(receiver)[before:], 60)
        assert follower.call("GET", f"Subscription/{id}/$status")["total"] == 1
        follower.call(
            "PUT", f"Subscription/{id}", follower.call("GET", f"Subscription/{id}") | {"status": "off"}
        )


def _failures(service: Service, id: str) -> int:
    with service.database() as connection:
        row = connection.execute("SELECT tries FROM subscription WHERE id = %s", (id,)).fetchone()
    return int(row[0]) if row else 0
