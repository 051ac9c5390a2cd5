"""The HTTP methods of each address of the FHIR API, from the tables of interactions and operations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from referral.fhir.compartment import PATIENT_COMPARTMENT
from referral.fhir.operations import OPERATIONS, Operation, of_type
from referral.services.interactions import INTERACTIONS, SYSTEM_INTERACTIONS

# (shape of the path, interaction) → method. `*` stands for a type, an id or a version.
_ON_SYSTEM: Final = {
    ("", "transaction"): "POST",
    ("", "batch"): "POST",
    ("", "search-system"): "GET",
    ("_search", "search-system"): "POST",
    ("_history", "history-system"): "GET",
}
_ON_TYPE: Final = {
    ("*", "search-type"): "GET",
    ("*", "create"): "POST",
    ("*", "update"): "PUT",
    ("*", "patch"): "PATCH",
    ("*/_search", "search-type"): "POST",
    ("*/_history", "history-type"): "GET",
    ("*/*", "read"): "GET",
    ("*/*", "update"): "PUT",
    ("*/*", "patch"): "PATCH",
    ("*/*", "delete"): "DELETE",
    ("*/*/_history", "history-instance"): "GET",
    ("*/*/_history/*", "vread"): "GET",
}
# What R4's interactions have no word for.
_BESIDE: Final = {
    "metadata": "GET",
    ".well-known/smart-configuration": "GET",
    "oauth/token": "POST",
    "oauth/introspect": "POST",
}


def methods_of(path: str) -> tuple[str, ...]:
    """What may be sent to `path`, which is what follows /fhir/; empty for an address that means nothing."""
    steps = [step for step in path.split("/") if step]
    found = set(_methods(steps))
    if "GET" in found:
        found.add("HEAD")
    return tuple(sorted(found | {"OPTIONS"})) if found else ()


def _methods(steps: list[str]) -> Iterator[str]:
    if "/".join(steps) in _BESIDE:
        yield _BESIDE["/".join(steps)]
    elif steps and steps[-1].startswith("$"):
        for row in _operations(steps[:-1], steps[-1][1:]):
            yield from row.methods
    elif len(steps) == 3 and steps[0] == "Patient" and steps[2] in PATIENT_COMPARTMENT:
        yield "GET"
    elif not steps or steps[0].startswith("_"):
        yield from (
            method
            for (shape, interaction), method in _ON_SYSTEM.items()
            if shape == "/".join(steps) and interaction in SYSTEM_INTERACTIONS
        )
    elif len(steps) == 3 and steps[0] == "Patient" and steps[2] in PATIENT_COMPARTMENT:
        yield "GET"
    else:
        shape = "/".join(["*", *(step if step.startswith("_") else "*" for step in steps[1:])])
        does = INTERACTIONS.get(steps[0], ())
        yield from (
            method for (at, interaction), method in _ON_TYPE.items() if at == shape and interaction in does
        )


def _operations(steps: list[str], code: str) -> Iterator[Operation]:
    """Those with this name at the level that the path before it names."""
    rows = OPERATIONS if not steps else of_type(steps[0]) if steps[0] in INTERACTIONS else ()
    for row in rows:
        level = (row.system, row.type, row.instance)[len(steps)] if len(steps) < 3 else False
        if row.code == code and level:
            yield row
