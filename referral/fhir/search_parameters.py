"""The search parameters of every type that is served, and what a resource is found by.

The table is tables/search_parameters.json, which scripts/make_search_parameters.py writes. Its paths are
names of JSON properties with dots between them, at most one condition, and the datatype at the end:

    participant.actor[Patient]:Reference     only references to a Patient
    telecom[system=phone]:ContactPoint       only where `system` is `phone`
    status:code|http://hl7.org/fhir/…        a plain code, with the system of its value set

Repeating elements are walked through; a choice is named by its JSON property, such as `valueQuantity`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from types import MappingProxyType
from typing import Any, Final

from referral.fhir.definitions import SERVED_TYPES, table
from referral.fhir.index_values import INDEXERS, IndexEntry, Indexer
from referral.fhir.reference_targets import parse_reference

__all__ = ["KEPT_BY_THE_STORE", "IndexEntry", "SearchParameter", "extract", "parameter", "parameters"]

# Columns of the stored resource itself: every resource has them, so they need no entries.
KEPT_BY_THE_STORE: Final = frozenset({"_id", "_lastUpdated"})

_PATH = re.compile(
    r"(?P<steps>[\w.]+)(?:\[(?:(?P<key>\w+)=)?(?P<wanted>\w+)\])?:(?P<type>\w+)(?:\|(?P<system>.+))?"
)


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """`kind` is token, reference, date, string, uri, quantity or number; no `targets` means any type."""

    name: str
    kind: str
    paths: tuple[str, ...]
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Plan:
    """One path: the steps after the first property, the condition, and how to index what is there."""

    name: str
    steps: tuple[str, ...]
    condition: tuple[str, str] | None
    index: Indexer
    system: str | None


def parameters(resource_type: str) -> Mapping[str, SearchParameter]:
    """By name, those of every type included; a type that is not served has only these."""
    return _parameters(resource_type if resource_type in SERVED_TYPES else "Resource")


@cache
def _parameters(resource_type: str) -> Mapping[str, SearchParameter]:
    rows = _table()
    found = {**rows["Resource"], **rows.get(resource_type, {})}
    return MappingProxyType(
        {
            name: SearchParameter(name, row["kind"], tuple(row["paths"]), tuple(row.get("targets", ())))
            for name, row in found.items()
        }
    )


def parameter(resource_type: str, name: str) -> SearchParameter | None:
    """One parameter of a type, or of every type."""
    return parameters(resource_type).get(name)


def extract(resource: Mapping[str, Any]) -> list[IndexEntry]:
    """Everything the resource can be found by, once each; `_id` and `_lastUpdated` are left to the store.

    Never raises: what cannot be read is not indexed.
    """
    name = resource.get("resourceType")
    plans = _plans(name if isinstance(name, str) and name in SERVED_TYPES else "Resource")
    entries: list[IndexEntry] = []
    emit = entries.append
    for key, value in resource.items():
        for plan in plans.get(key, ()):
            for leaf in _leaves(value, plan.steps):
                if plan.condition is None or _holds(plan.condition, leaf):
                    plan.index(plan.name, leaf, plan.system, emit)
    return list(dict.fromkeys(entries))


def _leaves(value: Any, steps: tuple[str, ...]) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _leaves(item, steps)
    elif not steps:
        yield value
    elif isinstance(value, dict) and steps[0] in value:
        yield from _leaves(value[steps[0]], steps[1:])


def _holds(condition: tuple[str, str], leaf: Any) -> bool:
    """[system=phone] compares an element; [Patient] what a reference points at, as far as it says so."""
    if not isinstance(leaf, dict):
        return False
    key, wanted = condition
    if key:
        return bool(leaf.get(key) == wanted)
    literal = parse_reference(leaf.get("reference"))
    if literal is not None:
        return literal.type == wanted
    # By identifier alone, or by a URL that names no type: what Reference.type says, and without it perhaps.
    return bool(leaf.get("type", wanted) == wanted)


@cache
def _plans(resource_type: str) -> dict[str, tuple[_Plan, ...]]:
    found: dict[str, tuple[_Plan, ...]] = {}
    for entry in parameters(resource_type).values():
        if entry.name in KEPT_BY_THE_STORE:
            continue
        for path in entry.paths:
            first, plan = _compile(entry, path)
            found[first] = (*found.get(first, ()), plan)
    return found


def _compile(entry: SearchParameter, path: str) -> tuple[str, _Plan]:
    match = _PATH.fullmatch(path)
    if match is None:
        raise ValueError(f"{entry.name} has a path that cannot be read: {path}")
    first, *steps = match["steps"].split(".")
    condition = (match["key"] or "", match["wanted"]) if match["wanted"] else None
    index = INDEXERS[entry.kind][match["type"]]
    return first, _Plan(entry.name, tuple(steps), condition, index, match["system"])


_table = cache(partial(table, "search_parameters"))
