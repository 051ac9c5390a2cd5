"""What a client asks about its own subscriptions: how they are, and what they have told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Final

from referral.domain.audit import Action, AuditEntry
from referral.domain.errors import NotFound
from referral.domain.subscription import Content, NoticeType
from referral.fhir.elements import Resource
from referral.fhir.subscription_notice import notification, status_parameters
from referral.fhir.subscription_topics import topic_of
from referral.services.access import Access
from referral.services.smart_clients import permit_of
from referral.services.subscription_state import happened, number_events, readable, state_of
from referral.storage import audit, resources, subscriptions
from referral.storage.db import Session
from referral.storage.subscriptions import Subscription

MOST_EVENTS: Final = 100


def statuses(
    session: Session, by: Access, base_url: str, ids: Collection[str] | None, wanted: Collection[str]
) -> list[Resource]:
    """The status of each of the client's own: of `ids` if given, in one of the states `wanted` if any."""
    by.permit.require("Subscription", "r")
    rows = [
        row
        for row in subscriptions.of_client(session, by.actor.id)
        if (ids is None or row.id in ids) and (not wanted or row.status in wanted)
    ]
    stored = resources.find_many(session, [f"Subscription/{row.id}" for row in rows])
    seen = [row for row in rows if by.permit.allows(stored[f"Subscription/{row.id}"], "r")]
    entries = [
        AuditEntry(action=Action.READ, subtype="subscription-status", entity=f"Subscription/{row.id}")
        for row in seen
    ]
    audit.record(session, by.actor, *entries)
    found = [_counted(session, row) for row in seen]
    return [
        status_parameters(state_of(row, base_url, row.numbered), NoticeType.QUERY_STATUS) for row in found
    ]


def status(session: Session, by: Access, base_url: str, id: str) -> Resource:
    """Of one; NotFound for one that is deleted, or somebody else's."""
    found = statuses(session, by, base_url, {id}, ())
    if not found:
        raise NotFound(f"There is no Subscription with id {id[:64]}.")
    return found[0]


def _counted(session: Session, row: Subscription) -> Subscription:
    """With what has happened up to now; the worker may have counted it already."""
    if not subscriptions.waiting(session, row.id):
        return row
    held = subscriptions.find(session, row.id, lock=True) or row
    return replace(held, numbered=number_events(session, held, permit_of(session, held.client_id)))


def events(
    session: Session,
    by: Access,
    base_url: str,
    id: str,
    now: datetime,
    *,
    first: int = 1,
    last: int | None = None,
    content: Content | None = None,
) -> Resource:
    """A notification of what has happened, delivered or not: the first 100 from `first` to `last`.

    Kept for 30 days. With `content` empty, where the subscription would say more.
    """
    by.permit.require("Subscription", "r")
    row = subscriptions.find(session, id)
    stored = resources.find(session, "Subscription", id)
    if row is None or stored is None or not by.permit.allows(stored, "r"):
        raise NotFound(f"There is no Subscription with id {id[:64]}.")
    by.permit.require(topic_of(row.topic).resource, "r")
    row = _counted(session, row)
    if content is Content.EMPTY:
        row = replace(row, content=content)
    # A token may be narrower than what its client is registered for.
    kept = subscriptions.events(session, id, first, last, MOST_EVENTS)
    found = readable(session, row, by.permit, kept)
    patients = Counter(event.patient_id for event in found)
    entries = [
        AuditEntry(
            action=Action.READ,
            subtype="notify",
            entity=f"Subscription/{id}",
            patient_id=patient_id,
            detail={"subscription": id, "client": by.actor.id, "count": count},
        )
        for patient_id, count in (patients or Counter({None: 0})).items()
    ]
    audit.record(session, by.actor, *entries)
    state = state_of(row, base_url, row.numbered)
    return notification(state, NoticeType.QUERY_EVENT, happened(found, base_url), now)
