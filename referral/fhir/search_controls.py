"""What a search says about its answer: how many, in which order, what comes along, how much of each."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from referral.fhir.definitions import SERVED_TYPES, resource_types
from referral.fhir.search_clauses import Refused
from referral.fhir.search_model import DEFAULT_COUNT, MAX_COUNT, Include, Sort
from referral.fhir.search_parameters import includes, parameters, revincludes
from referral.fhir.search_values import split_values

_ELEMENT: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z][A-Za-z0-9]*)*")
_MAX_SORTS: Final = 10
_MAX_INCLUDES: Final = 40
# There is no order among pairs, or among distances from nowhere.
_NOT_SORTED: Final = frozenset({"composite", "special"})


@dataclass(slots=True)
class Controls:
    """What is put together while the pairs are read; `type` is the one searched."""

    type: str
    sort: list[Sort] = field(default_factory=list)
    include: list[Include] = field(default_factory=list)
    revinclude: list[Include] = field(default_factory=list)
    elements: list[str] = field(default_factory=list)
    count: int = DEFAULT_COUNT
    total: str = "none"
    summary: str | None = None
    cursor: str | None = None


def read_control(controls: Controls, name: str, value: str) -> bool:
    """False when this is no control. Raises Refused."""
    plain, _, modifier = name.partition(":")
    control = _CONTROLS.get(plain)
    if control is None:
        return False
    iterates = modifier in {"iterate", "recurse"} and plain in {"_include", "_revinclude"}
    if modifier and not iterates:
        raise Refused(f"does not take the modifier :{modifier[:20]}", "not-supported")
    if not value:
        raise Refused("has no value")
    if iterates:
        _read_includes(controls, plain, value, iterate=True)
    else:
        control(controls, value)
    return True


def _read_count(controls: Controls, value: str) -> None:
    if not (value.isascii() and value.isdigit()) or len(value) > 12:
        raise Refused("has to be a whole number from 0")
    controls.count = min(int(value), MAX_COUNT)


def _read_sort(controls: Controls, value: str) -> None:
    for part in split_values(value):
        name = part.removeprefix("-")
        found = parameters(controls.type).get(name)
        if found is None or found.kind in _NOT_SORTED:
            raise Refused(f"names '{name[:40]}', by which {controls.type} cannot be sorted")
        if name not in {sort.parameter for sort in controls.sort}:
            controls.sort.append(Sort(name, found.kind, part.startswith("-")))
    if len(controls.sort) > _MAX_SORTS:
        raise Refused(f"has more than {_MAX_SORTS} keys", "too-costly")


def _read_includes(controls: Controls, name: str, value: str, *, iterate: bool = False) -> None:
    forward = name == "_include"
    include = _include(controls.type, value, forward=forward, iterate=iterate)
    if not iterate and forward and include.source != controls.type:
        raise Refused(f"has to start with {controls.type}, the type that is searched, or to be :iterate")
    if not iterate and not forward and include.target not in {None, controls.type}:
        raise Refused(f"has to point at {controls.type}, the type that is searched, or to be :iterate")
    kept = controls.include if forward else controls.revinclude
    kept.append(include)
    if len(kept) > _MAX_INCLUDES:
        raise Refused(f"stands there more than {_MAX_INCLUDES} times", "too-costly")


def _include(type: str, value: str, *, forward: bool, iterate: bool) -> Include:
    """`Type:parameter`, `Type:parameter:Target`, `Type:*`, and `*` for the type searched."""
    source, _, rest = (f"{type}:*" if forward and value == "*" else value).partition(":")
    name, _, target = rest.partition(":")
    if target and target not in resource_types():
        raise Refused(f"names '{target[:40]}', which is no resource type")
    if name == "*":
        if source not in SERVED_TYPES:
            raise Refused(f"names '{source[:40]}', which is not served here")
    elif f"{source}:{name}" not in includes(source):
        raise Refused("has to be written as Type:parameter, where the parameter is a reference")
    elif not forward and not iterate and f"{source}:{name}" not in revincludes(type):
        raise Refused(f"names a reference that cannot point at a {type}")
    return Include(source, name, target or None, iterate)


def _read_elements(controls: Controls, value: str) -> None:
    names = value.split(",")
    if not all(_ELEMENT.fullmatch(name) for name in names):
        raise Refused("has to be a list of element names with commas between them")
    # `Patient.name` is the same as `name` when patients are searched.
    controls.elements.extend(name.removeprefix(f"{controls.type}.") for name in names)


def _read_total(controls: Controls, value: str) -> None:
    if value not in {"none", "estimate", "accurate"}:
        raise Refused("has to be none, estimate or accurate")
    controls.total = value


def _read_summary(controls: Controls, value: str) -> None:
    if value not in {"true", "text", "data", "count", "false"}:
        raise Refused("has to be true, text, data, count or false")
    controls.summary = None if value == "false" else value


def _read_cursor(controls: Controls, value: str) -> None:
    controls.cursor = value


_CONTROLS: Final[dict[str, Callable[[Controls, str], None]]] = {
    "_count": _read_count,
    "_sort": _read_sort,
    "_include": lambda controls, value: _read_includes(controls, "_include", value),
    "_revinclude": lambda controls, value: _read_includes(controls, "_revinclude", value),
    "_elements": _read_elements,
    "_total": _read_total,
    "_summary": _read_summary,
    "_cursor": _read_cursor,
}
