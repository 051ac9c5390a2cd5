"""The form's items as the portal shows them: which fit the answer, what was filled in, what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Final

from starlette.datastructures import FormData

from referral.domain.codes import POSITIVE, ClinicianKind, Decision
from referral.domain.errors import InvalidInput
from referral.domain.form import BY_LINK_ID, DECISIONS, ROLES, SECTIONS, Item, Kind, items_for
from referral.domain.language import Language, phrase
from referral.letters.content import printable_text
from referral.translation import long_date, say

Values = Mapping[str, list[str]]

SIGNATURE: Final = (
    *("attestation", "signer-name", "signer-credentials"),
    *("signer-role", "signer-license-state", "signer-npi"),
)
SIGNATURE_ITEMS: Final = tuple(BY_LINK_ID[link_id] for link_id in SIGNATURE)
# No item has more options; whoever sends more does not send our form.
_MOST_ANSWERS: Final = 8
_OPINION: Final = frozenset({*POSITIVE, Decision.NOT_RECOMMENDED})
# Where an item has no condition of its own, its section has: nobody plans the follow-up of a course that was
# advised against.
_SECTION_FITS: Final = {"care": _OPINION, "follow-up": POSITIVE}
# On one page all questions stand beside each other, whatever the answer is.
_ONLY_FOR: Final = {
    "conditions": "Only if it is recommended with conditions.",
    "reason-code": "Only if it is not recommended.",
    "reason": "Only if it is not recommended.",
    "visit-planned": "Only if they need to see the patient first.",
}
_DETAILS: Final = {
    Decision.RECOMMENDED: phrase("It fits, as far as you can tell from your records."),
    Decision.RECOMMENDED_WITH_CONDITIONS: phrase("It fits if something is seen to first; you say what."),
    Decision.NOT_RECOMMENDED: phrase("You advise against it; you say why."),
    Decision.NEEDS_INFORMATION: phrase("You tell us when; reminders wait until then."),
    Decision.NOT_MY_PATIENT: phrase("We stop asking you, and correct our records."),
}


@dataclass(frozen=True, slots=True)
class Option:
    code: str
    text: str
    detail: str = ""
    checked: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """One item with what was filled in. `shape` names the macro that draws it.

    `is_conditional`: whether it must be answered depends on another answer on the same page.
    """

    link_id: str
    text: str
    hint: str
    shape: str
    is_required: bool
    max_length: int
    options: tuple[Option, ...]
    value: str
    is_conditional: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    key: str
    title: str
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A question with its answer in words, as it is read before signing."""

    question: str
    answer: str


def decision_of(values: Values) -> Decision | None:
    """The answer that was chosen, None for none or one that does not exist."""
    given = next(iter(values.get("decision", [])), "")
    return Decision(given) if given in {option.code for option in DECISIONS} else None


def decision_words(decision: str, language: Language) -> str:
    """The answer as it stands on the button."""
    return say(language, next((option.text for option in DECISIONS if option.code == decision), decision))


def decisions(values: Values, language: Language) -> tuple[Option, ...]:
    """The five answers, the one chosen so far marked."""
    chosen, said = decision_of(values), partial(say, language)
    return tuple(
        Option(option.code, said(option.text), said(_DETAILS[Decision(option.code)]), option.code == chosen)
        for option in DECISIONS
    )


def asked(kind: ClinicianKind, decision: Decision) -> tuple[Item, ...]:
    """The items between the answer and the signature that fit both the discipline and the answer."""
    return tuple(
        item
        for item in items_for(kind)
        if item.link_id not in ("decision", *SIGNATURE) and _fits(item, decision)
    )


def _fits(item: Item, decision: Decision) -> bool:
    if item.needed_when is not None:
        return decision in item.needed_when[1]
    return decision in _SECTION_FITS.get(item.section, _OPINION)


def sections(
    kind: ClinicianKind, decision: Decision, values: Values, language: Language
) -> tuple[Section, ...]:
    """In the order of the form; sections without a question are left out."""
    items = asked(kind, decision)
    made = (
        Section(
            key,
            say(language, title),
            tuple(
                _question(item, values.get(item.link_id, []), language)
                for item in items
                if item.section == key
            ),
        )
        for key, title in SECTIONS.items()
    )
    return tuple(section for section in made if section.questions)


def _question(item: Item, given: list[str], language: Language) -> Question:
    said = partial(say, language)
    return Question(
        link_id=item.link_id,
        text=said(item.text),
        hint=said(item.hint) if item.hint else "",
        shape=item.kind,
        is_required=item.required or item.needed_when is not None,
        max_length=item.max_length,
        options=tuple(
            Option(option.code, said(option.text), "", option.code in given) for option in item.options
        ),
        value=given[0] if given and not item.options else "",
    )


def paper_sections(kind: ClinicianKind, values: Values) -> tuple[Section, ...]:
    """The whole form of a discipline on one page, as it stands on paper; for staff, who write it down."""
    made = []
    for key, title in SECTIONS.items():
        items = [
            item
            for item in items_for(kind)
            if item.section == key and item.on_paper and item.kind is not Kind.TICK
        ]
        questions = (_question(item, values.get(item.link_id, []), Language.ENGLISH) for item in items)
        made.append(
            Section(
                key,
                title,
                tuple(
                    replace(
                        question,
                        hint=_ONLY_FOR.get(item.link_id, question.hint),
                        is_required=item.required,
                        is_conditional=item.needed_when is not None,
                    )
                    for item, question in zip(items, questions, strict=True)
                ),
            )
        )
    return tuple(made)


def lines(kind: ClinicianKind, decision: Decision, values: Values, language: Language) -> tuple[Line, ...]:
    """What will be signed, in words: only what was answered."""
    made = []
    for item in asked(kind, decision):
        given = [text for text in values.get(item.link_id, []) if text.strip()]
        if given:
            answer = ", ".join(_in_words(item, text, language) for text in given)
            made.append(Line(say(language, item.text), answer))
    return tuple(made)


def _in_words(item: Item, given: str, language: Language) -> str:
    if item.kind is Kind.DATE:
        return long_date(language, date.fromisoformat(given))
    chosen = next((option.text for option in item.options if option.code == given), None)
    return say(language, chosen) if chosen else given


def posted_values(form: FormData, items: tuple[Item, ...]) -> dict[str, list[str]]:
    """What was typed and chosen for these items, made printable; an empty list for nothing.

    One character more than an item holds is kept, so that the check can say that it is too long.
    """
    return {
        item.link_id: [
            printable_text(str(text))[: item.max_length + 1]
            for text in form.getlist(item.link_id)[:_MOST_ANSWERS]
        ]
        for item in items
    }


def to_check(kind: ClinicianKind, decision: Decision, values: Values) -> dict[str, list[str]]:
    """The values of items that were shown for this answer: a changed mind leaves no trace."""
    shown = ("decision", *(item.link_id for item in asked(kind, decision)), *SIGNATURE)
    return {link_id: list(values.get(link_id, [])) for link_id in shown}


def errors_of(refusal: InvalidInput, link_ids: tuple[str, ...], language: Language) -> dict[str, str]:
    """The sentences about these items, by link id, in the order of the page."""
    sentences = {
        issue.expression[0]: say(language, issue.text) for issue in refusal.issues if issue.expression
    }
    return {link_id: sentences[link_id] for link_id in link_ids if link_id in sentences}


def roles(language: Language) -> tuple[Option, ...]:
    """As whom somebody can sign."""
    return tuple(Option(option.code, say(language, option.text)) for option in ROLES)


def attestation(language: Language) -> str:
    """The sentence that is agreed to."""
    return say(language, BY_LINK_ID["attestation"].text)
