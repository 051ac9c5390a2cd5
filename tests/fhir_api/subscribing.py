"""A client that subscribes, with a receiver on loopback and a worker that the test runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from referral.channels.outgoing import Outgoing
from referral.domain.outgoing_urls import Reach
from referral.fhir.subscription import FILTER, HEARTBEAT, PAYLOAD_CONTENT
from referral.fhir.systems import BASE
from referral.services.notify_subscribers import Notifier, notify_due
from tests.database import NOW, ClinicFixture, Clock
from tests.fhir_api.client import FhirClient, Json, connect
from tests.receiver import Call, Receiver
from tests.web.client import application

TASK = f"{BASE}/SubscriptionTopic/task"
SERVICE_REQUEST = f"{BASE}/SubscriptionTopic/servicerequest"
GATE = f"{BASE}/SubscriptionTopic/gate"


def subscription(endpoint: str, topic: str = TASK, *filters: str, **channel: Any) -> Json:
    """As the backport's examples are written."""
    document: Json = {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "Our worklist follows yours",
        "criteria": topic,
        "channel": {
            "type": "rest-hook",
            "endpoint": endpoint,
            "payload": "application/fhir+json",
            "_payload": {"extension": [{"url": PAYLOAD_CONTENT, "valueCode": "id-only"}]},
            **channel,
        },
    }
    if filters:
        document["_criteria"] = {"extension": [{"url": FILTER, "valueString": text} for text in filters]}
    return document


def heartbeat(seconds: int) -> Json:
    return {"url": HEARTBEAT, "valueUnsignedInt": seconds}


def parameters(call: Call | Json) -> dict[str, Any]:
    """The status in a notification or in an answer of $status: values by name, events as lists of dicts."""
    bundle = call.bundle if isinstance(call, Call) else call
    found: dict[str, Any] = {"events": []}
    for row in bundle["entry"][0]["resource"]["parameter"]:
        if row["name"] == "notification-event":
            found["events"].append({part["name"]: _value(part) for part in row["part"]})
        else:
            found[row["name"]] = _value(row)
    return found


def _value(row: Json) -> Any:
    value = next(value for name, value in row.items() if name.startswith("value"))
    return value["reference"] if isinstance(value, dict) and "reference" in value else value


def numbers(receiver: Receiver) -> list[int]:
    """Of all events that arrived, in the order in which they did."""
    return [int(event["event-number"]) for call in receiver.calls for event in parameters(call)["events"]]


def kinds(receiver: Receiver) -> list[str]:
    return [parameters(call)["type"] for call in receiver.calls]


@dataclass(frozen=True)
class Subscriber:
    """`fhir` may reach loopback; `work` is what the worker does when its bell rings."""

    fhir: FhirClient
    clinic: ClinicFixture
    clock: Clock = field(default_factory=lambda: Clock(NOW))

    def subscribe(self, receiver: Receiver, topic: str = TASK, *filters: str, **channel: Any) -> str:
        """Make one and let it be agreed to; returns its id. The handshake is taken out of the calls."""
        id = str(self.fhir.create(subscription(receiver.url, topic, *filters, **channel))["id"])
        self.work()
        assert self.read(id)["status"] == "active", self.read(id)
        receiver.calls.clear()
        return id

    def read(self, id: str) -> Json:
        return self.fhir.get(f"Subscription/{id}").body

    def notifier(self, fraction: Callable[[], float] = lambda: 0.0) -> Notifier:
        return Notifier(
            database=self.clinic.database,
            outgoing=Outgoing(Reach(development=True)),
            base_url="https://referral.example",
            now=self.clock,
            fraction=fraction,
        )

    def work(self) -> int:
        return notify_due(self.notifier(), [self.clinic.id])


def subscriber(clinic: ClinicFixture, now: datetime = NOW) -> Subscriber:
    clock = Clock(now)
    token = connect(clinic).token
    return Subscriber(FhirClient(application(clinic, clock, demo=True), token, clinic), clinic, clock)
