"""A course of treatment as FHIR: Encounter, Procedure, MedicationAdministration, Observation, AdverseEvent.

Each value is mapped both ways. What is written here is laid over what a client had sent; what is read is only
what a course is made of, and None where a resource says nothing of the kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from referral.domain.course import (
    AbortReason,
    Candidacy,
    CandidacyReason,
    Decided,
    Dose,
    SessionState,
    Severity,
    SideEffect,
    Stamp,
    TreatmentSession,
)
from referral.domain.side_effects import ALWAYS_SERIOUS, BY_CODE, OURS
from referral.fhir.elements import Resource, codings, concept, every, instant, reference_id
from referral.fhir.intervals import interval
from referral.fhir.systems import DEFAULT, RXNORM, SNOMED_CT, LocalSystems

KETAMINE: Final = "6130"
UCUM: Final = "http://unitsofmeasure.org"
_INTRAVENOUS: Final = concept(SNOMED_CT, "47625008", "Intravenous route")
_SERIOUSNESS: Final = "http://terminology.hl7.org/CodeSystem/adverse-event-seriousness"
_SEVERITY: Final = "http://terminology.hl7.org/CodeSystem/adverse-event-severity"
_SERIOUS: Final = {
    True: concept(_SERIOUSNESS, "Serious", "Serious"),
    False: concept(_SERIOUSNESS, "Non-serious", "Non-serious"),
}
_KILOGRAM: Final = "dose-per-weight"
_ERROR: Final = "entered-in-error"
_STATE_OF: Final = {
    SessionState.IN_PROGRESS: "in-progress",
    SessionState.COMPLETED: "completed",
    SessionState.ABORTED: "stopped",
}
_SESSION_FLAGS: Final = {
    "physician_present": "physician-present",
    "discharge_met": "discharge-criteria-met",
    "ride_home": "ride-home",
}
_DECISION_FLAGS: Final = {
    "risks_discussed": "risks-discussed",
    "benefits_discussed": "benefits-discussed",
    "self_pay_notice": "self-pay-notice",
}


def _extensions(document: Mapping[str, Any], local: LocalSystems) -> dict[str, Any]:
    """The values of our extensions by their names."""
    prefix = local.extension("")
    found: dict[str, Any] = {}
    for row in every(document, "extension"):
        url = str(row.get("url") or "")
        if url.startswith(prefix):
            found[url.removeprefix(prefix)] = next((v for k, v in row.items() if k.startswith("value")), None)
    return found


def _code(value: object, local: LocalSystems, system: str) -> str | None:
    """The code of ours in a CodeableConcept."""
    return next((code for where, code, _ in codings(value) if where == local.system(system)), None)


def _at(value: object) -> datetime | None:
    """A dateTime as a moment; a day alone is its beginning in UTC."""
    found = interval(value)
    return found[0] if found else None


def _period(document: Mapping[str, Any], name: str) -> tuple[datetime | None, datetime | None]:
    """Begin and end of a choice of period and moment; a moment has no end."""
    period = document.get(f"{name}Period")
    if isinstance(period, Mapping):
        return _at(period.get("start")), _at(period.get("end"))
    return _at(document.get(f"{name}DateTime")), None


# ---- The decision, on the Encounter of the consultation


def decision_changes(decided: Decided, local: LocalSystems = DEFAULT) -> Resource:
    """What the Encounter says of candidacy, as extensions."""
    rows: list[Resource] = [
        {
            "url": local.extension("candidacy"),
            "valueCodeableConcept": local.concept("candidacy", decided.decision),
        },
        {"url": local.extension("candidacy-reason")},
    ]
    if decided.reason is not None:
        rows[-1]["valueCodeableConcept"] = local.concept("candidacy-reason", decided.reason)
    for name, extension in _DECISION_FLAGS.items():
        rows.append({"url": local.extension(extension), "valueBoolean": getattr(decided, name)})
    return {"extension": rows}


def decision_from(
    encounter: Mapping[str, Any], decided_at: datetime, stamp: Stamp, local: LocalSystems = DEFAULT
) -> Decided | None:
    """None where the Encounter says nothing of candidacy. Without a reason of ours it is `other`."""
    said = _extensions(encounter, local)
    code = _code(said.get("candidacy"), local, "candidacy")
    if code not in set(Candidacy):
        return None
    decision = Candidacy(code)
    reason = _code(said.get("candidacy-reason"), local, "candidacy-reason")
    known = CandidacyReason(reason) if reason in set(CandidacyReason) else CandidacyReason.OTHER
    flags = {name: said.get(extension) is True for name, extension in _DECISION_FLAGS.items()}
    return Decided(
        id=str(encounter["id"]),
        decision=decision,
        reason=None if decision is Candidacy.CANDIDATE else known,
        decided_at=decided_at,
        stamp=stamp,
        **flags,
    )


# ---- The session, which is a Procedure


def session_changes(
    session: TreatmentSession, *, in_error: bool = False, local: LocalSystems = DEFAULT
) -> Resource:
    """What the Procedure says of the session; its start is the database's and stays."""
    period = {"start": instant(session.started_at)}
    if session.ended_at is not None:
        period["end"] = instant(session.ended_at)
    rows: list[Resource] = []
    for name, extension in _SESSION_FLAGS.items():
        value = getattr(session, name)
        known = {} if value is None else {"valueBoolean": value}
        rows.append({"url": local.extension(extension), **known})
    changes: Resource = {
        "status": _ERROR if in_error else _STATE_OF[session.state],
        "performedPeriod": period,
        "extension": rows,
        "statusReason": None,
    }
    if session.abort_reason is not None:
        changes["statusReason"] = local.concept("session-abort-reason", session.abort_reason)
    if session.supervisor:
        changes["performer"] = [
            {
                "function": local.concept("session-role", "supervising-physician"),
                "actor": {"display": session.supervisor},
            }
        ]
    return changes


def session_from(
    procedure: Mapping[str, Any], started_at: datetime, stamp: Stamp, local: LocalSystems = DEFAULT
) -> TreatmentSession:
    """A stopped Procedure without a reason of ours was aborted for another one; `unknown` goes on."""
    status = procedure.get("status")
    state = next((s for s, code in _STATE_OF.items() if code == status), SessionState.IN_PROGRESS)
    said = _extensions(procedure, local)
    ended = None
    if state is not SessionState.IN_PROGRESS:
        begin, end = _period(procedure, "performed")
        ended = end or max(begin or started_at, started_at)
    reason = _code(procedure.get("statusReason"), local, "session-abort-reason")
    known = AbortReason(reason) if reason in set(AbortReason) else AbortReason.OTHER
    flags = {name: said[url] for name, url in _SESSION_FLAGS.items() if isinstance(said.get(url), bool)}
    return TreatmentSession(
        id=str(procedure["id"]),
        started_at=started_at,
        state=state,
        ended_at=ended,
        abort_reason=known if state is SessionState.ABORTED else None,
        supervisor=_supervisor(procedure, local),
        stamp=stamp,
        **flags,
    )


def _supervisor(procedure: Mapping[str, Any], local: LocalSystems) -> str:
    for performer in every(procedure, "performer"):
        if _code(performer.get("function"), local, "session-role") == "supervising-physician":
            actor = performer.get("actor")
            return str(actor.get("display") or "")[:120] if isinstance(actor, Mapping) else ""
    return ""


def session_named(document: Mapping[str, Any]) -> str | None:
    """The id of the Procedure that an Observation, a dose or an AdverseEvent belongs to."""
    rows = [*every(document, "partOf"), *(row.get("instance") for row in every(document, "suspectEntity"))]
    return next((id for row in rows if (id := reference_id(row, "Procedure"))), None)


# ---- A dose


def administration(dose: Dose, patient_id: str, local: LocalSystems = DEFAULT) -> Resource:
    """Completed once it has stopped."""
    period = {"start": instant(dose.started_at)}
    if dose.stopped_at is not None:
        period["end"] = instant(dose.stopped_at)
    quantity: Resource = {
        "route": _INTRAVENOUS,
        "dose": {"value": dose.milligrams, "unit": "mg", "system": UCUM, "code": "mg"},
        "text": f"{dose.milligrams.normalize():f} mg intravenously",
    }
    if dose.per_kilogram is not None:
        per = {"value": dose.per_kilogram, "unit": "mg/kg", "system": UCUM, "code": "mg/kg"}
        quantity = {"extension": [{"url": local.extension(_KILOGRAM), "valueQuantity": per}], **quantity}
        quantity["text"] += f" ({dose.per_kilogram.normalize():f} mg/kg)"
    return {
        "resourceType": "MedicationAdministration",
        "id": dose.id,
        "partOf": [{"reference": f"Procedure/{dose.session_id}"}],
        "status": "completed" if dose.stopped_at is not None else "in-progress",
        "medicationCodeableConcept": concept(
            RXNORM, dose.drug, "ketamine" if dose.drug == KETAMINE else None
        ),
        "subject": {"reference": f"Patient/{patient_id}"},
        "effectivePeriod": period,
        "dosage": quantity,
    }


def dose_from(
    document: Mapping[str, Any], session_id: str, stamp: Stamp, local: LocalSystems = DEFAULT
) -> Dose | None:
    """None without an RxNorm code, a dose in milligrams, or a time."""
    drug = next(
        (c for where, c, _ in codings(document.get("medicationCodeableConcept")) if where == RXNORM), None
    )
    dosage = document.get("dosage")
    started, stopped = _period(document, "effective")
    if drug is None or not isinstance(dosage, Mapping) or started is None:
        return None
    milligrams = _amount(dosage.get("dose"), "mg")
    if milligrams is None:
        return None
    if stopped is None and document.get("status") in ("completed", "stopped"):
        stopped = started
    return Dose(
        id=str(document["id"]),
        session_id=session_id,
        drug=drug,
        milligrams=milligrams,
        per_kilogram=_amount(_extensions(dosage, local).get(_KILOGRAM), "mg/kg"),
        started_at=started,
        stopped_at=stopped,
        stamp=stamp,
    )


def _amount(quantity: object, unit: str) -> Decimal | None:
    if not isinstance(quantity, Mapping) or unit not in (quantity.get("code"), quantity.get("unit")):
        return None
    try:
        value = Decimal(str(quantity.get("value")))
    except InvalidOperation:
        return None
    return value if value > 0 else None


# ---- A side effect


def adverse_event(effect: SideEffect, patient_id: str, local: LocalSystems = DEFAULT) -> Resource:
    """Every side effect is one, whether serious or not."""
    pick = BY_CODE.get(effect.code)
    if effect.code in OURS:
        event = local.concept("side-effect", effect.code)
    else:
        event = concept(SNOMED_CT, effect.code, pick.display if pick else None)
    made: Resource = {
        "resourceType": "AdverseEvent",
        "id": effect.id,
        "identifier": local.identifier("adverse-event", effect.id),
        "actuality": "actual",
        "event": event,
        "subject": {"reference": f"Patient/{patient_id}"},
        "date": instant(effect.noticed_at),
        "recordedDate": instant(effect.stamp.recorded_at),
        "seriousness": _SERIOUS[effect.serious],
        "severity": concept(_SEVERITY, effect.severity, effect.severity.capitalize()),
    }
    if effect.session_id is not None:
        made["suspectEntity"] = [{"instance": {"reference": f"Procedure/{effect.session_id}"}}]
    return made


def error_mark(local: LocalSystems = DEFAULT) -> Resource:
    """AdverseEvent has no status in R4: this says that it never happened."""
    return {"modifierExtension": [{"url": local.extension(_ERROR), "valueBoolean": True}]}


def is_error(document: Mapping[str, Any], local: LocalSystems = DEFAULT) -> bool:
    """Whether a resource of a course says that it was a mistake."""
    marked = any(
        row.get("url") == local.extension(_ERROR) and row.get("valueBoolean") is True
        for row in every(document, "modifierExtension")
    )
    return marked or document.get("status") == _ERROR


def effect_from(
    document: Mapping[str, Any], session_id: str | None, stamp: Stamp, local: LocalSystems = DEFAULT
) -> SideEffect | None:
    """None for what has not happened, or has no code. What is not said to be harmless is serious.

    An unknown SNOMED CT code is kept: a clinic may know more than the pick list.
    """
    event = document.get("event")
    code = _code(event, local, "side-effect") or next(
        (c for where, c, _ in codings(event) if where == SNOMED_CT), None
    )
    noticed = _at(document.get("date")) or _at(document.get("detected")) or stamp.recorded_at
    if document.get("actuality") != "actual" or code is None:
        return None
    seriousness = {c.casefold() for _, c, _ in codings(document.get("seriousness"))}
    severity = {c for _, c, _ in codings(document.get("severity"))} & set(Severity)
    return SideEffect(
        id=str(document["id"]),
        session_id=session_id,
        code=code,
        severity=Severity(min(severity)) if severity else Severity.MODERATE,
        serious=code in ALWAYS_SERIOUS or "non-serious" not in seriousness,
        noticed_at=noticed,
        stamp=stamp,
    )
