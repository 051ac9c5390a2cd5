"""PHQ-9, GAD-7, PCL-5 and pain by number: what is asked, and what the answers come to.

A score helps a person to see how it goes; it is no diagnosis and decides nothing here. But one answer is
never only a number: any sign of thoughts of self-harm (question 9 of the PHQ-9) is a task for a person, at
once.

Sources. PHQ-9: Kroenke, Spitzer, Williams, J Gen Intern Med 2001;16:606. GAD-7: Spitzer et al., Arch Intern
Med 2006;166:1092. Of both, by the rule in common use, one or two missing answers take the mean of the others;
with more there is no total. PCL-5: Weathers et al. 2013 and ptsd.va.gov: sum of 20; a cutoff of 31 to 33
suggests PTSD; an answer of 2 or more counts as a symptom, and 1 B, 1 C, 2 D and 2 E make a provisional
diagnosis; no rule for missing answers is published, so there is no total then. Pain: 1-3 mild, 4-6 moderate,
7-10 severe (NCCN and WHO practice).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from referral.domain import scale_texts as texts
from referral.domain.language import Language
from referral.domain.scale_texts import Wording


class Scale(StrEnum):
    """The values name the published Questionnaires."""

    PHQ_9 = "phq-9"
    GAD_7 = "gad-7"
    PCL_5 = "pcl-5"
    PAIN = "pain-nrs"


@dataclass(frozen=True, slots=True)
class Question:
    """`link_id` is the LOINC code of the question where one is known."""

    link_id: str
    text: Wording
    loinc: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One choice. `code` is that of LOINC's answer list where the scale has one, else ours."""

    value: int
    text: Wording
    code: str


@dataclass(frozen=True, slots=True)
class Band:
    """Totals from `least` on, up to the next band."""

    least: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One scale. `most_missing` answers may be missing for a total; `panel` and `total` are LOINC codes."""

    scale: Scale
    title: str
    panel: str
    total: str
    total_name: str
    intro: Wording
    questions: tuple[Question, ...]
    answers: tuple[Answer, ...]
    bands: tuple[Band, ...]
    most_missing: int = 0

    @property
    def highest(self) -> int:
        """The highest total that there is."""
        return len(self.questions) * self.answers[-1].value


def _questions(wordings: tuple[Wording, ...], *codes: str, stem: str = "") -> tuple[Question, ...]:
    if not codes:
        return tuple(Question(f"{stem}-{number}", text) for number, text in enumerate(wordings, 1))
    return tuple(Question(code, text, code) for text, code in zip(wordings, codes, strict=True))


# LOINC's answer list LL358-3.
_OFTEN: Final = tuple(
    Answer(value, text, code)
    for value, (text, code) in enumerate(
        zip(texts.HOW_OFTEN, ("LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"), strict=True)
    )
)
_MUCH: Final = tuple(
    Answer(value, text, code)
    for value, (text, code) in enumerate(
        zip(
            texts.HOW_MUCH,
            ("not-at-all", "a-little-bit", "moderately", "quite-a-bit", "extremely"),
            strict=True,
        )
    )
)
_NUMBERS: Final = tuple(Answer(value, Wording(str(value), str(value)), str(value)) for value in range(11))

# Question 9 of the PHQ-9.
SELF_HARM: Final = "44260-8"

FORMS: Final = {
    form.scale: form
    for form in (
        Form(
            scale=Scale.PHQ_9,
            title="PHQ-9",
            panel="44249-1",
            total="44261-6",
            total_name="Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]",
            intro=texts.TWO_WEEKS,
            questions=_questions(
                texts.PHQ_9,
                *("44250-9", "44255-8", "44259-0", "44254-1", "44251-7"),
                *("44258-2", "44252-5", "44253-3", SELF_HARM),
            ),
            answers=_OFTEN,
            bands=(
                Band(0, "minimal"),
                Band(5, "mild"),
                Band(10, "moderate"),
                Band(15, "moderately severe"),
                Band(20, "severe"),
            ),
            most_missing=2,
        ),
        Form(
            scale=Scale.GAD_7,
            title="GAD-7",
            panel="69737-5",
            total="70274-6",
            total_name="Generalized anxiety disorder 7 item (GAD-7) total score [Reported.PHQ]",
            intro=texts.TWO_WEEKS,
            questions=_questions(
                texts.GAD_7,
                *("69725-0", "68509-9", "69733-4", "69734-2", "69735-9", "69689-8", "69736-7"),
            ),
            answers=_OFTEN,
            bands=(Band(0, "minimal"), Band(5, "mild"), Band(10, "moderate"), Band(15, "severe")),
            most_missing=2,
        ),
        Form(
            scale=Scale.PCL_5,
            title="PCL-5",
            panel="101697-1",
            total="101698-9",
            total_name="PTSD PCL-5 score [PCL-5]",
            intro=texts.PAST_MONTH,
            questions=_questions(texts.PCL_5, stem="pcl-5"),
            answers=_MUCH,
            bands=(
                Band(0, "below the cutoff"),
                Band(31, "at the cutoff (31 to 33)"),
                Band(34, "above the cutoff"),
            ),
        ),
        Form(
            scale=Scale.PAIN,
            title="Pain, 0 to 10",
            panel="72514-3",
            total="72514-3",
            total_name="Pain severity - 0-10 verbal numeric rating [Score] - Reported",
            intro=texts.PAIN_NOW,
            questions=_questions(texts.PAIN, "72514-3"),
            answers=_NUMBERS,
            bands=(Band(0, "none"), Band(1, "mild"), Band(4, "moderate"), Band(7, "severe")),
        ),
    )
}

# DSM-5 clusters of the PCL-5: first and last question, how many symptoms a provisional diagnosis needs.
CLUSTERS: Final = {"B": (1, 5, 1), "C": (6, 7, 1), "D": (8, 14, 2), "E": (15, 20, 2)}
_SYMPTOM: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """`total` None: too many answers are missing. `estimated`: it is the mean of fewer answers, made whole.

    `clusters` are sums by DSM-5 cluster, of a whole PCL-5 alone; `provisional` says whether its symptoms
    would make a provisional diagnosis. `self_harm` is the answer to question 9 of a PHQ-9, None without one.
    """

    total: int | None
    band: str
    missing: int
    estimated: bool = False
    clusters: Mapping[str, int] | None = None
    provisional: bool | None = None
    self_harm: int | None = None


def score(scale: Scale, answers: Mapping[str, int]) -> Score:
    """`answers` by link id; what is no question of the scale, or no answer to it, raises ValueError."""
    form = FORMS[scale]
    known, highest = {question.link_id for question in form.questions}, form.answers[-1].value
    wrong = [id for id, value in answers.items() if id not in known or not 0 <= value <= highest]
    if wrong:
        raise ValueError(f"not of {scale}: {', '.join(sorted(wrong))}")
    missing = len(form.questions) - len(answers)
    total = _total(form, answers, missing)
    whole_pcl = scale is Scale.PCL_5 and total is not None
    return Score(
        total=total,
        band=band_of(scale, total) if total is not None else "",
        missing=missing,
        estimated=bool(missing) and total is not None,
        clusters=_clusters(form, answers) if whole_pcl else None,
        provisional=_is_provisional(form, answers) if whole_pcl else None,
        self_harm=answers.get(SELF_HARM),
    )


def band_of(scale: Scale, total: int) -> str:
    """How the authors of the scale call this total."""
    return [band.name for band in FORMS[scale].bands if band.least <= total][-1]


def _total(form: Form, answers: Mapping[str, int], missing: int) -> int | None:
    if missing > form.most_missing or not answers:
        return None
    # A half counts up, in whole numbers: 2.5 is 3.
    count, asked = len(answers), len(form.questions)
    return (2 * sum(answers.values()) * asked + count) // (2 * count)


def _clusters(form: Form, answers: Mapping[str, int]) -> dict[str, int]:
    return {name: sum(_of_cluster(form, answers, name)) for name in CLUSTERS}


def _is_provisional(form: Form, answers: Mapping[str, int]) -> bool:
    return all(
        sum(value >= _SYMPTOM for value in _of_cluster(form, answers, name)) >= needed
        for name, (_, _, needed) in CLUSTERS.items()
    )


def _of_cluster(form: Form, answers: Mapping[str, int], name: str) -> list[int]:
    first, last, _ = CLUSTERS[name]
    return [answers[question.link_id] for question in form.questions[first - 1 : last]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleScore:
    """One total. `sessions` is how many treatments of the order had begun by then."""

    scale: Scale
    total: int
    taken_at: datetime
    sessions: int


class Source(StrEnum):
    """Who filled it in: the patient through a link, staff on a page, another system."""

    PATIENT = "patient"
    STAFF = "staff"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptScale:
    """One filled scale as a row; `id` is its QuestionnaireResponse, or the Observation that came alone.

    `total` None where too much was left out. `self_harm` None: no such question, or not answered.
    """

    id: str
    patient_id: str
    order_id: str | None
    scale: Scale
    total: int | None
    missing: int
    self_harm: int | None
    source: Source
    taken_at: datetime
    recorded_by: str
    observation_id: str | None = None
    voided_at: datetime | None = None


def name_of(scale: Scale, language: Language) -> str:
    """How the patient is told about it: neither an illness nor an abbreviation of one."""
    return NAMES[scale].said(language)


NAMES: Final = {
    Scale.PHQ_9: Wording("How you have been feeling", "Cómo se ha sentido"),
    Scale.GAD_7: Wording("Worry and restlessness", "Preocupación e inquietud"),
    Scale.PCL_5: Wording("After a stressful experience", "Después de una experiencia estresante"),
    Scale.PAIN: Wording("Your pain", "Su dolor"),
}


class SafetyAction(StrEnum):
    """What somebody has done about a safety task; without one of these nothing is settled."""

    SPOKE_SAFE = "spoke-safe"
    SAFETY_PLAN = "safety-plan"
    EMERGENCY = "emergency"
    CARE_TEAM = "care-team"
    MISTAKE = "mistake"
    EXAMINED = "examined"


SAFETY_ACTIONS: Final = {
    SafetyAction.SPOKE_SAFE: "Spoke with the patient; no danger now",
    SafetyAction.SAFETY_PLAN: "Spoke with the patient; safety plan made",
    SafetyAction.EMERGENCY: "Emergency services, 988 or an emergency department involved",
    SafetyAction.CARE_TEAM: "Handed over to the treating clinician in person",
    SafetyAction.MISTAKE: "Spoke with the patient; ticked by mistake",
}
# About a serious adverse event.
EVENT_ACTIONS: Final = {
    SafetyAction.EXAMINED: "A physician has examined the patient; no danger now",
    SafetyAction.EMERGENCY: "Emergency services or an emergency department involved",
    SafetyAction.CARE_TEAM: "Handed over to the treating clinician in person",
    SafetyAction.MISTAKE: "Spoke with the patient; it was recorded by mistake",
}
LEAST_NOTE: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyTask:
    """What waits for a person at once, or has been seen to: a sign of self-harm, or a serious adverse event.

    `id` is its Task.

    `source` is the resource it came with ("Type/id"); `answer` None: said, but not in a number we can read.
    """

    id: str
    patient_id: str
    order_id: str | None
    source: str
    answer: int | None
    raised_at: datetime
    settled_at: datetime | None = None
    settled_by: str | None = None
    action: SafetyAction | None = None
    note_id: str | None = None

    @property
    def is_event(self) -> bool:
        """A serious adverse event, and no sign of self-harm."""
        return self.source.startswith("AdverseEvent/")

    @property
    def actions(self) -> Mapping[SafetyAction, str]:
        """What may have been done about it, in words."""
        return EVENT_ACTIONS if self.is_event else SAFETY_ACTIONS
