"""Measures and what they came to: proportions of the return leg as MeasureReports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from referral.fhir.elements import Resource, concept, instant
from referral.fhir.publication import publication
from referral.fhir.systems import DEFAULT, LocalSystems

_THO: Final = "http://terminology.hl7.org/CodeSystem/"
_POPULATION: Final = f"{_THO}measure-population"
_SCORING: Final = concept(f"{_THO}measure-scoring", "proportion", "Proportion")
_INCREASE: Final = concept(
    f"{_THO}measure-improvement-notation", "increase", "Increased score indicates improvement"
)
_CRITERIA: Final = "text/x-description"


@dataclass(frozen=True, slots=True)
class Described:
    """What a measure counts, in sentences; `related` is where it is defined, where others have defined it."""

    title: str
    text: str
    denominator: str
    numerator: str
    exclusion: str = ""
    related: str = ""


MEASURES: Final = {
    "end-of-course-report": Described(
        "Recommenders who received the end-of-course report",
        "Whoever recommended a course that has ended, and whether the report of its end has reached them.",
        "Recommenders of courses that ended in the period.",
        "Those to whom the report of the end was handed over or delivered.",
        "The patient has refused disclosure, or the clinician has asked for other reports only.",
    ),
    "cms50": Described(
        "Closing the referral loop: receipt of specialist report (CMS50v14)",
        "The first request about each patient of the year, and whether that clinician has answered.",
        "Patients who were seen in the year and about whom a clinician was asked until October 31.",
        "Those with an answer of that clinician to that request, after it and within the year.",
        related="https://ecqi.healthit.gov/ecqm/ec/2026/cms0050v14",
    ),
}


@dataclass(frozen=True, slots=True)
class Counted:
    """`excluded` are not in the denominator."""

    denominator: int
    numerator: int
    excluded: int = 0


def measure(name: str, *, local: LocalSystems = DEFAULT) -> Resource:
    """The Measure of one of MEASURES. Its criteria are sentences: the counting is this program's own."""
    described = MEASURES[name]
    populations = [
        ("initial-population", "Initial Population", described.denominator),
        ("denominator", "Denominator", described.denominator),
        *(
            [("denominator-exclusion", "Denominator Exclusion", described.exclusion)]
            if described.exclusion
            else []
        ),
        ("numerator", "Numerator", described.numerator),
    ]
    made: Resource = {
        "resourceType": "Measure",
        "id": name,
        "url": f"{local.base}/Measure/{name}",
        "name": "".join(part.capitalize() for part in name.split("-")),
        "title": described.title,
        "description": described.text,
        **publication(),
        "scoring": _SCORING,
        "improvementNotation": _INCREASE,
        "group": [
            {
                "population": [
                    {
                        "code": concept(_POPULATION, code, display),
                        "description": text,
                        "criteria": {"language": _CRITERIA, "expression": text},
                    }
                    for code, display, text in populations
                ]
            }
        ],
    }
    if described.related:
        made["relatedArtifact"] = [{"type": "derived-from", "url": described.related}]
    return made


def measure_report(
    name: str,
    counted: Counted,
    period: tuple[date, date],
    *,
    reporter: Resource,
    at: datetime,
    local: LocalSystems = DEFAULT,
) -> Resource:
    """Of all patients together; without a score where nobody counts. `period` includes both days."""
    whole = counted.denominator + counted.excluded
    counts = [("initial-population", "Initial Population", whole), ("denominator", "Denominator", whole)]
    if MEASURES[name].exclusion:
        counts.append(("denominator-exclusion", "Denominator Exclusion", counted.excluded))
    counts.append(("numerator", "Numerator", counted.numerator))
    group: Resource = {
        "population": [
            {"code": concept(_POPULATION, code, display), "count": count} for code, display, count in counts
        ]
    }
    if counted.denominator:
        share = Decimal(counted.numerator) / Decimal(counted.denominator)
        group["measureScore"] = {"value": float(round(share, 4))}
    return {
        "resourceType": "MeasureReport",
        "id": f"{name}-{period[0].isoformat()}-{period[1].isoformat()}",
        "contained": [measure(name, local=local)],
        "status": "complete",
        "type": "summary",
        "measure": f"#{name}",
        "date": instant(at),
        "reporter": reporter,
        "period": {"start": period[0].isoformat(), "end": period[1].isoformat()},
        "improvementNotation": _INCREASE,
        "group": [group],
    }
