"""What subscribers are sent and told: the status of a subscription, and Bundles of notifications.

Shapes of the Subscriptions R5 Backport for R4: a Bundle of type history whose first entry is the status as
Parameters (backport-subscription-notification-r4, backport-subscription-status-r4).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from referral.domain.subscription import Content, NoticeType, SubscriptionStatus
from referral.fhir.elements import Resource, concept, instant
from referral.fhir.subscription import BACKPORT

STATUS_PROFILE: Final = f"{BACKPORT}backport-subscription-status-r4"
NOTIFICATION_PROFILE: Final = f"{BACKPORT}backport-subscription-notification-r4"
_ERRORS: Final = "http://terminology.hl7.org/CodeSystem/subscription-error"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A subscription at a moment. `counted` are all events since it was made; `url` its absolute address."""

    url: str
    topic_url: str
    status: SubscriptionStatus
    content: Content
    counted: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Happened:
    """One event: `focus` is an absolute address."""

    number: int
    at: datetime
    focus: str


def status_parameters(state: State, kind: NoticeType, events: Iterable[Happened] = ()) -> Resource:
    """The SubscriptionStatus. With empty content neither the topic nor a focus is named."""
    parameters: list[Resource] = [{"name": "subscription", "valueReference": {"reference": state.url}}]
    if state.content is not Content.EMPTY:
        parameters.append({"name": "topic", "valueCanonical": state.topic_url})
    parameters += [
        {"name": "status", "valueCode": str(state.status)},
        {"name": "type", "valueCode": str(kind)},
        {"name": "events-since-subscription-start", "valueString": str(state.counted)},
    ]
    parameters += [_event(event, state.content) for event in events]
    if state.status is SubscriptionStatus.ERROR:
        problem = concept(_ERRORS, "no-response", text=state.error or "It could not be notified.")
        parameters.append({"name": "error", "valueCodeableConcept": problem})
    return {
        "resourceType": "Parameters",
        "id": str(uuid.uuid4()),
        "meta": {"profile": [STATUS_PROFILE]},
        "parameter": parameters,
    }


def _event(event: Happened, content: Content) -> Resource:
    parts: list[Resource] = [
        {"name": "event-number", "valueString": str(event.number)},
        {"name": "timestamp", "valueInstant": instant(event.at)},
    ]
    if content is Content.ID_ONLY:
        parts.append({"name": "focus", "valueReference": {"reference": event.focus}})
    return {"name": "notification-event", "part": parts}


def notification(state: State, kind: NoticeType, events: Sequence[Happened], now: datetime) -> Resource:
    """A Bundle as it is posted to a receiver, or given back by `$events`."""
    status = status_parameters(state, kind, events)
    entries = [_entry(f"urn:uuid:{status['id']}", f"{state.url}/$status", status)]
    if state.content is Content.ID_ONLY:
        # The same resource may have changed twice: one entry is enough to read it.
        entries += [_entry(focus, focus) for focus in dict.fromkeys(event.focus for event in events)]
    return {
        "resourceType": "Bundle",
        "id": str(uuid.uuid4()),
        "meta": {"profile": [NOTIFICATION_PROFILE]},
        "type": "history",
        "timestamp": instant(now),
        "entry": entries,
    }


def _entry(full_url: str, address: str, resource: Resource | None = None) -> Resource:
    return {
        "fullUrl": full_url,
        **({"resource": resource} if resource else {}),
        "request": {"method": "GET", "url": address},
        "response": {"status": "200"},
    }


def status_bundle(statuses: Iterable[Resource], url: str, now: datetime) -> Resource:
    """What `$status` answers: a searchset with one status for each subscription."""
    entries = [
        {"fullUrl": f"urn:uuid:{row['id']}", "resource": row, "search": {"mode": "match"}} for row in statuses
    ]
    return {
        "resourceType": "Bundle",
        "id": str(uuid.uuid4()),
        "type": "searchset",
        "timestamp": instant(now),
        "total": len(entries),
        "link": [{"relation": "self", "url": url}],
        **({"entry": entries} if entries else {}),
    }
