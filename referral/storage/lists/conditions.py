"""Conditions that several lists share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Table, and_, false, select, true, union

from referral.domain.folding import folded
from referral.storage.lists.keyset import Asked, Condition
from referral.storage.people_search import matching

_MOST_WORDS: Final = 6
_NUMBER: Final = re.compile(r"(?:r-)?(?:(20\d\d)-)?(\d{1,7})")
# No request of this service is older.
_FIRST_YEAR: Final = 2025


def equals(column: ColumnElement[Any]) -> Condition:
    """The value itself, such as an id."""

    def condition(asked: Asked) -> ColumnElement[bool]:
        return column == asked.value

    return condition


def one_of(choices: Mapping[str, Any]) -> Condition:
    """A condition for each value that can be chosen; for any other, that of '' where there is one."""

    def condition(asked: Asked) -> ColumnElement[bool] | None:
        found = choices.get(asked.value, choices.get(""))
        made: ColumnElement[bool] | None = found(asked) if callable(found) else found
        return made

    return condition


def words_of(text: str) -> list[str]:
    """As names are compared, without what a pattern could be made of."""
    return folded(text).replace("%", "").replace("_", "").replace("\\", "").split()[:_MOST_WORDS]


def people_named(asked: Asked, table: Table, words: str) -> Select[Any]:
    """The ids of the patients or clinicians whom these words mean."""
    found = matching(asked.session, table, words) or (false(),)
    return select(table.c.id).where(table.c.clinic_id == asked.session.clinic, *found)


def is_named(table: Table) -> Condition:
    """For a list of the people themselves."""

    def condition(asked: Asked) -> ColumnElement[bool] | None:
        return and_(true(), *matching(asked.session, table, asked.value))

    return condition


def numbers(asked: Asked, word: str) -> list[str]:
    """The numbers of requests that somebody may mean: 'R-2026-00042', '2026-42', '42' of any year."""
    found = _NUMBER.fullmatch(word)
    if found is None:
        return []
    years = [int(found[1])] if found[1] else range(_FIRST_YEAR, asked.now.year + 1)
    return [f"R-{year}-{int(found[2]):05d}" for year in years]


def every_word(asked: Asked, column: ColumnElement[Any], *of_word: Any) -> ColumnElement[bool] | None:
    """Each word of the search is met by one of these; None where there are no words.

    `of_word` make of a word the ids that `column` may be. Each is a search of its own, so that it can use its
    index: one condition with "or" in it would have every row looked at.
    """
    words = words_of(asked.value)
    met = (column.in_(union(*(one(word) for one in of_word))) for word in words)
    return and_(*met) if words else None
