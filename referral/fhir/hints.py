"""What a developer may have meant: the ends of sentences that say what is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

_MOST_COMPARED = 64


def nearest(wrong: object, choices: Iterable[str]) -> str:
    """` (did you mean X?)`, or nothing where no choice is near."""
    if not isinstance(wrong, str) or not wrong or len(wrong) > _MOST_COMPARED:
        return ""
    known = list(choices)
    lowered = {name.lower(): name for name in known}
    found = lowered.get(wrong.lower())
    if found is None:
        close = difflib.get_close_matches(wrong, known, n=1, cutoff=0.7)
        found = close[0] if close else None
    return f" (did you mean {found}?)" if found else ""


def other_system(codings: Iterable[Any], systems: dict[str, list[str]]) -> str:
    """That the code is right and only its system is not."""
    for coding in codings:
        code = coding.get("code") if isinstance(coding, dict) else None
        for codes in systems.values():
            if isinstance(code, str) and code in codes:
                given = coding.get("system")
                told = f"the system {str(given)[:80]}" if given else "no system"
                return f". The code {code} is there, but with {told}"
    return ""


def article(noun: str) -> str:
    """`an Annotation`, `a Coding`."""
    return f"{'an' if noun[:1].upper() in 'AEIO' else 'a'} {noun}"
