"""A scale on a page: its questions as they are shown, and its answers as they were chosen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from starlette.datastructures import FormData

from referral.domain.language import Language
from referral.domain.scales import Form as ScaleForm
from referral.web.form import Form


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    text: str
    checked: bool


@dataclass(frozen=True, slots=True)
class Question:
    """`missing`: it was left out, and the page asks once more."""

    name: str
    number: int
    text: str
    choices: tuple[Choice, ...]
    missing: bool


@dataclass(frozen=True, slots=True)
class Typed:
    """What was chosen, as it came, and the answers among it by link id."""

    values: dict[str, str]
    answers: dict[str, int]


def questions_of(asked: ScaleForm, form: Form, language: Language) -> tuple[Question, ...]:
    """In their order; nothing is chosen before the patient has."""
    return tuple(
        Question(
            question.link_id,
            number,
            question.text.said(language),
            tuple(
                Choice(
                    str(answer.value),
                    answer.text.said(language),
                    form.value(question.link_id) == str(answer.value),
                )
                for answer in asked.answers
            ),
            bool(form.error(question.link_id)),
        )
        for number, question in enumerate(asked.questions, 1)
    )


def typed_answers(posted: FormData, asked: ScaleForm) -> Typed:
    """What is no choice of the page counts as not answered."""
    values: dict[str, str] = {}
    for question in asked.questions:
        given = posted.get(question.link_id)
        if isinstance(given, str) and given in {str(answer.value) for answer in asked.answers}:
            values[question.link_id] = given
    return Typed(values, {link_id: int(value) for link_id, value in values.items()})


def typed_day(text: str) -> date | None:
    """What a date field sends; None for nothing and for nonsense."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None
