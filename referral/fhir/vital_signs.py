"""Vital signs of a session as Observations, after US Core: LOINC codes and UCUM units."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from referral.domain.course import Phase, Stamp, Vital, VitalKind
from referral.fhir.course import UCUM
from referral.fhir.elements import Resource, coding, codings, concept, every, instant
from referral.fhir.intervals import interval
from referral.fhir.systems import DEFAULT, LOINC, OBSERVATION_CATEGORY, LocalSystems

_CATEGORY: Final = concept(OBSERVATION_CATEGORY, "vital-signs", "Vital Signs")
# Kind → codes (the first is the one that US Core asks for), text, unit for people, unit in UCUM.
_MEASURED: Final = {
    VitalKind.BLOOD_PRESSURE: (
        [coding(LOINC, "85354-9", "Blood pressure panel with all children optional")],
        "Blood pressure",
        ("mmHg", "mm[Hg]"),
    ),
    VitalKind.HEART_RATE: ([coding(LOINC, "8867-4", "Heart rate")], "Heart rate", ("/min", "/min")),
    VitalKind.OXYGEN_SATURATION: (
        [
            coding(LOINC, "2708-6", "Oxygen saturation in Arterial blood"),
            coding(LOINC, "59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry"),
        ],
        "Oxygen saturation",
        ("%", "%"),
    ),
    VitalKind.RESPIRATORY_RATE: (
        [coding(LOINC, "9279-1", "Respiratory rate")],
        "Respiratory rate",
        ("/min", "/min"),
    ),
}
_KIND_OF: Final = {row["code"]: kind for kind, (codes, _, _) in _MEASURED.items() for row in codes}
_SYSTOLIC: Final = coding(LOINC, "8480-6", "Systolic blood pressure")
_DIASTOLIC: Final = coding(LOINC, "8462-4", "Diastolic blood pressure")
_PHASE: Final = "session-phase"
_COUNTS: Final = frozenset({"final", "amended", "corrected", "preliminary"})


def observation(vital: Vital, patient_id: str, local: LocalSystems = DEFAULT) -> Resource:
    """Final at first, corrected afterwards."""
    codes, text, unit = _MEASURED[vital.kind]
    made: Resource = {
        "resourceType": "Observation",
        "id": vital.id,
        "extension": [{"url": local.extension(_PHASE), "valueCode": vital.phase.value}],
        "partOf": [{"reference": f"Procedure/{vital.session_id}"}],
        "status": "final" if vital.stamp.version == 1 else "corrected",
        "category": [_CATEGORY],
        "code": {"coding": codes, "text": text},
        "subject": {"reference": f"Patient/{patient_id}"},
        "effectiveDateTime": instant(vital.taken_at),
    }
    if vital.diastolic is None:
        return {**made, "valueQuantity": _quantity(vital.value, unit)}
    parts = ((_SYSTOLIC, vital.value), (_DIASTOLIC, vital.diastolic))
    made["component"] = [
        {"code": {"coding": [code]}, "valueQuantity": _quantity(value, unit)} for code, value in parts
    ]
    return made


def _quantity(value: int, unit: tuple[str, str]) -> Resource:
    return {"value": value, "unit": unit[0], "system": UCUM, "code": unit[1]}


def vital_from(
    document: Mapping[str, Any], session_id: str, stamp: Stamp, local: LocalSystems = DEFAULT
) -> Vital | None:
    """None for what is no vital sign of a session: another code, no value, or not final."""
    kind = next(
        (
            _KIND_OF[code]
            for system, code, _ in codings(document.get("code"))
            if system == LOINC and code in _KIND_OF
        ),
        None,
    )
    taken = _taken(document)
    if kind is None or taken is None or document.get("status") not in _COUNTS:
        return None
    value, diastolic = _values(document, kind)
    if value is None or (kind is VitalKind.BLOOD_PRESSURE) != (diastolic is not None):
        return None
    phase = next(
        (
            row.get("valueCode")
            for row in every(document, "extension")
            if row.get("url") == local.extension(_PHASE)
        ),
        None,
    )
    return Vital(
        id=str(document["id"]),
        session_id=session_id,
        kind=kind,
        value=value,
        diastolic=diastolic,
        phase=Phase(phase) if phase in set(Phase) else Phase.DURING,
        taken_at=taken,
        stamp=stamp,
    )


def _taken(document: Mapping[str, Any]) -> datetime | None:
    period = document.get("effectivePeriod")
    at = document.get("effectiveDateTime") or document.get("effectiveInstant")
    found = interval(at or (period.get("start") if isinstance(period, Mapping) else None))
    return found[0] if found else None


def _values(document: Mapping[str, Any], kind: VitalKind) -> tuple[int | None, int | None]:
    if kind is not VitalKind.BLOOD_PRESSURE:
        return _whole(document.get("valueQuantity")), None
    parts = {
        code: _whole(row.get("valueQuantity"))
        for row in every(document, "component")
        for system, code, _ in codings(row.get("code"))
        if system == LOINC
    }
    return parts.get(_SYSTOLIC["code"]), parts.get(_DIASTOLIC["code"])


def _whole(quantity: object) -> int | None:
    value = quantity.get("value") if isinstance(quantity, Mapping) else None
    return round(value) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else None
