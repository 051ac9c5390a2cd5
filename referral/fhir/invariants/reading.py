"""How invariants read an element that may be wrong in every other way too: nothing here raises."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

Element = Mapping[str, Any]
# The path below the element where the invariant is broken; None when it holds.
Rule = Callable[[Element], "tuple[str | int, ...] | None"]


def has(element: Element, *names: str) -> bool:
    """Whether one of the elements is there, with a value or with an extension in its place."""
    return any(name in element or f"_{name}" in element for name in names)


def chosen(element: Element, stem: str) -> bool:
    """Whether a choice is there: chosen(e, "value") for valueString, valueQuantity, …"""
    size = len(stem)
    return any(key.lstrip("_")[:size] == stem and key.lstrip("_")[size:][:1].isupper() for key in element)


def each(element: Element, name: str) -> Iterator[tuple[int, Element]]:
    """The objects of a repeating element with their index."""
    values = element.get(name)
    if isinstance(values, list):
        for index, value in enumerate(values):
            if isinstance(value, dict):
                yield index, value


def text(element: Element, name: str) -> str:
    """A primitive that is a text; empty when it is missing or something else."""
    value = element.get(name)
    return value if isinstance(value, str) else ""


def part(element: Element, name: str) -> Element:
    """A single object; empty when it is missing or something else."""
    value = element.get(name)
    return value if isinstance(value, dict) else {}


def number(element: Element, name: str) -> Decimal | None:
    """A number; None when it is missing or something else."""
    value = element.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    return Decimal(value)


def coded(element: Element, name: str, *codes: str, system: str = "") -> bool:
    """Whether a CodeableConcept has a coding with one of the codes, of `system` if given."""
    return any(
        text(coding, "code") in codes and (not system or text(coding, "system") == system)
        for _, coding in each(part(element, name), "coding")
    )


def unless(holds: Callable[[Element], bool], *where: str) -> Rule:
    """A rule that is broken at `where` unless the test holds."""

    def check(element: Element) -> tuple[str | int, ...] | None:
        return None if holds(element) else where

    return check


def needs(name: str, *others: str) -> Rule:
    """If `name` is there, one of the others has to be there."""
    return unless(lambda e: not has(e, name) or has(e, *others), name)


def one_of(*names: str) -> Rule:
    """At least one of the elements has to be there."""
    return unless(lambda e: has(e, *names))


def not_both(first: str, second: str) -> Rule:
    """One or the other, or neither."""
    return unless(lambda e: not (has(e, first) and has(e, second)), second)


def repeated(values: Iterator[tuple[int, Any]]) -> int | None:
    """The index of the first value that was there before; None when all differ."""
    seen: set[Any] = set()
    for index, value in values:
        if value in seen:
            return index
        seen.add(value)
    return None
