"""Mutants of a function in SQL: each differs from it in one place, as a slip of the hand would.

What is mutated, wherever it stands: comparisons, AND/OR/NOT, EXISTS, IS, literals and numbers, containment,
order and early returns; and every line that is one more condition is left out once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

# Each match is replaced by each of the others in turn.
_SLIPS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (r"(?<= )>(?= )", (">=", "<=")),
    (r"(?<= )<=(?= )", ("<", ">")),
    (r"(?<= )=(?= )", ("<>",)),
    (r"(?<= )@>(?= )", ("<@",)),
    (r"\bAND\b(?! \$)", ("OR",)),
    (r"\bOR\b", ("AND",)),
    (r"\bNOT EXISTS\b", ("EXISTS",)),
    (r"(?<!NOT )\bEXISTS\b", ("NOT EXISTS",)),
    (r"\bNOT IN\b", ("IN",)),
    (r"\bOR NOT \(", ("OR (",)),
    (r"\bIS NULL\b", ("IS NOT NULL",)),
    (r"\bIS NOT NULL\b", ("IS NULL",)),
    (r"\bIS TRUE\b", ("IS NOT TRUE",)),
    (r"\bIS DISTINCT FROM\b", ("IS NOT DISTINCT FROM",)),
    (r"\bIF (?=v_)", ("IF NOT ",)),
    (r"'(?:[^']|'')+'", ("'!'",)),
    (r"(?<=[ (])\d+\b", ("7",)),
    (r" DESC\b", ("",)),
    (r"\bRETURN;", ("NULL;",)),
)
_CONDITION: Final = re.compile(r"^ *(?:AND|WHERE) .*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SqlMutant:
    """`name` says what is different and stays the same when lines move."""

    name: str
    body: str


def mutants(body: str) -> Iterator[SqlMutant]:
    """All of them; some are no SQL at all, and nobody can install those."""
    seen: Counter[str] = Counter()
    for start, end, new in [*_replacements(body), *_left_out(body)]:
        line_start = body.rfind("\n", 0, start) + 1
        line_end = body.find("\n", end)
        before = " ".join(body[line_start : line_end if line_end >= 0 else None].split())
        after = body[:start] + new + body[end:]
        changed = " ".join(
            after[line_start : (line_end + len(after) - len(body)) if line_end >= 0 else None].split()
        )
        name = f"{before} -> {changed or 'nothing'}"
        seen[name] += 1
        yield SqlMutant(f"{name} #{seen[name]}" if seen[name] > 1 else name, after)


def _replacements(body: str) -> Iterator[tuple[int, int, str]]:
    for pattern, others in _SLIPS:
        for hit in re.finditer(pattern, body):
            yield from ((hit.start(), hit.end(), other) for other in others)


def _left_out(body: str) -> Iterator[tuple[int, int, str]]:
    """Conditions on a line of their own; a line that opens a bracket goes with what closes it."""
    for hit in _CONDITION.finditer(body):
        end, depth = hit.end(), hit.group().count("(") - hit.group().count(")")
        while depth > 0:
            line_end = body.find("\n", end + 1)
            line = body[end : line_end if line_end >= 0 else len(body)]
            depth += line.count("(") - line.count(")")
            end += len(line)
        text = body[hit.start() : end]
        if (
            depth == 0
            and text.lstrip().startswith("AND")
            and not text.rstrip().endswith((";", "THEN", "LOOP"))
        ):
            yield hit.start(), end, ""
