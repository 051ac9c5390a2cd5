"""A subscription to gates, kept by the test itself: what a worker would be about to tell."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select

from referral.domain.credential import random_token
from referral.domain.subscription import Content, SubscriptionStatus, Topic
from referral.services.smart_clients import NewClient, register_client
from referral.storage import resources, subscriptions
from referral.storage.tables import api_client
from tests.database import NOW, ClinicFixture


def listen(
    clinic: ClinicFixture,
    topic: Topic,
    *filters: str,
    id: str = "listener",
    endpoint: str = "https://hooks.example.org/",
) -> None:
    """Subscribe without a handshake."""
    with clinic.transaction() as session:
        register_client(
            session, clinic.actor, NewClient(name=f"A record system {random_token(size=6)}"), None, NOW
        )
        client_id = session.connection.scalar(
            select(api_client.c.id).where(api_client.c.clinic_id == clinic.id).limit(1)
        )
        subscriptions.add(
            session,
            id,
            str(client_id),
            NOW,
            topic=topic,
            filters=list(filters),
            content=Content.ID_ONLY,
            endpoint=endpoint,
            timeout_seconds=10,
            max_count=20,
            status=SubscriptionStatus.ACTIVE,
        )
        resources.create(session, [{"resourceType": "Subscription", "id": id, "status": "active"}], NOW)


def heard(clinic: ClinicFixture, id: str = "listener") -> list[str]:
    """The focus of each event since the last call."""
    with clinic.transaction() as session:
        found = subscriptions.waiting(session, id)
        subscriptions.drop(session, [event.id for event in found])
    return [event.focus for event in found]


def listen_to_gates(clinic: ClinicFixture) -> Callable[[], list[str]]:
    """What a subscription to the topic `gate` has heard since it was last asked."""
    listen(clinic, Topic.GATE)
    return lambda: heard(clinic)
