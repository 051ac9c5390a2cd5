"""What search reads: one row per value of a search parameter, written in one statement per transaction."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, text

from referral.fhir.search_parameters import extract

_COLUMNS: Final = ("type", "id", "parameter", "system", "value", "low", "high", "number")
_WRITE: Final = text(
    "INSERT INTO search_entry (clinic_id, type, id, parameter, system, value, low, high, number)"
    " SELECT CAST(:clinic_id AS uuid), * FROM unnest(CAST(:type AS text[]), CAST(:id AS text[]),"
    " CAST(:parameter AS text[]), CAST(:system AS text[]), CAST(:value AS text[]),"
    " CAST(:low AS timestamptz[]), CAST(:high AS timestamptz[]), CAST(:number AS numeric[]))"
)


def entries_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of one resource, without the clinic."""
    head = {"type": document["resourceType"], "id": document["id"]}
    return [
        {
            **head,
            "parameter": entry.parameter,
            "system": entry.system,
            "value": entry.value,
            "low": entry.low,
            "high": entry.high,
            "number": entry.number,
        }
        for entry in extract(document)
    ]


def write(connection: Connection, clinic_id: str, rows: list[dict[str, Any]]) -> None:
    """All rows in one statement, whatever their number."""
    columns = {name: [row[name] for row in rows] for name in _COLUMNS}
    connection.execute(_WRITE, {"clinic_id": clinic_id, **columns})
