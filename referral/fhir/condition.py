"""Condition: an indication; and indications out of whatever codes a client sends."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from referral.domain.policy import ICD_10_CM, SNOMED_CT, Indication
from referral.fhir.elements import Ref, Resource, codings, concept, instant, reference, text_of
from referral.fhir.systems import (
    CONDITION_CATEGORY,
    CONDITION_CLINICAL,
    CONDITION_VERIFICATION,
)

_NOT_REAL: Final = frozenset({"entered-in-error", "refuted"})
_MAX_CODE: Final = 200


def to_fhir(
    id: str,
    *,
    patient_id: str,
    indication: Indication,
    recorded_at: datetime,
    recorder: Ref | None = None,
) -> Resource:
    """A problem-list item of the US Core profile, active and confirmed."""
    resource: Resource = {
        "resourceType": "Condition",
        "id": id,
        "clinicalStatus": concept(CONDITION_CLINICAL, "active", "Active"),
        "verificationStatus": concept(CONDITION_VERIFICATION, "confirmed", "Confirmed"),
        "category": [concept(CONDITION_CATEGORY, "problem-list-item", "Problem List Item")],
        "code": concept(indication.system, indication.code, indication.display)
        if indication.system
        else {"text": indication.display},
        "subject": {"reference": f"Patient/{patient_id}"},
        "recordedDate": instant(recorded_at),
    }
    if recorder is not None:
        resource["recorder"] = reference(recorder)
    return resource


def indications_from(source: Mapping[str, Any]) -> tuple[Indication, ...]:
    """Indications out of a Condition or a CodeableConcept: ICD-10-CM codes, else SNOMED CT, else all others.

    A reason that is only text, or nothing at all, comes back with an empty system: no policy classifies it,
    so it keeps the gate closed. Only a condition that was refuted or entered in error gives no indication.
    """
    if source.get("resourceType") == "Condition":
        status = {code for _, code, _ in codings(source.get("verificationStatus"))}
        if status & _NOT_REAL:
            return ()
        code = source.get("code")
        return _from_concept(code if isinstance(code, Mapping) else {})
    return _from_concept(source)


def _from_concept(code: Mapping[str, Any]) -> tuple[Indication, ...]:
    text = text_of(code)
    found = list(codings(code))
    wanted = next((s for s in (ICD_10_CM, SNOMED_CT) if any(c[0] == s for c in found)), None)
    chosen = [c for c in found if wanted is None or c[0] == wanted]
    if not chosen:
        return (Indication("", (text or "unknown")[:_MAX_CODE], text or "Reason without a code"),)
    result: dict[tuple[str, str], Indication] = {}
    for system, value, display in chosen:
        normal = icd_10_code(value) if system == ICD_10_CM else value
        result.setdefault((system, normal), Indication(system, normal, display or text or normal))
    return tuple(result.values())


def icd_10_code(value: str) -> str:
    """'f332' and 'F33.2 ' are F33.2: upper case, and the dot that some feeds leave out."""
    code = value.strip().upper()
    return f"{code[:3]}.{code[3:]}" if len(code) > 3 and "." not in code else code
