"""The search parameters of every type that is served, and what a resource is found by.

The table is tables/search_parameters.json, which scripts/make_search_parameters.py writes. Its paths are
names of JSON properties with dots between them, at most one condition, and the datatype at the end:

    participant.actor[Patient]:Reference     only references to a Patient
    telecom[system=phone]:ContactPoint       only where `system` is `phone`
    status:code|http://hl7.org/fhir/…        a plain code, with the system of its value set

Repeating elements are walked through; a choice is named by its JSON property, such as `valueQuantity`.
The paths of a composite are those of the elements that hold both of its components (empty for the resource
itself), and the components' own paths start there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from types import MappingProxyType
from typing import Any, Final

from referral.fhir.definitions import METADATA_TYPES, SERVED_TYPES, table
from referral.fhir.index_values import INDEXERS, Emit, IndexEntry, Indexer, paired
from referral.fhir.reference_targets import parse_reference

__all__ = [
    "KEPT_BY_THE_STORE",
    "NEVER_BROUGHT",
    "IndexEntry",
    "SearchParameter",
    "extract",
    "fed_by",
    "includes",
    "parameter",
    "parameters",
    "revincludes",
]

# Columns of the stored resource itself: every resource has them, so they need no entries.
KEPT_BY_THE_STORE: Final = frozenset({"_id", "_lastUpdated"})

_PATH = re.compile(
    r"(?P<steps>[\w.]+)(?:\[(?:(?P<key>\w+)=)?(?P<wanted>[\w-]+)\])?:(?P<type>\w+)(?:\|(?P<system>.+))?"
)


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """`kind` is token, reference, date, string, uri, quantity, number, composite or special.

    No `targets` means any type.
    """

    name: str
    kind: str
    paths: tuple[str, ...]
    targets: tuple[str, ...] = ()
    components: tuple[SearchParameter, ...] = ()

    @property
    def is_canonical(self) -> bool:
        """A reference by URL: it names no resource of the store."""
        return self.kind == "reference" and not any(path.endswith(":Reference") for path in self.paths)

    @property
    def ends(self) -> frozenset[str]:
        """The datatypes at the end of its paths."""
        return frozenset(path.rpartition(":")[2] if "|" not in path else "code" for path in self.paths)


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
    return MappingProxyType({name: _parameter(name, row) for name, row in found.items()})


def _parameter(name: str, row: Mapping[str, Any]) -> SearchParameter:
    components = tuple(_parameter(name, part) for part in row.get("components", ()))
    return SearchParameter(name, row["kind"], tuple(row["paths"]), tuple(row.get("targets", ())), components)


def parameter(resource_type: str, name: str) -> SearchParameter | None:
    """One parameter of a type, or of every type."""
    return parameters(resource_type).get(name)


# AuditEvents are searched by a path of their own, and Subscriptions are seen by their owners alone.
NEVER_BROUGHT: Final = frozenset({"AuditEvent", "Subscription", *METADATA_TYPES})


@cache
def includes(resource_type: str) -> tuple[str, ...]:
    """What `_include` takes: `Type:parameter` for every reference to a resource of the store."""
    if resource_type in NEVER_BROUGHT:
        return ()
    stored = SERVED_TYPES - NEVER_BROUGHT
    return tuple(
        f"{resource_type}:{row.name}"
        for row in parameters(resource_type).values()
        if leads_to_resources(row) and (not row.targets or stored & set(row.targets))
    )


@cache
def revincludes(resource_type: str) -> tuple[str, ...]:
    """What `_revinclude` takes: every reference that may point at this type."""
    if resource_type in NEVER_BROUGHT:
        return ()
    return tuple(
        f"{source}:{row.name}"
        for source in sorted(SERVED_TYPES - NEVER_BROUGHT)
        for row in parameters(source).values()
        if leads_to_resources(row) and (not row.targets or resource_type in row.targets)
    )


def leads_to_resources(row: SearchParameter) -> bool:
    """Whether it is a reference that can name a resource of the store."""
    return row.kind == "reference" and not row.is_canonical


def fed_by(resource_type: str, elements: Iterable[str]) -> frozenset[str]:
    """The parameters whose entries are made from these elements, alone or with others."""
    return frozenset(name for element in elements for name in _fed(resource_type).get(element, ()))


@cache
def _fed(resource_type: str) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for element, plans in _plans(resource_type if resource_type in SERVED_TYPES else "Resource").items():
        found.setdefault(element, set()).update(plan.name for plan in plans)
    for composite in _composites(resource_type):
        parts = (plan.steps[0] for plans in composite.parts for plan in plans)
        roots = (root[0] for root in composite.roots if root)
        for element in (*roots, *(parts if () in composite.roots else ())):
            found.setdefault(element, set()).add(composite.name)
    return {element: frozenset(names) for element, names in found.items()}


def extract(resource: Mapping[str, Any], only: frozenset[str] | None = None) -> list[IndexEntry]:
    """Everything the resource can be found by, once each; `_id` and `_lastUpdated` are left to the store.

    With `only` the entries of these parameters, which have the names that fed_by() gives. Never raises: what
    cannot be read is not indexed.
    """
    name = resource.get("resourceType")
    plans = _plans(name if isinstance(name, str) and name in SERVED_TYPES else "Resource")
    entries: list[IndexEntry] = []
    emit = entries.append
    for key, value in resource.items():
        for plan in plans.get(key, ()):
            if only is not None and plan.name not in only:
                continue
            for leaf in _leaves(value, plan.steps):
                if plan.condition is None or _holds(plan.condition, leaf):
                    plan.index(plan.name, leaf, plan.system, emit)
    if isinstance(name, str):
        for composite in _composites(name):
            if only is None or composite.name in only:
                _extract_pairs(composite, resource, emit)
    return list(dict.fromkeys(entries))


@dataclass(frozen=True, slots=True)
class _Composite:
    """`roots` are the elements that hold both parts."""

    name: str
    roots: tuple[tuple[str, ...], ...]
    parts: tuple[tuple[_Plan, ...], ...]


@cache
def _composites(resource_type: str) -> tuple[_Composite, ...]:
    found = []
    for entry in parameters(resource_type).values():
        if entry.kind == "composite":
            roots = tuple(tuple(path.split(".")) if path else () for path in entry.paths)
            parts = tuple(
                tuple(_whole(*_compile(component, path)) for path in component.paths)
                for component in entry.components
            )
            found.append(_Composite(entry.name, roots, parts))
    return tuple(found)


def _whole(first: str, plan: _Plan) -> _Plan:
    return replace(plan, steps=(first, *plan.steps))


def _extract_pairs(composite: _Composite, resource: Mapping[str, Any], emit: Emit) -> None:
    for root in composite.roots:
        for element in _leaves(resource, root):
            first, second = (_entries_below(element, plans) for plans in composite.parts)
            for one in first:
                for two in second:
                    emit(paired(one, two, composite.name))


def _entries_below(element: Any, plans: tuple[_Plan, ...]) -> list[IndexEntry]:
    found: list[IndexEntry] = []
    for plan in plans:
        for leaf in _leaves(element, plan.steps):
            plan.index(plan.name, leaf, plan.system, found.append)
    # What is written beside a code has an entry of its own, which is no part of a pair.
    return [entry for entry in found if entry.parameter == plan.name]


def _leaves(value: Any, steps: tuple[str, ...]) -> Sequence[Any]:
    """What lies at the end of a path; a list on the way stands for each of its items."""
    found: Sequence[Any] = value if type(value) is list else (value,)
    for step in steps:
        below: list[Any] = []
        for item in found:
            under = item.get(step) if type(item) is dict else None
            if type(under) is list:
                below.extend(under)
            elif under is not None:
                below.append(under)
        found = below
    return found


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
        if entry.name in KEPT_BY_THE_STORE or entry.components:
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
