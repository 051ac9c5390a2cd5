"""What search reads: one row per value of a search parameter."""

from __future__ import annotations

from typing import Any

from referral.fhir.search_parameters import extract


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
