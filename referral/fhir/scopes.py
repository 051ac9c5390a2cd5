"""SMART scopes, version 2: `system/Type.cruds`, perhaps restricted by a search: `system/Task.rus?owner=…`.

What a scope says is read strictly: letters in the order c r u d s, and of a restriction only what can be
looked at exactly in one resource: plain parameters of its type, no modifiers, chains or moving dates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from referral.fhir.problems import InvalidSearch
from referral.fhir.search_model import Clause
from referral.fhir.search_parameters import parameters
from referral.fhir.search_query import parse_search, query_pairs
from referral.fhir.search_values import DateValue

EVERY_TYPE: Final = "*"
LETTERS: Final = "cruds"
_SCOPE: Final = re.compile(
    r"system/(?P<type>\*|[A-Z][A-Za-z]{1,63})\.(?P<letters>c?r?u?d?s?)(?:\?(?P<query>.+))?"
)
# RFC 6749, 3.3: no spaces, quotation marks or backslashes.
_TOKEN: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,1000}")
_MOST_SCOPES: Final = 200
# What a value says by itself; a composite or a distance does not.
_EXACT: Final = frozenset({"token", "reference", "date", "string", "uri", "number", "quantity"})
# Restrictions do not depend on when they are read.
_ANY_TIME: Final = datetime(2026, 1, 1, tzinfo=UTC)


class UnusableScope(ValueError):
    """Says in a sentence what is wrong with a scope."""


@dataclass(frozen=True, slots=True)
class Scope:
    """`type` is `*` for every type; `query` is the restriction as it was written, empty for none."""

    type: str
    letters: str
    query: str = ""

    def __str__(self) -> str:
        return f"system/{self.type}.{self.letters}" + (f"?{self.query}" if self.query else "")

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """What a resource has to meet, all of it; nothing where there is no restriction."""
        return _restriction(self.type, self.query) if self.query else ()


def read_scope(text: str) -> Scope:
    """Raises UnusableScope for what is none, or cannot be answered exactly."""
    if not text:
        raise UnusableScope("Give at least one scope, such as system/Task.rus.")
    match = _SCOPE.fullmatch(text) if _TOKEN.fullmatch(text) else None
    if match is None or not match["letters"]:
        raise UnusableScope(
            f"{ascii(text)[1:-1][:80]} is no scope such as system/Task.rus, letters in the order c r u d s."
        )
    scope = Scope(match["type"], match["letters"], match["query"] or "")
    _ = scope.clauses
    return scope


def usable(texts: Iterable[str]) -> list[Scope]:
    """Those that can be read; the others grant nothing."""
    found: dict[Scope, None] = {}
    for text in texts:
        try:
            found[read_scope(text)] = None
        except UnusableScope:
            continue
    return list(found)


def granted(asked: str, registered: Iterable[str]) -> list[Scope]:
    """What is both asked for and registered, in the order asked; unknown scopes are dropped.

    `asked` has spaces between scopes. The narrower of two types, the letters of both, and both restrictions.
    """
    own = usable(registered)
    pairs = ((a, b) for a in usable(asked.split(" ")[:_MOST_SCOPES]) for b in own)
    return list(dict.fromkeys(both for a, b in pairs if (both := _both(a, b)) is not None))


def _both(asked: Scope, registered: Scope) -> Scope | None:
    if EVERY_TYPE not in (asked.type, registered.type) and asked.type != registered.type:
        return None
    type = registered.type if asked.type == EVERY_TYPE else asked.type
    letters = "".join(
        letter for letter in LETTERS if letter in asked.letters and letter in registered.letters
    )
    query = "&".join(dict.fromkeys(part for part in (registered.query, asked.query) if part))
    return Scope(type, letters, query) if letters else None


@lru_cache(maxsize=1024)
def _restriction(type: str, query: str) -> tuple[Clause, ...]:
    if type == EVERY_TYPE:
        raise UnusableScope("A restriction needs one type: system/*.… takes no query.")
    try:
        pairs = query_pairs(query)
        for name, _ in pairs:
            found = parameters(type).get(name)
            if found is None or found.kind not in _EXACT or name == "_lastUpdated":
                raise UnusableScope(f"{ascii(name)[1:-1][:64]} cannot restrict a scope of {type}.")
        clauses = parse_search(type, query, now=_ANY_TIME, strict=True).clauses
    except InvalidSearch as error:
        raise UnusableScope(f"The restriction of {type} cannot be read: {error}") from error
    moving = any(isinstance(v, DateValue) and v.prefix == "ap" for clause in clauses for v in clause.values)
    if not clauses or moving or "\x00" in query or any("\x00" in part for pair in pairs for part in pair):
        raise UnusableScope(f"The restriction of {type} cannot be answered exactly.")
    return clauses
