"""Changes become events of the subscriptions that ask for them, in the transaction that made the change.

Costs nothing but one look where nobody listens: who does is known from the statement that writes last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from sqlalchemy import Connection, insert, text

from referral.domain.subscription import Topic
from referral.fhir.index_values import IndexEntry
from referral.fhir.json import decode_stored
from referral.fhir.search_model import Clause
from referral.fhir.search_parameters import extract
from referral.fhir.subscription_topics import topic_of
from referral.storage import tables
from referral.storage.late import Changed, Listener, Noticed

_ORDER: Final = text(
    "SELECT body::text, last_updated, patient_id FROM resource"
    " WHERE clinic_id = CAST(:clinic_id AS uuid) AND type = 'ServiceRequest' AND id = :id"
)
_TOPIC_OF: Final = {"Task": Topic.TASK, "ServiceRequest": Topic.SERVICE_REQUEST}


def capture(connection: Connection, clinic_id: str, noticed: Noticed, listening: Iterable[Listener]) -> None:
    """Write an event for each subscription and each change that its filters let through."""
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
        for topic, stored in _changes(connection, clinic_id, noticed)
        if topic in wanted
        for entries in (_entries(stored),)
        for listener in wanted[topic]
        if all(clause.accepts(entries) for clause in clauses_of(topic, tuple(listener.filters)))
    ]
    if rows:
        connection.execute(insert(tables.subscription_event).inline(), rows)


def _changes(connection: Connection, clinic_id: str, noticed: Noticed) -> Iterator[tuple[Topic, Changed]]:
    for (type, _), stored in noticed.resources.items():
        yield _TOPIC_OF[type], stored
    for id in noticed.gates:
        order = noticed.resources.get(("ServiceRequest", id)) or _order(connection, clinic_id, id)
        if order is not None:
            yield Topic.GATE, order


def _order(connection: Connection, clinic_id: str, id: str) -> Changed | None:
    """As it is stored, where this transaction has not published it anew."""
    row = connection.execute(_ORDER, {"clinic_id": clinic_id, "id": id}).one_or_none()
    return Changed("ServiceRequest", id, *row) if row else None


def _entries(stored: Changed) -> list[IndexEntry]:
    return [*extract(decode_stored(stored.body)), IndexEntry("_id", value=stored.id)]


@lru_cache(maxsize=1000)
def clauses_of(topic: str, filters: tuple[str, ...]) -> tuple[Clause, ...]:
    """What the filters of a subscription ask; they were read when they were accepted."""
    return topic_of(Topic(topic)).clauses(filters)
