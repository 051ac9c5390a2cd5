"""How what people type is found among keys: one word and then all of them (migration 0029).

The longest word that was typed is looked for at the beginning of a key, which is a range of the index and the
smallest one in most cases; the others stand in the same key, so nothing else is read. Ranges are written as
comparisons: behind a fence PostgreSQL goes by no index for LIKE, which is not leakproof.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import ColumnElement

from referral.domain.folding import folded

_NPI: Final = re.compile(r"[0-9]{10}")
_DATE: Final = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
    r"|(?P<month_us>\d{1,2})/(?P<day_us>\d{1,2})/(?P<year_us>\d{4})",
    re.ASCII,
)
_LAST: Final = "\U0010ffff"
_MOST_TOKENS: Final = 8


@dataclass(frozen=True, slots=True)
class Query:
    """What people have typed: words as names are compared, the longest first; dates of birth; NPIs."""

    tokens: list[str]
    days: list[date]
    npis: list[str]


def read_query(words: str) -> Query:
    """A date as 1984-05-17 or 5/17/1984; ten digits are an NPI; everything else begins a word of the name."""
    asked = Query([], [], [])
    for word in dict.fromkeys(folded(words.replace(",", " ").replace("\x00", " ")).split()):
        day = _day(word)
        if day is not None:
            asked.days.append(day)
        elif _NPI.fullmatch(word):
            asked.npis.append(word)
        else:
            asked.tokens.append(word)
    asked.tokens.sort(key=lambda token: -len(token))
    del asked.tokens[_MOST_TOKENS:]
    return asked


def _day(word: str) -> date | None:
    written = _DATE.fullmatch(word)
    if written is None:
        return None
    year, month, day = (written[name] or written[f"{name}_us"] for name in ("year", "month", "day"))
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def key_range(key: ColumnElement[Any], tokens: list[str]) -> tuple[ColumnElement[bool], ...]:
    """Every token begins one of the words; `tokens` as read_query() gives them, at least one."""
    first, *others = tokens
    beginning = (key >= first, key < last_of(first))
    return (*beginning, *(key.like(behind(token), escape="\\") for token in others))


def last_of(token: str) -> str:
    """Behind every key that begins so."""
    return token + _LAST


def behind(token: str) -> str:
    """A pattern: one of the further words begins so."""
    return f"% {_plain(token)}%"


def _plain(token: str) -> str:
    return token.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
