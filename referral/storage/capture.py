"""Changes become events of the subscriptions that ask for them, in the transaction that made the change.

Costs nothing but one look where nobody listens: who does is known from the statement that writes last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from sqlalchemy import Connection, insert

from referral.domain.subscription import Topic
from referral.fhir.index_values import IndexEntry
from referral.fhir.json import decode_stored
from referral.fhir.search_model import Clause
from referral.fhir.search_parameters import extract
from referral.fhir.subscription_topics import topic_of
from referral.storage import tables
from referral.storage.late import Changed, Listener, Noticed

_TOPIC_OF: Final = {"Task": Topic.TASK, "ServiceRequest": Topic.SERVICE_REQUEST}


def capture(connection: Connection, clinic_id: str, noticed: Noticed, listening: Iterable[Listener]) -> None:
    """Write an event for each subscription and each change that its filters let through."""
    changes = list(_changes(noticed))
    wanted: dict[str, list[Listener]] = {}
    for listener in listening:
        wanted.setdefault(listener.topic, []).append(listener)
    if not wanted:
        return
    rows = [
        {
            "clinic_id": clinic_id,
            "subscription_id": listener.id,
            "focus": f"{stored.type}/{stored.id}",
            "patient_id": stored.patient_id,
            "at": stored.last_updated,
        }
        for topic, stored in changes
        if topic in wanted
        for entries in (_entries(stored),)
        for listener in wanted[topic]
        if all(clause.accepts(entries) for clause in clauses_of(topic, tuple(listener.filters)))
    ]
    if rows:
        connection.execute(insert(tables.subscription_event).inline(), rows)


def _changes(noticed: Noticed) -> Iterator[tuple[Topic, Changed]]:
    """The order of a gate is always published anew in the same transaction."""
    for (type, _), stored in noticed.resources.items():
        yield _TOPIC_OF[type], stored
    for id in noticed.gates:
        yield Topic.GATE, noticed.resources["ServiceRequest", id]


def _entries(stored: Changed) -> list[IndexEntry]:
    return [*extract(decode_stored(stored.body)), IndexEntry("_id", value=stored.id)]


@lru_cache(maxsize=1000)
def clauses_of(topic: str, filters: tuple[str, ...]) -> tuple[Clause, ...]:
    """What the filters of a subscription ask; they were read when they were accepted."""
    return topic_of(Topic(topic)).clauses(filters)
