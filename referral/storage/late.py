"""What a transaction writes last: new resources, search entries, timeline and audit rows, in one statement.

Nothing else in the transaction reads them from the database: whoever does, flushes first (db.flush).
At the end the same statement says who listens to changes (docs/adr/0015).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self

import orjson
from sqlalchemy import Connection

# Said as the driver takes it: it ends every request that writes, and is never compiled.
# One document instead of arrays: the driver escapes each quotation mark of an array of documents by itself.
_WRITE: Final = """
WITH given AS (SELECT CAST(%(clinic_id)s AS uuid) AS clinic_id, CAST(%(rows)s AS jsonb) AS rows),
made AS (
    INSERT INTO resource (clinic_id, type, id, version, body, last_updated, patient_id)
    SELECT given.clinic_id, r.type, r.id, 1, r.body, r.last_updated, r.patient_id
    FROM given, jsonb_to_recordset(rows -> 'resources')
        AS r (type text, id text, body jsonb, last_updated timestamptz, patient_id text)),
found AS (
    INSERT INTO search_entry (clinic_id, type, id, parameter, system, value, low, high, number)
    SELECT given.clinic_id, e.* FROM given, jsonb_to_recordset(rows -> 'entries')
        AS e (type text, id text, parameter text, system text, value text, low timestamptz, high timestamptz,
              number numeric)),
told AS (
    INSERT INTO referral_event (clinic_id, referral_id, event, actor, detail, at)
    SELECT given.clinic_id, t.* FROM given, jsonb_to_recordset(rows -> 'events')
        AS t (referral_id text, event text, actor text, detail jsonb, at timestamptz)),
noted AS (
    INSERT INTO audit_event (clinic_id, actor_kind, actor_id, actor_role, address, request_id, action,
                             subtype, entity, patient_id, outcome, detail)
    SELECT given.clinic_id, a.* FROM given, jsonb_to_recordset(rows -> 'audit')
        AS a (actor_kind text, actor_id text, actor_role text, address text, request_id text, action text,
              subtype text, entity text, patient_id text, outcome text, detail jsonb))
SELECT id, topic, filters FROM subscription WHERE clinic_id = CAST(%(clinic_id)s AS uuid) AND status <> 'off'
"""


@dataclass(frozen=True, slots=True)
class Listener:
    """A subscription that is not off: `filters` are searches such as `status=active`, all of which hold."""

    id: str
    topic: str
    filters: list[str]


@dataclass(frozen=True, slots=True)
class Changed:
    """A resource as it stands now, with whose record it is."""

    type: str
    id: str
    body: str
    last_updated: datetime
    patient_id: str | None


@dataclass(frozen=True, slots=True)
class Noticed:
    """What a transaction has changed that others may listen to: resources, and gates by their order."""

    resources: dict[tuple[str, str], Changed] = field(default_factory=dict)
    gates: dict[str, None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.resources or self.gates)

    def copy(self) -> Self:
        return type(self)(dict(self.resources), dict(self.gates))


@dataclass(slots=True)
class Late:
    """Rows without their clinic: all belong to the one that the transaction has entered."""

    resources: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    entries: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    audit: list[dict[str, Any]] = field(default_factory=list)
    # Kept to the end of the transaction, whatever is written before.
    noticed: Noticed = field(default_factory=Noticed)
    # The same, by name ('Type/id'), for the pages that are open (storage/rings.py).
    changed: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.resources or self.entries or self.events or self.audit)

    def copy(self) -> Self:
        """What to go back to when a part of the transaction is undone."""
        lists = (list(self.events), list(self.audit))
        return type(self)(
            dict(self.resources), dict(self.entries), *lists, self.noticed.copy(), set(self.changed)
        )

    def write(self, connection: Connection, clinic_id: str) -> list[Listener]:
        """Returns who listens to changes in this clinic; mostly nobody."""
        rows = {
            "resources": [
                {**row, "body": orjson.Fragment(row["body"].encode())} for row in self.resources.values()
            ],
            "entries": [row for rows in self.entries.values() for row in rows],
            "events": self.events,
            "audit": self.audit,
        }
        given = {"clinic_id": clinic_id, "rows": orjson.dumps(rows, default=str).decode()}
        return [Listener(*row) for row in connection.exec_driver_sql(_WRITE, given)]
