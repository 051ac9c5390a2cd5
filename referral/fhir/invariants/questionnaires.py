"""Invariants of Questionnaire and QuestionnaireResponse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from referral.fhir.invariants.reading import (
    Element,
    Rule,
    chosen,
    each,
    has,
    not_both,
    repeated,
    text,
    unless,
)

_WITH_OPTIONS: Final = frozenset(
    {"choice", "open-choice", "decimal", "integer", "date", "dateTime", "time", "string", "quantity"}
)
_WITH_LENGTH: Final = frozenset({"boolean", "decimal", "integer", "string", "text", "url", "open-choice"})


def _items(element: Element, depth: int = 0) -> Iterator[Element]:
    for _, item in each(element, "item"):
        yield item
        yield from _items(item, depth + 1)


def _unique_links(element: Element) -> tuple[str, ...] | None:
    links = ((0, text(item, "linkId")) for item in _items(element) if has(item, "linkId"))
    return None if repeated(links) is None else ("item",)


def _nesting(item: Element) -> bool:
    kind = text(item, "type")
    return has(item, "item") if kind == "group" else kind != "display" or not has(item, "item")


def _display_has_no(*names: str) -> Rule:
    return unless(lambda e: text(e, "type") != "display" or not has(e, *names), names[0])


def _unless_type(allowed: Callable[[str], bool], *names: str) -> Rule:
    return unless(lambda e: not has(e, *names) or allowed(text(e, "type")), names[0])


def _exists_is_asked_with_a_boolean(condition: Element) -> bool:
    return text(condition, "operator") != "exists" or has(condition, "answerBoolean")


def _initial_repeats(item: Element) -> bool:
    initial = item.get("initial")
    return item.get("repeats") is True or not isinstance(initial, list) or len(initial) <= 1


def _behaviour(item: Element) -> bool:
    """R4's sentence says more than one; its expression says more than two."""
    return sum(1 for _ in each(item, "enableWhen")) <= 1 or has(item, "enableBehavior")


RULES: Final[dict[tuple[str, str], Rule]] = {
    ("Questionnaire", "que-2"): _unique_links,
    ("Questionnaire.item", "que-1"): unless(_nesting, "item"),
    ("Questionnaire.item", "que-3"): _display_has_no("code"),
    ("Questionnaire.item", "que-4"): not_both("answerOption", "answerValueSet"),
    ("Questionnaire.item", "que-5"): _unless_type(
        _WITH_OPTIONS.__contains__, "answerValueSet", "answerOption"
    ),
    ("Questionnaire.item", "que-6"): _display_has_no("required", "repeats"),
    ("Questionnaire.item.enableWhen", "que-7"): unless(_exists_is_asked_with_a_boolean, "answer"),
    ("Questionnaire.item", "que-8"): _unless_type(lambda kind: kind not in {"group", "display"}, "initial"),
    ("Questionnaire.item", "que-9"): _display_has_no("readOnly"),
    ("Questionnaire.item", "que-10"): _unless_type(_WITH_LENGTH.__contains__, "maxLength"),
    ("Questionnaire.item", "que-11"): not_both("answerOption", "initial"),
    ("Questionnaire.item", "que-12"): unless(_behaviour, "enableBehavior"),
    ("Questionnaire.item", "que-13"): unless(_initial_repeats, "initial"),
    ("QuestionnaireResponse.item", "qrs-1"): unless(
        lambda e: not ((has(e, "answer") or chosen(e, "answer")) and has(e, "item")), "item"
    ),
}
