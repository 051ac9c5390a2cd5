"""Which of several HumanNames to use, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from referral.fhir.elements import every, strings

# A name no longer used comes last: better than none, never instead of a current one.
_RANK = {"official": 0, "usual": 1, None: 2, "nickname": 4, "anonymous": 5, "temp": 5, "maiden": 6, "old": 7}


@dataclass(frozen=True, slots=True)
class Name:
    """`given` holds all given names in order; `suffix` is what follows the name, such as MD."""

    family: str
    given: str
    suffix: str = ""

    @property
    def full(self) -> str:
        return f"{self.given} {self.family}".strip()


def best_name(resource: Mapping[str, Any]) -> Name:
    """The official name, else the usual one, else any; empty parts when there is no usable name."""
    names = sorted(every(resource, "name"), key=lambda name: _RANK.get(name.get("use"), 3))
    for name in names:
        family = name.get("family")
        if isinstance(family, str) and family.strip():
            return Name(family.strip(), " ".join(strings(name, "given")), ", ".join(strings(name, "suffix")))
    for name in names:
        text = name.get("text")
        if isinstance(text, str) and text.strip():
            return split_name(text)
        given = " ".join(strings(name, "given"))
        if given:
            return Name("", given)
    return Name("", "")


def split_name(text: str) -> Name:
    """'Lee, Ana' and 'Ana Lee' are one person: the last word is the family name unless a comma says it."""
    if "," in text:
        family, _, given = text.partition(",")
        return Name(" ".join(family.split()), " ".join(given.split()))
    *given_names, family = text.split()
    return Name(family, " ".join(given_names))
