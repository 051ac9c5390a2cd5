"""Measures and what they came to: proportions and days of the return leg as MeasureReports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from referral.fhir.elements import Resource, concept, instant
from referral.fhir.publication import publication
from referral.fhir.systems import DEFAULT, LocalSystems

_THO: Final = "http://terminology.hl7.org/CodeSystem/"
_POPULATION: Final = f"{_THO}measure-population"
_NOTATION: Final = f"{_THO}measure-improvement-notation"
_INCREASE: Final = concept(_NOTATION, "increase", "Increased score indicates improvement")
_DECREASE: Final = concept(_NOTATION, "decrease", "Decreased score indicates improvement")
_CRITERIA: Final = "text/x-description"


@dataclass(frozen=True, slots=True)
class Described:
    """What a measure counts, in sentences; `related` is where it is defined, where others have defined it.

    `populations` are (code, sentence) in the order in which they are told.
    """

    title: str
    text: str
    populations: tuple[tuple[str, str], ...]
    related: str = ""

    @property
    def is_in_days(self) -> bool:
        """Days with quartiles, and no share of anything."""
        return "measure-observation" in dict(self.populations)

    def told(self, code: str) -> str:
        """Who counts, empty for what the measure does not have."""
        return dict(self.populations).get(code, "")


def _share(denominator: str, numerator: str, exclusion: str = "") -> tuple[tuple[str, str], ...]:
    excluded = (("denominator-exclusion", exclusion),) if exclusion else ()
    return (
        ("initial-population", denominator),
        ("denominator", denominator),
        *excluded,
        ("numerator", numerator),
    )


MEASURES: Final = {
    "end-of-course-report": Described(
        "Recommenders who received the end-of-course report",
        "Whoever recommended a course that has ended, and whether the report of its end has reached them.",
        _share(
            "Recommenders of courses that ended in the period.",
            "Those to whom the report of the end was handed over or delivered.",
            "The patient has refused disclosure, or the clinician has asked for other reports only.",
        ),
    ),
    "follow-up-date": Described(
        "Patients with a date for their follow-up visit",
        "Whether a clinician has promised to see the patient by a day after the course.",
        _share(
            "Patients whose courses ended in the period.",
            "Those for whom a clinician has promised a visit by a day.",
        ),
    ),
    "follow-up-seen": Described(
        "Patients with a follow-up date who were seen",
        "Whether the visit that was promised has taken place.",
        _share(
            "Patients whose courses ended in the period and who have a date for a follow-up visit.",
            "Those who were seen on the day on which the course ended, or later.",
            "Not seen yet, and the day of the visit has not passed.",
        ),
    ),
    "follow-up-days": Described(
        "Days from the end of the course to the first follow-up visit",
        "How soon patients are seen after a course: the median and the quartiles.",
        (
            ("initial-population", "Courses that ended in the period."),
            ("measure-population", "Those after which the patient was seen."),
            (
                "measure-observation",
                "Days from the day on which the course ended to that of the first visit, 0 for the same day.",
            ),
        ),
    ),
    "cms50": Described(
        "Closing the referral loop: receipt of specialist report (CMS50v14)",
        "The first request about each patient of the year, and whether that clinician has answered.",
        _share(
            "Patients who were seen in the year and about whom a clinician was asked until October 31.",
            "Those with an answer of that clinician to that request, after it and within the year.",
        ),
        related="https://ecqi.healthit.gov/ecqm/ec/2026/cms0050v14",
    ),
}
_DISPLAY: Final = {
    "initial-population": "Initial Population",
    "denominator": "Denominator",
    "denominator-exclusion": "Denominator Exclusion",
    "numerator": "Numerator",
    "measure-population": "Measure Population",
    "measure-observation": "Measure Observation",
}
# A group has one score: the median and the quartiles are groups over the same population.
_QUARTERS: Final = ("First quartile", "Median", "Third quartile")


@dataclass(frozen=True, slots=True)
class Counted:
    """`excluded` are not in the denominator."""

    denominator: int
    numerator: int
    excluded: int = 0


@dataclass(frozen=True, slots=True)
class Quartiles:
    """Days of `counted` out of `population`; None where nothing was counted."""

    population: int
    counted: int
    low: float | None
    median: float | None
    high: float | None


def measure(name: str, *, local: LocalSystems = DEFAULT) -> Resource:
    """The Measure of one of MEASURES. Its criteria are sentences: the counting is this program's own."""
    described = MEASURES[name]
    populations = [
        {
            "code": concept(_POPULATION, code, _DISPLAY[code]),
            "description": text,
            "criteria": {"language": _CRITERIA, "expression": text},
        }
        for code, text in described.populations
    ]
    parts = [{"code": {"text": text}} for text in _QUARTERS] if described.is_in_days else [{}]
    scoring = (
        ("continuous-variable", "Continuous Variable")
        if described.is_in_days
        else ("proportion", "Proportion")
    )
    made: Resource = {
        "resourceType": "Measure",
        "id": name,
        "url": f"{local.base}/Measure/{name}",
        "name": "".join(part.capitalize() for part in name.split("-")),
        "title": described.title,
        "description": described.text,
        **publication(),
        "scoring": concept(f"{_THO}measure-scoring", *scoring),
        "improvementNotation": _notation(described),
        "group": [{**part, "population": populations} for part in parts],
    }
    if described.related:
        made["relatedArtifact"] = [{"type": "derived-from", "url": described.related}]
    return made


def _notation(described: Described) -> Resource:
    return _DECREASE if described.is_in_days else _INCREASE


def measure_report(
    name: str,
    counted: Counted | Quartiles,
    period: tuple[date, date],
    *,
    reporter: Resource,
    at: datetime,
    local: LocalSystems = DEFAULT,
) -> Resource:
    """Of all patients together; without a score where nobody counts. `period` includes both days."""
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
        "improvementNotation": _notation(MEASURES[name]),
        "group": _groups(name, counted),
    }


def _groups(name: str, counted: Counted | Quartiles) -> list[Resource]:
    if isinstance(counted, Quartiles):
        counts = {"initial-population": counted.population, "measure-population": counted.counted}
        counts["measure-observation"] = counted.counted
        scores = (counted.low, counted.median, counted.high)
        return [
            {"code": {"text": text}, "population": _counts(counts.items()), **_days(score)}
            for text, score in zip(_QUARTERS, scores, strict=True)
        ]
    whole = counted.denominator + counted.excluded
    shares = {"initial-population": whole, "denominator": whole, "denominator-exclusion": counted.excluded}
    shares["numerator"] = counted.numerator
    told = [(code, shares[code]) for code, _ in MEASURES[name].populations]
    group: Resource = {"population": _counts(told)}
    if counted.denominator:
        share = Decimal(counted.numerator) / Decimal(counted.denominator)
        group["measureScore"] = {"value": float(round(share, 4))}
    return [group]


def _counts(counts: Iterable[tuple[str, int]]) -> list[Resource]:
    return [{"code": concept(_POPULATION, code, _DISPLAY[code]), "count": count} for code, count in counts]


def _days(score: float | None) -> Resource:
    if score is None:
        return {}
    unit = {"unit": "days", "system": "http://unitsofmeasure.org", "code": "d"}
    return {"measureScore": {"value": score, **unit}}
