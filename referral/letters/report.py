"""What a report to the recommending clinician says, as values: the course, the scores, what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import ClassVar

from referral.domain.course import Ending, StopReason
from referral.domain.report_rules import Occasion
from referral.domain.scales import FORMS, Scale
from referral.letters.content import ClinicianLetter, LetterProblem, settle


@dataclass(frozen=True, slots=True)
class ScaleRange:
    """The highest total, and the total from which a screening counts as positive; lower is better."""

    most: int
    cutoff: int


# The scales that are followed over a course. PHQ-9: Kroenke, Spitzer and Williams 2001, 10 of 27. GAD-7:
# Spitzer et al. 2006, 10 of 21. PCL-5: the National Center for PTSD gives 31 to 33 of 80.
RANGES: Mapping[Scale, ScaleRange] = {
    scale: ScaleRange(FORMS[scale].highest, cutoff)
    for scale, cutoff in ((Scale.PHQ_9, 10), (Scale.GAD_7, 10), (Scale.PCL_5, 31))
}


MOST_CHANGES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One total. `after_sessions` counts the infusions given by then; 0 is before the course."""

    after_sessions: int
    on: date
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The totals of one scale in the order of time; the first and the last are before and after."""

    scale: Scale
    scores: tuple[Score, ...]

    def __post_init__(self) -> None:
        if not self.scores:
            raise LetterProblem("scores of a scale are empty; leave the scale out.")
        if any(not 0 <= score.total <= RANGES[self.scale].most for score in self.scores):
            raise LetterProblem("scores has a total that the scale does not have.")
        if list(self.scores) != sorted(self.scores, key=lambda score: (score.after_sessions, score.on)):
            raise LetterProblem("scores are not in the order of time.")

    @property
    def name(self) -> str:
        """As it is printed."""
        return FORMS[self.scale].title

    @property
    def change(self) -> int:
        """Negative is better."""
        return self.scores[-1].total - self.scores[0].total


@dataclass(frozen=True, slots=True, kw_only=True)
class MedicationChange:
    """One change during the course, as it is read: "sertraline 100 mg to 150 mg"."""

    on: date
    what: str

    def __post_init__(self) -> None:
        settle(self, {"what": 160})


class Visiting(StrEnum):
    """How far the follow-up visit is. BY is the last day promised, PASSED a day without an answer."""

    PLANNED = "planned"
    BY = "by"
    AGREED = "agreed"
    PASSED = "passed"
    SEEN = "seen"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class NextVisit:
    """Who sees the patient after the course; `on` is None where no day is known: PLANNED and LOST."""

    who: str
    on: date | None
    state: Visiting

    def __post_init__(self) -> None:
        settle(self, {"who": 120})
        if (self.on is None) != (self.state in (Visiting.PLANNED, Visiting.LOST)):
            raise LetterProblem("on belongs to a visit whose day is known, and only there.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseEnd:
    """How the course has ended, and on which day; `reason` where it was stopped early."""

    ending: Ending
    reason: StopReason | None
    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLetter(ClinicianLetter):
    """Sessions, scores before and after, medication, who sees the patient next.

    `treats` says what was decided where the occasion is the decision, and is None otherwise. `planned` None
    where no number was planned; `first_on` and `last_on` None before the first session; `end` None while the
    course goes on.
    `replaces` is the day of the report that this one corrects.
    `summary` and `event` are the clinic's own words; `event` is what happened where the occasion is an
    adverse event, and stands on top.
    """

    LIMITS: ClassVar[Mapping[str, int]] = {"indication": 160, "summary": 1500, "event": 1500}
    FREE_TEXT: ClassVar[frozenset[str]] = frozenset({"summary", "event"})

    salutation: str
    occasion: Occasion
    patient_name: str
    birth_year: int
    indication: str
    given: int
    planned: int | None
    first_on: date | None
    last_on: date | None
    series: tuple[Series, ...]
    medication: tuple[MedicationChange, ...]
    next_visit: NextVisit | None
    end: CourseEnd | None = None
    treats: bool | None = None
    replaces: date | None = None
    summary: str = ""
    event: str = ""

    def __post_init__(self) -> None:
        ClinicianLetter.__post_init__(self)
        if len(self.series) > len(RANGES) or len(self.medication) > MOST_CHANGES:
            text = f"A report has room for each scale once and for {MOST_CHANGES} changes of medication."
            raise LetterProblem(text)
        if (self.occasion is Occasion.ADVERSE_EVENT) != bool(self.event):
            raise LetterProblem("event belongs to a report of an adverse event, and only there.")
        if (self.occasion is Occasion.DECISION) != (self.treats is not None):
            raise LetterProblem("treats belongs to a report of the decision, and only there.")
