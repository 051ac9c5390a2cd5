"""The report to the recommender: numbers, their picture, and what it says to those who cannot see it."""

from __future__ import annotations

import io
import re
from datetime import date
from itertools import pairwise
from typing import Any

import pikepdf
import pytest

from referral.domain.course import Ending, StopReason
from referral.domain.language import Language
from referral.domain.report_rules import Occasion
from referral.domain.scales import Scale
from referral.letters.content import LetterProblem
from referral.letters.plot import plot
from referral.letters.render import Renderer
from referral.letters.report import (
    CourseEnd,
    MedicationChange,
    NextVisit,
    ReportLetter,
    Score,
    Series,
    Visiting,
)
from referral.letters.samples import sample
from tests.letters import pdf
from tests.letters.conftest import Drawn
from tests.letters.samples import CLINIC

EN, ES = Language.ENGLISH, Language.SPANISH
FIRST = date(2026, 9, 1)


def report(language: Language = EN, **changes: Any) -> ReportLetter:
    made = sample("report", CLINIC, language, **changes)
    assert isinstance(made, ReportLetter)
    return made


def series(*totals: int, scale: Scale = Scale.PHQ_9) -> Series:
    return Series(
        scale=scale,
        scores=tuple(Score(after_sessions=n, on=FIRST, total=total) for n, total in enumerate(totals)),
    )


def alternatives(body: bytes) -> list[str]:
    """What is said instead of each picture."""
    opened = pikepdf.open(io.BytesIO(body))
    return [str(one.Alt) for one in opened.objects if isinstance(one, pikepdf.Dictionary) and "/Alt" in one]


def test_each_picture_says_what_it_shows(drawn: Drawn) -> None:
    said = alternatives(drawn("report", EN, "print").pdf)
    for words in (
        "PHQ-9: from 19 at first to 7 after 6 infusions.",
        "GAD-7: from 14 at first to 6 after 6 infusions.",
        "PCL-5: from 41 at first to 28 after 6 infusions.",
    ):
        assert words in said
    assert "PHQ-9: de 19 al principio a 7 después de 6 infusiones." in alternatives(
        drawn("report", ES, "print").pdf
    )


def test_a_dot_lies_where_its_total_belongs() -> None:
    """The axis goes from 0 at the bottom to the highest total of the scale at the top, and by infusions."""
    dots = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', plot(series(27, 0, 9), 4, "#000000", EN))
    (x0, top), (x1, bottom), (x2, third) = [(float(x), float(y)) for x, y in dots]
    assert top < third < bottom
    assert third - top == pytest.approx(2 * (bottom - third), abs=0.2)
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    (_, _), (x4, _) = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', plot(series(5, 5), 1, "#000000", EN))
    assert float(x4) > x2


@pytest.mark.parametrize("sessions", [1, 6, 12, 30])
def test_numbers_below_the_axis_do_not_touch(sessions: int) -> None:
    drawn = plot(series(20, 10), sessions, "#0f5257", EN)
    places = [float(x) for x in re.findall(r'x="([\d.]+)" y="93.0" text-anchor="middle"', drawn)]
    assert len(places) >= 2
    assert all(after - before > 12 for before, after in pairwise(places))


def test_a_fax_has_no_grey_in_its_picture() -> None:
    colours = set(re.findall(r"#[0-9a-f]{6}", plot(series(20, 10), 6, "#000000", EN)))
    assert colours == {"#000000"}


def test_one_measurement_has_no_after(renderer: Renderer) -> None:
    body = renderer.letter(report(series=(series(12),), occasion=Occasion.MID_COURSE)).pdf
    shown = pdf.text(body)
    assert "12 September 1, 2026 not yet –" in shown
    assert "PHQ-9: 12, measured once." in alternatives(body)


def test_nothing_measured_and_nobody_next_is_said(renderer: Renderer) -> None:
    letter = report(
        series=(),
        medication=(),
        next_visit=None,
        planned=None,
        given=0,
        first_on=None,
        last_on=None,
        summary="",
    )
    shown = pdf.text(renderer.letter(letter).pdf)
    assert "Nobody yet. Please tell us who sees the patient next." in shown
    assert "None that we know of." in shown
    assert "Scores before and after" not in shown


@pytest.mark.parametrize(
    ("visit", "words"),
    [
        (Visiting.PLANNED, "Next visit Dr. Lee, no day agreed yet"),
        (Visiting.BY, "Next visit Dr. Lee, by September 1, 2026"),
        (Visiting.AGREED, "Next visit Dr. Lee, September 1, 2026"),
        (Visiting.PASSED, "until September 1, 2026. Please tell us whether the patient was seen."),
        (Visiting.SEEN, "Follow-up visit Dr. Lee, patient seen on September 1, 2026"),
        (Visiting.LOST, "Follow-up visit Dr. Lee, who has lost contact with the patient"),
    ],
)
def test_a_visit_is_told_as_far_as_it_is_known(renderer: Renderer, visit: Visiting, words: str) -> None:
    day = None if visit in (Visiting.PLANNED, Visiting.LOST) else FIRST
    letter = report(next_visit=NextVisit(who="Dr. Lee", on=day, state=visit))
    assert words in pdf.text(renderer.letter(letter).pdf)
    with pytest.raises(LetterProblem, match="day is known"):
        NextVisit(who="Dr. Lee", on=None if day else FIRST, state=visit)


@pytest.mark.parametrize(
    ("language", "ending", "reason", "words"),
    [
        (EN, Ending.COMPLETED, None, "Course Completed, September 1, 2026"),
        (EN, Ending.STOPPED, StopReason.NO_RESPONSE, "Course Stopped early, September 1, 2026 (no response)"),
        (
            ES,
            Ending.STOPPED,
            StopReason.ADVERSE_EVENT,
            "Tratamiento Interrumpido antes de lo previsto, 1 de septiembre de 2026 (un evento adverso)",
        ),
    ],
)
def test_how_the_course_ended_is_said(
    renderer: Renderer, language: Language, ending: Ending, reason: StopReason | None, words: str
) -> None:
    end = CourseEnd(ending=ending, reason=reason, on=FIRST)
    assert words in pdf.text(renderer.letter(report(language, end=end)).pdf)
    going_on = pdf.text(renderer.letter(report(language, end=None)).pdf)
    assert words.partition(",")[0] not in going_on


def test_a_decision_and_an_adverse_event_stand_on_top(renderer: Renderer) -> None:
    decided = pdf.text(renderer.letter(report(ES, occasion=Occasion.DECISION, treats=False)).pdf)
    assert "Hemos decidido no dar el tratamiento." in decided
    event = "Hypertensive crisis, 210/118, in the third session.\nTransferred, discharged next day."
    shown = pdf.text(renderer.letter(report(occasion=Occasion.ADVERSE_EVENT, event=event)).pdf)
    assert "Report of a serious adverse event" in shown
    assert shown.index("Hypertensive crisis, 210/118") < shown.index("Infusions given")


@pytest.mark.parametrize(
    "changes",
    [
        {"occasion": Occasion.ADVERSE_EVENT},
        {"event": "x"},
        {"occasion": Occasion.DECISION},
        {"treats": True},
        {"medication": tuple(MedicationChange(on=FIRST, what="x") for _ in range(13))},
    ],
)
def test_a_report_that_does_not_fit_its_occasion_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(LetterProblem):
        report(**changes)


@pytest.mark.parametrize(("scale", "total"), [(Scale.PHQ_9, 28), (Scale.GAD_7, 22), (Scale.PCL_5, 81)])
def test_a_total_that_a_scale_does_not_have_is_refused(scale: Scale, total: int) -> None:
    series(total - 1, scale=scale)
    for wrong in (total, -1):
        with pytest.raises(LetterProblem, match="total"):
            series(wrong, scale=scale)
    with pytest.raises(LetterProblem, match="order of time"):
        Series(
            scale=scale,
            scores=(Score(after_sessions=2, on=FIRST, total=1), Score(after_sessions=1, on=FIRST, total=1)),
        )
    with pytest.raises(LetterProblem, match="empty"):
        Series(scale=scale, scores=())


def test_a_long_report_runs_on_whole(renderer: Renderer) -> None:
    changes = tuple(MedicationChange(on=FIRST, what=f"drug{n} " + "word " * 20) for n in range(12))
    summary = " ".join(f"sum{n}" for n in range(220))
    document = renderer.letter(report(medication=changes, summary=summary))
    shown = set(pdf.text(document.pdf).split())
    assert document.pages in (2, 3)
    assert {f"drug{n}" for n in range(12)} | set(summary.split()) <= shown
