"""What search reads: one row per value of a search parameter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from referral.fhir.search_parameters import extract, fed_by

# The store writes them anew with each version, and nothing is found by them here.
_OF_VERSION = ("versionId", "lastUpdated")


def touched(before: Mapping[str, Any], after: Mapping[str, Any]) -> frozenset[str]:
    """The parameters whose rows may differ between two versions of one resource."""
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    if "meta" in changed and _lasting(before) == _lasting(after):
        changed.remove("meta")
    return fed_by(after["resourceType"], changed)


def _lasting(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (document.get("meta") or {}).items() if name not in _OF_VERSION}


def is_of(row: Mapping[str, Any], parameters: frozenset[str]) -> bool:
    """Whether the row is of one of these; `code:text` is of `code`."""
    return row["parameter"].partition(":")[0] in parameters


def entries_of(document: dict[str, Any], only: frozenset[str] | None = None) -> list[dict[str, Any]]:
    """The rows of one resource, without the clinic; with `only` those of these parameters."""
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
        for entry in extract(document, only)
    ]
