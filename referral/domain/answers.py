"""What a clinician filled in, checked against the form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from referral.domain.codes import POSITIVE, ClinicianKind, Decision
from referral.domain.errors import InvalidInput, Issue
from referral.domain.form import ITEMS, Item, Kind, items_for
from referral.domain.language import Phrase, phrase
from referral.domain.npi import is_valid_npi
from referral.domain.time_zones import state_of

# How far ahead a visit can be planned: reminders stand still until then.
_LONGEST_WAIT: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Answers:
    """Checked answers by link id: one value each, but a tuple of codes for the item of kind MANY."""

    values: Mapping[str, str | tuple[str, ...]]

    def text(self, link_id: str) -> str | None:
        value = self.values.get(link_id)
        return value if isinstance(value, str) else None

    @property
    def decision(self) -> Decision:
        return Decision(str(self.values["decision"]))

    @property
    def red_flags(self) -> tuple[str, ...]:
        """Link ids answered yes or don't-know."""
        return tuple(
            item.link_id
            for item in ITEMS
            if item.red_flag and self.values.get(item.link_id) in ("yes", "unknown")
        )

    @property
    def is_positive(self) -> bool:
        return self.decision in POSITIVE


def check_answers(raw: Mapping[str, list[str]], kind: ClinicianKind, today: date) -> Answers:
    """The checked answers, or InvalidInput with one issue per item (`expression` is the link id).

    Items that the decision makes meaningless are dropped, so that a changed mind leaves no stray answer.
    `today` is the clinician's date; a last visit lies not after it, a planned visit not before.
    """
    issues: list[Issue] = []
    values: dict[str, str | tuple[str, ...]] = {}
    for item in items_for(kind):
        given = [value.strip() for value in raw.get(item.link_id, []) if value.strip()]
        if not _is_asked(item, values):
            continue
        if not given:
            if item.required or item.needed_when is not None:
                issues.append(
                    Issue(phrase("Please answer: %(what)s", what=_label(item)), (item.link_id,), "required")
                )
            continue
        problem = _problem(item, given, today)
        if problem:
            issues.append(Issue(problem, (item.link_id,), "value"))
        elif item.kind is Kind.MANY:
            values[item.link_id] = tuple(dict.fromkeys(given))
        else:
            values[item.link_id] = given[0]
    if issues:
        raise InvalidInput(*issues)
    return Answers(values)


def _is_asked(item: Item, values: Mapping[str, str | tuple[str, ...]]) -> bool:
    if item.needed_when is None:
        return True
    other, wanted = item.needed_when
    return values.get(other) in wanted


def _label(item: Item) -> Phrase:
    return Phrase(phrase("Agreement") if item.kind is Kind.TICK else item.text, {})


def _problem(item: Item, given: list[str], today: date) -> str | None:
    if item.options:
        return _choice_problem(item, given)
    value = given[0]
    if item.kind is Kind.TICK:
        return None if value == "yes" else phrase("Agreement: tick the box to sign.")
    if len(value) > item.max_length:
        return phrase(
            "At most %(most)s characters, these are %(count)s: %(what)s",
            what=_label(item),
            most=item.max_length,
            count=len(value),
        )
    if item.kind is Kind.DATE:
        return _date_problem(item, value, today)
    return _line_problem(item, value)


def _line_problem(item: Item, value: str) -> str | None:
    if item.link_id == "signer-license-state" and state_of((value,)) is None:
        return phrase("License state: the two letters of a state, for example CO, or leave it empty.")
    if item.link_id == "signer-npi" and not is_valid_npi(value):
        return phrase("NPI: ten digits with a valid check digit, or leave it empty.")
    return None


def _choice_problem(item: Item, given: list[str]) -> str | None:
    codes = {option.code for option in item.options}
    if item.kind is Kind.MANY:
        return None if set(given) <= codes else phrase("Choose from the list: %(what)s", what=_label(item))
    return None if given[0] in codes else phrase("Choose one of the answers: %(what)s", what=_label(item))


def _date_problem(item: Item, value: str, today: date) -> str | None:
    try:
        day = date.fromisoformat(value)
    except ValueError:
        day = None
    if day is None or day.isoformat() != value:
        return phrase(
            "Write the date as year-month-day, for example %(example)s: %(what)s",
            what=_label(item),
            example=today.isoformat(),
        )
    if item.link_id == "last-seen" and day > today:
        return phrase("This day has not come yet: %(what)s", what=_label(item))
    if item.link_id == "visit-planned" and day < today:
        return phrase("This day has passed: %(what)s", what=_label(item))
    if item.link_id == "visit-planned" and day > today + _LONGEST_WAIT:
        return phrase("More than a year away, please call the clinic instead: %(what)s", what=_label(item))
    return None
