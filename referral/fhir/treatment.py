"""What a client's Procedure, MedicationAdministration, Encounter or Appointment says about treatment.

Source of the rule: fhir.md 3, "What counts as a start"; anything that is not listed as harmless counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from referral.fhir.elements import codings
from referral.fhir.intervals import interval
from referral.fhir.reference_targets import parse_reference
from referral.fhir.systems import DEFAULT, SNOMED_CT, LocalSystems

# Statuses that say nothing has been given and nothing is being given.
_HARMLESS: Final = {
    "Procedure": frozenset({"preparation", "not-done", "entered-in-error"}),
    "MedicationAdministration": frozenset({"not-done", "entered-in-error"}),
    "Encounter": frozenset({"planned", "arrived", "triaged", "cancelled", "entered-in-error"}),
    "Appointment": frozenset({"proposed", "pending", "cancelled", "noshow", "waitlist", "entered-in-error"}),
}
# Elements by which these resources lead to the order that they carry out.
_PATHS: Final = ("basedOn", "partOf", "encounter", "context", "appointment")
_CONSULTATION: Final = "11429006"


def is_harmless(document: Mapping[str, Any]) -> bool:
    """True where the status says that nothing was given or begun, or, of an Appointment, booked."""
    return document.get("status") in _HARMLESS[document["resourceType"]]


def is_consultation(document: Mapping[str, Any], local: LocalSystems = DEFAULT) -> bool:
    """Whether an Encounter or Appointment is coded as a consultation and not as an infusion.

    Codes that say so: SNOMED CT 11429006, or our own `encounter-type#initial-consultation`, in type,
    serviceType, appointmentType or reasonCode.
    """
    concepts = [
        *_listed(document.get("type")),
        *_listed(document.get("serviceType")),
        *_listed(document.get("appointmentType")),
        *_listed(document.get("reasonCode")),
    ]
    ours = (local.system("encounter-type"), "initial-consultation")
    return any((system, code) in ((SNOMED_CT, _CONSULTATION), ours) for system, code, _ in codings(*concepts))


def held_at(encounter: Mapping[str, Any]) -> datetime | None:
    """When a finished Encounter took place: its end, else its start; a day alone is its beginning in UTC."""
    period = encounter.get("period")
    if not isinstance(period, Mapping):
        return None
    found = interval(period.get("end")) or interval(period.get("start"))
    return found[0] if found else None


def leads_to(document: Mapping[str, Any]) -> set[str]:
    """`Type/id` of what this resource carries out, is part of, or took place in; one step."""
    return {f"{found.type}/{found.id}" for found in _references(document) if not found.base}


def subject_of(document: Mapping[str, Any]) -> str | None:
    """The id of the Patient it is about; for an Appointment, of its first Patient participant."""
    subject = document.get("subject")
    if isinstance(subject, Mapping):
        found = parse_reference(subject.get("reference"))
        return found.id if found and found.type == "Patient" and not found.base else None
    for participant in _listed(document.get("participant")):
        actor = participant.get("actor")
        found = parse_reference(actor.get("reference")) if isinstance(actor, Mapping) else None
        if found and found.type == "Patient" and not found.base:
            return found.id
    return None


def _references(document: Mapping[str, Any]) -> Iterator[Any]:
    for name in _PATHS:
        for value in _listed(document.get(name)):
            found = parse_reference(value.get("reference"))
            if found is not None:
                yield found


def _listed(value: Any) -> list[Mapping[str, Any]]:
    values = value if isinstance(value, list) else [value]
    return [item for item in values if isinstance(item, Mapping)]
