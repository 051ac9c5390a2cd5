"""What a client's Procedure, MedicationAdministration, Encounter or Appointment says about treatment.

Source of the rule: fhir.md 3, "What counts as a start"; anything that is not listed as harmless counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from referral.fhir.elements import codings, text_of
from referral.fhir.intervals import interval
from referral.fhir.reference_targets import parse_reference
from referral.fhir.systems import DEFAULT, RXNORM, SNOMED_CT, LocalSystems

# Statuses that say nothing has been given and nothing is being given.
_HARMLESS: Final = {
    "Procedure": frozenset({"preparation", "not-done", "entered-in-error"}),
    "MedicationAdministration": frozenset({"not-done", "entered-in-error"}),
    "Encounter": frozenset({"planned", "arrived", "triaged", "cancelled", "entered-in-error"}),
    "Appointment": frozenset({"proposed", "pending", "cancelled", "noshow", "waitlist", "entered-in-error"}),
}
# What a reference names, whatever stands before it.
_TAIL: Final = re.compile(r"(?:^|/)([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})(?:/_history/[^/]*)?/?$")
# Elements by which these resources lead to the order that they carry out.
_PATHS: Final = ("basedOn", "partOf", "encounter", "context", "appointment")
_CONSULTATION: Final = "11429006"
# Ketamine, and an intravenous infusion.
_TREATMENT: Final = frozenset({(SNOMED_CT, "373464007"), (SNOMED_CT, "14152002"), (RXNORM, "6130")})
_TREATMENT_WORDS: Final = re.compile(
    r"\bketamine\b.*\binfusions?\b|\binfusions?\b.*\bketamine\b", re.IGNORECASE
)


def is_harmless(document: Mapping[str, Any]) -> bool:
    """True where the status says that nothing was given or begun, or, of an Appointment, booked."""
    return document.get("status") in _HARMLESS[document["resourceType"]]


def is_consultation(document: Mapping[str, Any], local: LocalSystems = DEFAULT) -> bool:
    """Whether an Encounter or Appointment is coded as a consultation and not as an infusion.

    Codes that say so: SNOMED CT 11429006, or our own `encounter-type#initial-consultation`, in type,
    serviceType, appointmentType or reasonCode. What says both is an infusion.
    """
    says_so = any(_is_consultation(concept, local) for concept in _concepts(document))
    return says_so and not is_infusion(document, local)


def is_infusion(document: Mapping[str, Any], local: LocalSystems = DEFAULT) -> bool:
    """Whether an Encounter or Appointment says by code that ketamine is given, or says it in words."""
    ours = (local.system("request-code"), "ketamine-infusion")
    for concept in _concepts(document):
        if any(c[:2] == ours or c[:2] in _TREATMENT for c in codings(concept)):
            return True
        if not _is_consultation(concept, local) and _TREATMENT_WORDS.search(text_of(concept)):
            return True
    return False


def _concepts(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    names = ("type", "serviceType", "appointmentType", "reasonCode")
    return [concept for name in names for concept in _listed(document.get(name))]


def _is_consultation(concept: Mapping[str, Any], local: LocalSystems) -> bool:
    ours = (local.system("encounter-type"), "initial-consultation")
    return any(c[:2] in ((SNOMED_CT, _CONSULTATION), ours) for c in codings(concept))


def held_at(encounter: Mapping[str, Any]) -> datetime | None:
    """When a finished Encounter took place: its end, else its start; a day alone is its beginning in UTC."""
    period = encounter.get("period")
    if not isinstance(period, Mapping):
        return None
    found = interval(period.get("end")) or interval(period.get("start"))
    return found[0] if found else None


def leads_to(document: Mapping[str, Any], local: LocalSystems = DEFAULT) -> set[str]:
    """`Type/id` of what this resource carries out, is part of, or took place in; one step.

    An address before it makes no difference: our ids are unique, and a server has many spellings. Our
    identifier of an order counts like its id, and a contained resource leads where it leads itself.
    """
    contained = {f"#{inner.get('id')}": inner for inner in _listed(document.get("contained"))}
    found: set[str] = set()
    for reference in _references(document):
        inner = contained.get(str(reference.get("reference")))
        found |= _targets(reference, local)
        for further in _references(inner) if inner is not None else ():
            found |= _targets(further, local)
    return found


def _targets(reference: Mapping[str, Any], local: LocalSystems) -> set[str]:
    found = _TAIL.search(str(reference.get("reference") or ""))
    targets = {found[1]} if found else set()
    identifier = reference.get("identifier")
    of_order = local.identifier_system("infusion-order")
    if isinstance(identifier, Mapping) and identifier.get("system") == of_order:
        targets.add(f"ServiceRequest/{identifier.get('value')}")
    return targets


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


def _references(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for name in _PATHS:
        yield from _listed(document.get(name))


def _listed(value: Any) -> list[Mapping[str, Any]]:
    values = value if isinstance(value, list) else [value]
    return [item for item in values if isinstance(item, Mapping)]
