"""Parts of a resource, as `_summary` and `_elements` ask for them, marked so that nobody takes them for all.

What changes the meaning of the rest is never left out (R4: modifier elements), nor what has to be there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, Final

from referral.fhir.definitions import shape_row
from referral.fhir.models import model

_TAG: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
    "display": "subsetted",
}
_ALWAYS: Final = frozenset({"resourceType", "id", "meta", "implicitRules", "modifierExtension"})
# Elements that R4 marks as modifiers, on the types that are served here.
_MODIFIERS: Final = frozenset(
    {"status", "doNotPerform", "active", "deceased", "link", "clinicalStatus", "verificationStatus"}
)


def subset(
    document: Mapping[str, Any], *, summary: str | None = None, elements: Collection[str] = ()
) -> dict[str, Any]:
    """`summary` is true, text or data (R4 search, Summary); `elements` wins where both are given.

    Of `name.family` the whole of `name` is given: more than was asked for is allowed.
    """
    name = str(document["resourceType"])
    if elements:
        wanted = {element.partition(".")[0] for element in elements}
        kept = _only(document, wanted | _MODIFIERS | required(name))
    elif summary == "data":
        kept = {key: value for key, value in document.items() if key != "text"}
    elif summary == "text":
        kept = _only(document, {"text"} | required(name))
    else:
        kept = _only(document, _of_summary(name) | required(name))
    meta = kept.get("meta", {})
    return {**kept, "meta": {**meta, "tag": [*meta.get("tag", []), _TAG]}}


def is_subset(document: Mapping[str, Any]) -> bool:
    """Whether a document that is valid says that it is part of a resource only."""
    tags = document.get("meta", {}).get("tag", [])
    return any((tag.get("system"), tag.get("code")) == (_TAG["system"], _TAG["code"]) for tag in tags)


@cache
def required(resource_type: str) -> frozenset[str]:
    """The elements that a resource of this type has to have; a choice by its common name."""
    shape = shape_row(resource_type)
    rows = shape.elements if shape else {}
    return frozenset(row.choice or name for name, row in rows.items() if row.minimum)


@cache
def _of_summary(resource_type: str) -> frozenset[str]:
    sequence: list[str] = model(resource_type).summary_elements_sequence()  # type: ignore[attr-defined]
    return frozenset(sequence)


def _only(document: Mapping[str, Any], wanted: Collection[str]) -> dict[str, Any]:
    """Names of choices stand for each of their types, names of primitives for their extensions too."""
    shape = shape_row(str(document["resourceType"]))
    rows = shape.elements if shape else {}
    kept = {}
    for key, value in document.items():
        name = key.removeprefix("_")
        row = rows.get(name)
        if key in _ALWAYS or name in wanted or (row is not None and row.choice in wanted):
            kept[key] = value
    return kept
