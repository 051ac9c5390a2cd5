"""The state of a subscription: set by the service in row, resource and audit, and told to its client."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.subscription import SubscriptionStatus
from referral.fhir.permit import Permit
from referral.fhir.subscription_notice import Happened, State
from referral.fhir.subscription_topics import topic_of
from referral.storage import audit, resources, subscriptions
from referral.storage.db import Session
from referral.storage.subscriptions import Event, Subscription

_AT_ONCE: Final = 1000


def settle(
    session: Session, held: Subscription, status: SubscriptionStatus, now: datetime, error: str | None = None
) -> dict[str, Any]:
    """Publish another status; returns the columns that go with it. The caller holds the row.

    `error` is a sentence without secrets, for `error` and for what was ended by the service.
    """
    changes = {"status": str(status), "error": error}
    resources.amend(session, "Subscription", held.id, changes, now)
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype=f"subscription-{status}",
        entity=f"Subscription/{held.id}",
        outcome="8" if status is SubscriptionStatus.ERROR else "0",
        detail={"client": held.client_id, "delivered": held.delivered, "reason": error},
    )
    audit.record(session, Actor(session.clinic, "system", "worker"), entry)
    return {"status": status, "error": error, "changed_at": now}


def number_events(session: Session, held: Subscription, permit: Permit | None) -> int:
    """Put what was committed into its order; returns how many there are now. The caller holds the row.

    What the client may not read is not told, and gets no number, so that none is missing.
    """
    last = held.numbered
    while found := subscriptions.waiting(session, held.id, _AT_ONCE):
        told = readable(session, held, permit, found)
        kept = {event.id for event in told}
        subscriptions.drop(session, [event.id for event in found if event.id not in kept])
        last = subscriptions.number(session, replace(held, numbered=last), [event.id for event in told])
    return last


def readable(session: Session, held: Subscription, permit: Permit | None, found: list[Event]) -> list[Event]:
    """Those of which the client may read the resource as it stands now.

    By what each is about: a subscription that got another topic still has events of the one before.
    """
    if permit is None or not may_be_told(held, permit):
        return []
    if all(permit.is_whole(type, "r") for type in {event.focus.partition("/")[0] for event in found}):
        return found
    stored = resources.find_many(session, {event.focus for event in found})
    return [e for e in found if e.focus in stored and permit.allows(stored[e.focus], "r")]


def may_be_told(held: Subscription, permit: Permit | None) -> bool:
    """Whether the client may still read and search what the topic is about."""
    resource = topic_of(held.topic).resource
    return permit is not None and permit.may(resource, "r") and permit.may(resource, "s")


def state_of(held: Subscription, base_url: str, counted: int) -> State:
    """As it is told; `base_url` is that of the FHIR API."""
    return State(
        url=f"{base_url}/Subscription/{held.id}",
        topic_url=topic_of(held.topic).url(),
        status=held.status,
        content=held.content,
        counted=counted,
        error=held.error,
    )


def happened(events: Iterable[Event], base_url: str) -> list[Happened]:
    """Numbered events as they are told."""
    return [Happened(event.number or 0, event.at, f"{base_url}/{event.focus}") for event in events]
