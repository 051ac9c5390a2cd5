"""A report of a course as a FHIR document: a Bundle of its Composition and of all that it names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from html import escape
from typing import Any, Final

from referral.domain.course import Ending, StopReason
from referral.domain.course_rules import STATUS_OF
from referral.domain.report_rules import Occasion
from referral.fhir.elements import Resource, concept, instant
from referral.fhir.systems import DEFAULT, LOINC, OBSERVATION_CATEGORY, LocalSystems

REPORT: Final = concept(LOINC, "34133-9", "Summary of episode note")
CONSULT: Final = concept(LOINC, "11488-4", "Consult note")
# The whole system of the values of ServiceRequest.status.
REQUEST_STATUS: Final = "http://hl7.org/fhir/request-status"
_LANGUAGE: Final = "en-US"
_SURVEY: Final = concept(OBSERVATION_CATEGORY, "survey", "Survey")
_IDENTIFYING: Final[tuple[str, ...]] = (
    "resourceType",
    "id",
    "identifier",
    "active",
    "name",
    "gender",
    "birthDate",
)


def type_of(occasion: Occasion) -> Resource:
    """LOINC's kind of note: the decision ends a consultation, the others tell of an episode."""
    return CONSULT if occasion is Occasion.DECISION else REPORT


@dataclass(frozen=True, slots=True)
class Total:
    """One total of a scale; `loinc` and `display` are those of the total score."""

    loinc: str
    display: str
    scale: str
    total: int
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """A section: its LOINC code, its title and its paragraphs as they are read."""

    loinc: str
    display: str
    title: str
    paragraphs: tuple[str, ...]
    totals: tuple[Total, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDocument:
    """`id` is the report's, `corrects` that of the one that it replaces, if it does.

    `patient` is the stored Patient, of which only what identifies is passed on. `clinic` is a Reference by
    identifier, with its name. `ending` is None while the course goes on.
    """

    id: str
    occasion: Occasion
    title: str
    written_at: datetime
    first_on: date | None
    last_on: date | None
    order_id: str
    corrects: str | None
    ending: Ending | None
    stop_reason: StopReason | None
    patient: dict[str, Any]
    clinic: Resource
    parts: Sequence[Part]


def document_bundle(report: ReportDocument, base_url: str, *, local: LocalSystems = DEFAULT) -> Resource:
    """Complete by itself: whoever has the file needs nothing of this server. Its words are English."""
    patient_id = str(report.patient["id"])
    clinic_id = f"{report.id}-clinic"
    observations: list[Resource] = []
    sections = [_section(part, report, patient_id, clinic_id, observations, local) for part in report.parts]
    clinic = {"reference": f"Organization/{clinic_id}", "display": report.clinic["display"]}
    period = {
        name: day.isoformat() for name, day in (("start", report.first_on), ("end", report.last_on)) if day
    }
    event: Resource = {"detail": [_order(report, local)]}
    if report.ending is not None:
        event["code"] = _how_it_ended(report.ending, report.stop_reason, local)
    composition: Resource = {
        "resourceType": "Composition",
        "id": report.id,
        "language": _LANGUAGE,
        "text": _narrative([report.title]),
        "identifier": local.identifier("course-report", report.id),
        "status": "amended" if report.corrects else "final",
        "type": type_of(report.occasion),
        "category": [local.concept("report-occasion", report.occasion.value)],
        "subject": {"reference": f"Patient/{patient_id}"},
        "date": instant(report.written_at),
        "author": [clinic],
        "title": report.title,
        "custodian": clinic,
        "event": [event | ({"period": period} if period else {})],
        "section": sections,
    }
    if report.corrects is not None:
        replaced = local.identifier("course-report", report.corrects)
        composition["relatesTo"] = [{"code": "replaces", "targetIdentifier": replaced}]
    organization: Resource = {
        "resourceType": "Organization",
        "id": clinic_id,
        "identifier": [report.clinic["identifier"]],
        "active": True,
        "name": report.clinic["display"],
    }
    person: Resource = {name: report.patient[name] for name in _IDENTIFYING if name in report.patient}
    every: list[Resource] = [composition, person, organization, *observations]
    return {
        "resourceType": "Bundle",
        "id": report.id,
        "identifier": local.identifier("course-report", report.id),
        "type": "document",
        "timestamp": instant(report.written_at),
        "entry": [
            {"fullUrl": f"{base_url}/{one['resourceType']}/{one['id']}", "resource": one} for one in every
        ],
    }


def _how_it_ended(ending: Ending, reason: StopReason | None, local: LocalSystems) -> list[Resource]:
    """The status that the order has got, and why; as on the order itself."""
    status = STATUS_OF[ending]
    said = [concept(REQUEST_STATUS, status, status.capitalize())]
    return said + ([local.concept("course-stop-reason", reason.value)] if reason else [])


def _order(report: ReportDocument, local: LocalSystems) -> Resource:
    """By identifier: the order itself stays in the clinic."""
    return {"type": "ServiceRequest", "identifier": local.identifier("infusion-order", report.order_id)}


def _section(
    part: Part,
    report: ReportDocument,
    patient_id: str,
    clinic_id: str,
    observations: list[Resource],
    local: LocalSystems,
) -> Resource:
    made = [
        _observation(f"{report.id}-{len(observations) + place}", total, patient_id, clinic_id, report, local)
        for place, total in enumerate(part.totals, 1)
    ]
    observations.extend(made)
    section: Resource = {
        "title": part.title,
        "code": concept(LOINC, part.loinc, part.display),
        "text": _narrative(part.paragraphs),
    }
    if made:
        section["entry"] = [{"reference": f"Observation/{one['id']}"} for one in made]
    return section


def _observation(
    id: str,
    total: Total,
    patient_id: str,
    clinic_id: str,
    report: ReportDocument,
    local: LocalSystems,
) -> Resource:
    code = concept(LOINC, total.loinc, total.display, f"{total.scale} total")
    return {
        "resourceType": "Observation",
        "id": id,
        "identifier": [local.identifier("course-report-score", id)],
        "basedOn": [_order(report, local)],
        "status": "final",
        "category": [_SURVEY],
        "code": code,
        "subject": {"reference": f"Patient/{patient_id}"},
        "effectiveDateTime": instant(total.taken_at),
        "performer": [{"reference": f"Organization/{clinic_id}"}],
        "valueInteger": total.total,
    }


def _narrative(paragraphs: Iterable[str]) -> Resource:
    said = "".join(f"<p>{escape(one, quote=False)}</p>" for one in paragraphs)
    return {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml" lang="en-US" xml:lang="en-US">{said}</div>',
    }
