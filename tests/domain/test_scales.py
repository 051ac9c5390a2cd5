"""Scoring of the scales, by the published tables."""

from __future__ import annotations

import pytest

from referral.domain.language import Language
from referral.domain.scales import FORMS, SELF_HARM, Scale, Score, band_of, score

# Kroenke 2001, table 3; Spitzer 2006; ptsd.va.gov; practice for pain. First and last total of each band.
BANDS = {
    Scale.PHQ_9: {
        "minimal": (0, 4),
        "mild": (5, 9),
        "moderate": (10, 14),
        "moderately severe": (15, 19),
        "severe": (20, 27),
    },
    Scale.GAD_7: {"minimal": (0, 4), "mild": (5, 9), "moderate": (10, 14), "severe": (15, 21)},
    Scale.PCL_5: {
        "below the cutoff": (0, 30),
        "at the cutoff (31 to 33)": (31, 33),
        "above the cutoff": (34, 80),
    },
    Scale.PAIN: {"none": (0, 0), "mild": (1, 3), "moderate": (4, 6), "severe": (7, 10)},
}


def filled(scale: Scale, *values: int) -> dict[str, int]:
    """The first answers in order; the rest is left out."""
    return {q.link_id: value for q, value in zip(FORMS[scale].questions, values, strict=False)}


@pytest.mark.parametrize("scale", Scale)
def test_every_total_has_the_published_band(scale: Scale) -> None:
    published = {total: name for name, (low, high) in BANDS[scale].items() for total in range(low, high + 1)}
    assert {total: band_of(scale, total) for total in range(FORMS[scale].highest + 1)} == published


@pytest.mark.parametrize(
    ("scale", "questions", "highest"),
    [(Scale.PHQ_9, 9, 27), (Scale.GAD_7, 7, 21), (Scale.PCL_5, 20, 80), (Scale.PAIN, 1, 10)],
)
def test_the_lowest_and_the_highest_total(scale: Scale, questions: int, highest: int) -> None:
    form = FORMS[scale]
    most = form.answers[-1].value
    assert len(form.questions) == questions
    assert score(scale, filled(scale, *[0] * questions)).total == 0
    assert score(scale, filled(scale, *[most] * questions)).total == highest == form.highest


@pytest.mark.parametrize(
    ("scale", "values", "total", "estimated"),
    [
        (Scale.PHQ_9, (1, 2, 3, 0, 1, 2, 3, 0, 0), 12, False),
        # 12 of 8 answers is 13.5 of 9, and a half counts up.
        (Scale.PHQ_9, (1, 2, 3, 0, 1, 2, 3, 0), 14, True),
        (Scale.PHQ_9, (1, 1, 1, 1, 1, 1, 1), 9, True),
        (Scale.PHQ_9, (3, 3, 3, 3, 3, 3), None, False),
        (Scale.GAD_7, (2, 2, 2, 2, 2), 14, True),
        (Scale.GAD_7, (2, 2, 2, 2), None, False),
        (Scale.PCL_5, (4,) * 19, None, False),
        (Scale.PAIN, (), None, False),
    ],
)
def test_missing_answers(scale: Scale, values: tuple[int, ...], total: int | None, estimated: bool) -> None:
    found = score(scale, filled(scale, *values))
    assert (found.total, found.estimated) == (total, estimated)
    assert found.missing == len(FORMS[scale].questions) - len(values)
    assert bool(found.band) is (total is not None)


def pcl(b: int, c: int, d: int, e: int) -> Score:
    """So many symptoms in each cluster, each just reaching 2; everything else is 1."""
    values = []
    for symptoms, size in ((b, 5), (c, 2), (d, 7), (e, 6)):
        values += [2] * symptoms + [1] * (size - symptoms)
    return score(Scale.PCL_5, filled(Scale.PCL_5, *values))


@pytest.mark.parametrize(
    ("symptoms", "provisional"),
    [
        ((1, 1, 2, 2), True),
        ((0, 2, 7, 6), False),
        ((5, 0, 7, 6), False),
        ((5, 2, 1, 6), False),
        ((5, 2, 7, 1), False),
        ((5, 2, 7, 6), True),
    ],
)
def test_a_provisional_diagnosis_needs_symptoms_of_every_cluster(
    symptoms: tuple[int, int, int, int], provisional: bool
) -> None:
    found = pcl(*symptoms)
    assert found.provisional is provisional
    assert found.clusters == dict(
        zip("BCDE", (base + more for base, more in zip((5, 2, 7, 6), symptoms, strict=True)), strict=True)
    )
    assert found.total == 20 + sum(symptoms)


def test_question_nine_is_told_whatever_is_missing() -> None:
    assert FORMS[Scale.PHQ_9].questions[8].link_id == SELF_HARM
    assert score(Scale.PHQ_9, {SELF_HARM: 1}).self_harm == 1
    assert score(Scale.PHQ_9, {SELF_HARM: 0}).self_harm == 0
    assert score(Scale.PHQ_9, filled(Scale.PHQ_9, 3, 3, 3, 3, 3, 3, 3, 3)).self_harm is None


@pytest.mark.parametrize("answers", [{SELF_HARM: 4}, {SELF_HARM: -1}, {"pcl-5-1": 1}])
def test_what_is_no_answer_is_refused(answers: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="not of phq-9"):
        score(Scale.PHQ_9, answers)


def test_every_question_is_asked_in_every_language() -> None:
    for form in FORMS.values():
        assert len({q.link_id for q in form.questions}) == len(form.questions)
        for language in Language:
            assert len({q.text.said(language) for q in form.questions}) == len(form.questions)
            assert len({a.text.said(language) for a in form.answers}) == len(form.answers)
            assert form.intro.said(language)
