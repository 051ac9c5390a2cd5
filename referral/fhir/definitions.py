"""The tables of FHIR R4 in memory: shapes of types, and the codes of required bindings.

Read on first use out of `tables/`, which scripts/make_fhir_tables.py writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec

# The types that clients may read, search and write here, and those that only describe the server.
CLINICAL_TYPES: Final = (
    "AdverseEvent", "Appointment", "AuditEvent", "Binary", "CareTeam", "Communication",
    "CommunicationRequest", "Condition", "Consent", "DetectedIssue", "DocumentReference", "Encounter",
    "Endpoint", "Flag", "Location",
    "MedicationAdministration", "Observation", "Organization", "Patient", "Practitioner",
    "PractitionerRole", "Procedure", "Provenance", "Questionnaire", "QuestionnaireResponse",
    "ServiceRequest", "Subscription", "Task",
)  # fmt: skip
METADATA_TYPES: Final = (
    "Basic", "CodeSystem", "Measure", "OperationDefinition", "SearchParameter", "StructureDefinition",
    "ValueSet",
)  # fmt: skip
SERVED_TYPES: Final = frozenset(CLINICAL_TYPES + METADATA_TYPES)
# What is sent around resources; never stored under its own id.
MESSAGE_TYPES: Final = frozenset({"Bundle", "OperationOutcome", "Parameters"})


@dataclass(frozen=True, slots=True)
class ElementRow:
    """One JSON property. `choice` is the name that the types of a choice share: `value` for valueString."""

    minimum: int
    many: bool
    type: str
    extra: str | list[str] | None
    choice: str | None = None


@dataclass(frozen=True, slots=True)
class ShapeRow:
    """A resource, a datatype or a backbone element. `rules` has the wording of each invariant by its key."""

    elements: dict[str, ElementRow]
    rules: dict[str, str]


def table(name: str) -> Any:
    """The content of one file in `tables/`."""
    return msgspec.json.decode((files("referral.fhir") / "tables" / f"{name}.json").read_bytes())


@cache
def _structure() -> dict[str, Any]:
    found: dict[str, Any] = table("structure")
    return found


@cache
def resource_types() -> frozenset[str]:
    """Every concrete resource type of R4, served here or not."""
    return frozenset(_structure()[""]["resources"])


@cache
def shape_row(name: str) -> ShapeRow | None:
    """The row of `Task`, `Period` or `Task.restriction`; None for a primitive or an unknown name."""
    row = _structure().get(name) if name else None
    if row is None:
        return None
    return ShapeRow({key: ElementRow(*values) for key, values in row["elements"].items()}, row["rules"])


@cache
def code_systems(value_set: str) -> dict[str, list[str]] | None:
    """The codes of a required binding by their system; None where the set is open-ended."""
    found: dict[str, list[str]] | None = _codes().get(value_set)
    return found


@cache
def _codes() -> dict[str, Any]:
    found: dict[str, Any] = table("codes")
    return found
