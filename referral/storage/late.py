"""What a transaction writes last: new resources, search entries and audit rows, each in one statement.

Nothing else in the transaction reads them from the database: whoever does, flushes first (db.flush).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Self

from sqlalchemy import Connection, insert, text

from referral.storage import entries
from referral.storage.tables import audit_event

_RESOURCES: Final = text(
    "INSERT INTO resource (clinic_id, type, id, version, body, last_updated, patient_id)"
    " SELECT CAST(:clinic_id AS uuid), t, i, 1, CAST(b AS jsonb), u, p FROM unnest(CAST(:type AS text[]),"
    " CAST(:id AS text[]), CAST(:body AS text[]), CAST(:last_updated AS timestamptz[]),"
    " CAST(:patient_id AS text[])) AS new (t, i, b, u, p)"
)
_COLUMNS: Final = ("type", "id", "body", "last_updated", "patient_id")
_AUDIT: Final = insert(audit_event).inline()


@dataclass(slots=True)
class Late:
    """Rows without their clinic: all belong to the one that the transaction has entered."""

    resources: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    entries: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    audit: list[dict[str, Any]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.resources or self.entries or self.audit)

    def copy(self) -> Self:
        """What to go back to when a part of the transaction is undone."""
        return type(self)(dict(self.resources), dict(self.entries), list(self.audit))

    def write(self, connection: Connection, clinic_id: str) -> None:
        if self.resources:
            rows = list(self.resources.values())
            columns = {name: [row[name] for row in rows] for name in _COLUMNS}
            connection.execute(_RESOURCES, {"clinic_id": clinic_id, **columns})
        found = [row for rows in self.entries.values() for row in rows]
        if found:
            entries.write(connection, clinic_id, found)
        if self.audit:
            connection.execute(_AUDIT, [{"clinic_id": clinic_id, **row} for row in self.audit])
