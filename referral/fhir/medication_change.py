"""A change of medication during a course as an Observation: LOINC's narrative of medication use.

A MedicationStatement would need a code of the drug, which nobody has typed. The words that people type are an
encrypted document, so what we write says when, and that the value is masked.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from referral.domain.course import MedicationChange
from referral.fhir.elements import Resource, codings, concept, every, reference_id
from referral.fhir.systems import LOINC, OBSERVATION_CATEGORY

CODE: Final = "10160-0"
_CODE: Final = concept(LOINC, CODE, "History of Medication use Narrative", "Medication changes")
_CATEGORY: Final = concept(OBSERVATION_CATEGORY, "therapy", "Therapy")
_MASKED: Final = concept(
    "http://terminology.hl7.org/CodeSystem/data-absent-reason", "masked", "Masked", "Kept encrypted"
)
_COUNTS: Final = frozenset({"final", "amended", "corrected", "preliminary"})


def observation(change: MedicationChange, order_id: str, patient_id: str) -> Resource:
    """Final at first, corrected afterwards."""
    return {
        "resourceType": "Observation",
        "id": change.id,
        "basedOn": [{"reference": f"ServiceRequest/{order_id}"}],
        "status": "final" if change.stamp.version == 1 else "corrected",
        "category": [_CATEGORY],
        "code": _CODE,
        "subject": {"reference": f"Patient/{patient_id}"},
        "effectiveDateTime": change.changed_on.isoformat(),
        "dataAbsentReason": _MASKED,
    }


def is_one(document: Mapping[str, Any]) -> bool:
    """By its code."""
    return any((system, code) == (LOINC, CODE) for system, code, _ in codings(document.get("code")))


def order_named(document: Mapping[str, Any]) -> str | None:
    """The id of the order that it is based on."""
    ids = (reference_id(one, "ServiceRequest") for one in every(document, "basedOn"))
    return next((id for id in ids if id is not None), None)


def said_by(document: Mapping[str, Any]) -> tuple[date, str] | None:
    """Day and words; words are "" where they are masked. None for what does not count, or has no day."""
    if document.get("status") not in _COUNTS:
        return None
    try:
        day = date.fromisoformat(str(document.get("effectiveDateTime", ""))[:10])
    except ValueError:
        return None
    words = document.get("valueString")
    return day, " ".join(words.split()) if isinstance(words, str) else ""
