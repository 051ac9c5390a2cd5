"""Walks a resource once, along the shapes of R4, and notes everything that is wrong with it.

Unknown and missing elements, cardinality, primitives, required bindings, reference targets, containment and
invariants are found in the same walk. Shapes are compiled on first use; a resource without faults costs no
text formatting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from referral.fhir.definitions import ElementRow, code_systems, resource_types, shape_row
from referral.fhir.hints import article, nearest, other_system
from referral.fhir.invariants import rule
from referral.fhir.invariants.reading import Rule
from referral.fhir.invariants.wording import WORDING
from referral.fhir.primitives import PRIMITIVES, SYNTAX
from referral.fhir.problems import Issue
from referral.fhir.reference_targets import reference_problem

# A client that sent nothing but faults is told enough to mend them, and no more.
MAX_ISSUES: Final = 100
_LINKING: Final = frozenset({"uri", "url", "canonical"})
# Attributes and XHTML in XML: nothing can stand beside them.
_BARE: Final = frozenset({("Extension", "url"), ("Narrative", "div")})

Visit = Callable[["Walk", Any], None]


@dataclass(slots=True)
class Walk:
    """Where the walk is and what it found. `local` are the ids that `#…` references named."""

    issues: list[Issue] = field(default_factory=list)
    path: list[str | int] = field(default_factory=list)
    contained: dict[str, str] = field(default_factory=dict)
    local: set[str] = field(default_factory=set)

    @property
    def is_full(self) -> bool:
        """Whether enough is told: then nothing more is worked out."""
        return len(self.issues) >= MAX_ISSUES

    def note(self, code: str, text: str, *below: str | int) -> None:
        """An issue at the current element, or at one below it."""
        if not self.is_full:
            expression = _expression([*self.path, *below])
            self.issues.append(Issue(f"{expression} {text}.", (expression,), code))


@dataclass(frozen=True, slots=True)
class _Element:
    name: str  # as FHIRPath says it: `value` for valueString
    many: bool
    nullable: bool  # a list of primitives: null stands for an extension beside it
    choice: str | None
    visit: Visit


@dataclass(slots=True)
class _Shape:
    name: str
    is_resource: bool
    elements: dict[str, _Element]
    required: tuple[tuple[str, tuple[str, ...]], ...]
    rules: tuple[tuple[str, str, Rule], ...]


def check_resource(resource: Any) -> list[Issue]:
    """Every issue in one resource, in the order of its elements; empty when it may be stored."""
    if not isinstance(resource, dict):
        return [Issue("A resource has to be a JSON object.", (), "structure")]
    name = resource.get("resourceType")
    if not isinstance(name, str) or name not in resource_types():
        return [_unknown_type(name, "resourceType")]
    walk = Walk(path=[name])
    _visit_root(walk, resource, name)
    return walk.issues


def _visit_root(walk: Walk, resource: dict[str, Any], name: str) -> None:
    contained = resource.get("contained")
    if isinstance(contained, list):
        walk.contained = {
            part["id"]: str(part.get("resourceType", ""))
            for part in contained
            if isinstance(part, dict) and isinstance(part.get("id"), str)
        }
    _visit_object(walk, _shape(name), resource)
    if isinstance(contained, list):
        _check_contained(walk, contained)


def _visit_object(walk: Walk, shape: _Shape, value: Any) -> None:
    if type(value) is not dict:
        walk.note("structure", f"has to be an object: {article(shape.name)}")
        return
    if len(value) < 2 and _is_empty(shape, value):
        walk.note("invariant", "may not be empty (ele-1); leave the element out instead")
        return
    path, elements = walk.path, shape.elements
    chosen: dict[str, str] | None = None
    for key, item in value.items():
        element = elements.get(key)
        if element is None:
            if key != "resourceType" or not shape.is_resource:
                hint = "" if walk.is_full else nearest(key, elements)
                walk.note("structure", f"is not an element of {shape.name}{hint}", str(key)[:64])
            continue
        path.append(element.name)
        if element.choice is not None:
            chosen = _check_choice(walk, chosen, element.choice, key)
        if element.many:
            _visit_list(walk, element, item, value, key)
        else:
            element.visit(walk, item)
        path.pop()
    _check_required(walk, shape, value)
    for key, text, test in shape.rules:
        where = test(value)
        if where is not None:
            walk.note("invariant", f"breaks {key}: {text.rstrip('.')}", *where)


def _is_empty(shape: _Shape, value: dict[str, Any]) -> bool:
    """An id alone says nothing either, except beside a primitive, whose value stands elsewhere."""
    return not value or ("id" in value and not shape.is_resource and shape.name != "Element")


def _visit_list(walk: Walk, element: _Element, items: Any, holder: dict[str, Any], key: str) -> None:
    if type(items) is not list:
        walk.note("structure", "has to be a list")
        return
    if not items:
        walk.note("structure", "may not be an empty list; leave the element out instead")
    path, visit = walk.path, element.visit
    for index, item in enumerate(items):
        path.append(index)
        if item is None and element.nullable and _has_twin(holder, key, index):
            pass
        else:
            visit(walk, item)
        path.pop()


def _has_twin(holder: dict[str, Any], key: str, index: int) -> bool:
    """Whether the value or the extension that belongs to a null is there."""
    twin = holder.get(key[1:] if key[0] == "_" else f"_{key}")
    return isinstance(twin, list) and index < len(twin) and twin[index] is not None


def _check_choice(walk: Walk, chosen: dict[str, str] | None, choice: str, key: str) -> dict[str, str]:
    key = key.lstrip("_")
    if chosen is None:
        return {choice: key}
    if chosen.setdefault(choice, key) != key:
        walk.note("structure", f"is given twice, as {chosen[choice]} and as {key}")
    return chosen


def _check_required(walk: Walk, shape: _Shape, value: dict[str, Any]) -> None:
    for name, keys in shape.required:
        for key in keys:
            if key in value:
                break
        else:
            walk.note("required", f"is missing, and {article(shape.name)} needs it", name)


def _visit_contained(walk: Walk, value: Any) -> None:
    name = value.get("resourceType") if isinstance(value, dict) else None
    if not isinstance(name, str) or name not in resource_types():
        _note_unknown_type(walk, name)
        return
    if "contained" in value:
        walk.note("invariant", "breaks dom-2: a contained resource may not contain another", "contained")
        return
    if "id" not in value:
        walk.note("required", "is missing", "id")
    meta = value.get("meta")
    if isinstance(meta, dict):
        for name_, key in (("versionId", "dom-4"), ("lastUpdated", "dom-4"), ("security", "dom-5")):
            if name_ in meta:
                walk.note("invariant", f"breaks {key}: a contained resource has none", "meta", name_)
    _visit_object(walk, _shape(name), value)


def _visit_entry(walk: Walk, value: Any) -> None:
    """A resource in a Bundle or in Parameters: on its own, with its own contained resources."""
    name = value.get("resourceType") if isinstance(value, dict) else None
    if not isinstance(name, str) or name not in resource_types():
        _note_unknown_type(walk, name)
        return
    _visit_root(Walk(issues=walk.issues, path=walk.path), value, name)


def _check_contained(walk: Walk, contained: list[Any]) -> None:
    """dom-3: what is contained has to be referenced, or has to reference its container."""
    if len(walk.contained) < sum(isinstance(part, dict) and "id" in part for part in contained):
        walk.note("duplicate", "holds two resources with the same id", "contained")
    # A '#' alone names the container; it does not say which part it came from, so it excuses all of them.
    if "" in walk.local:
        return
    for index, part in enumerate(contained):
        if isinstance(part, dict) and isinstance(part.get("id"), str) and part["id"] not in walk.local:
            text = f"breaks dom-3: nothing in the resource refers to it; point at it with #{part['id'][:64]}"
            walk.note("invariant", text, "contained", index)


@cache
def _shape(name: str) -> _Shape:
    row = shape_row(name)
    if row is None:
        raise LookupError(f"there is no shape {name}")
    elements: dict[str, _Element] = {}
    needed: dict[str, tuple[str, ...]] = {}
    for key, entry in row.elements.items():
        primitive = entry.type in PRIMITIVES
        extended = primitive and (name, key) not in _BARE and key != "id"
        shown = entry.choice or key
        elements[key] = _Element(shown, entry.many, primitive and entry.many, entry.choice, _visitor(entry))
        if extended:
            elements[f"_{key}"] = _Element(
                shown, entry.many, entry.many, entry.choice, _object_visitor("Element")
            )
        if entry.minimum:
            needed[shown] = (*needed.get(shown, ()), key, *((f"_{key}",) if extended else ()))
    rules = tuple(
        (key, WORDING.get((name, key), text), test)
        for key, text in row.rules.items()
        if (test := rule(name, key))
    )
    return _Shape(name, name in resource_types(), elements, tuple(needed.items()), rules)


def _visitor(row: ElementRow) -> Visit:
    if row.type in PRIMITIVES:
        return _primitive_visitor(row)
    if row.type == "Reference":
        return _reference_visitor(row.extra if isinstance(row.extra, list) else None)
    if row.type == "CodeableConcept" and isinstance(row.extra, str):
        return _concept_visitor(row.extra)
    if row.type == "Resource":
        # Only `contained` repeats; a Bundle entry and a parameter hold one resource each.
        return _visit_contained if row.many else _visit_entry
    return _object_visitor(row.type)


def _object_visitor(name: str) -> Visit:
    shape: _Shape | None = None

    def visit(walk: Walk, value: Any) -> None:
        # Looked up on first use: shapes refer to each other in circles.
        nonlocal shape
        if shape is None:
            shape = _shape(name)
        _visit_object(walk, shape, value)

    return visit


def _primitive_visitor(row: ElementRow) -> Visit:
    check = PRIMITIVES[row.type]
    binding = row.extra if isinstance(row.extra, str) else None
    if binding in SYNTAX:
        check = SYNTAX[binding]
    systems = code_systems(binding) if binding else None
    codes = frozenset(code for found in systems.values() for code in found) if systems else None
    linking = row.type in _LINKING

    def visit(walk: Walk, value: Any) -> None:
        problem = check(value)
        if problem:
            walk.note("value", problem)
        elif codes is not None and value not in codes:
            hint = "" if walk.is_full else nearest(value, codes)
            walk.note("code-invalid", f"may not be '{_short(value)}'; it has to be {_listed(codes)}{hint}")
        elif linking and value[0] == "#":
            walk.local.add(value[1:])

    return visit


def _reference_visitor(targets: list[str] | None) -> Visit:
    allowed = frozenset(targets) if targets else None
    visit_object = _object_visitor("Reference")

    def visit(walk: Walk, value: Any) -> None:
        visit_object(walk, value)
        if type(value) is not dict:
            return
        text = value.get("reference")
        if type(text) is str and text[:1] == "#":
            walk.local.add(text[1:])
        problem = reference_problem(value, allowed, walk.contained, str(walk.path[0]))
        if problem:
            walk.note(*problem)

    return visit


def _concept_visitor(value_set: str) -> Visit:
    """A CodeableConcept with a required binding: one of its codings, if it has any, is of the set."""
    systems = code_systems(value_set)
    visit_object = _object_visitor("CodeableConcept")

    def visit(walk: Walk, value: Any) -> None:
        visit_object(walk, value)
        codings = value.get("coding") if type(value) is dict else None
        if systems is None or type(codings) is not list or not codings:
            return
        found = any(
            type(c) is dict and c.get("code") in systems.get(str(c.get("system")), ()) for c in codings
        )
        if not found:
            system, codes = next(iter(systems.items()))
            walk.note(
                "code-invalid",
                f"needs a coding of {system}: {_listed(frozenset(codes))}{other_system(codings, systems)}",
                "coding",
            )

    return visit


def _note_unknown_type(walk: Walk, name: object) -> None:
    if not walk.is_full:
        walk.issues.append(_unknown_type(name, _expression([*walk.path, "resourceType"])))


def _unknown_type(name: object, expression: str) -> Issue:
    if name is None:
        text = f"{expression} is missing; it says what kind of resource this is."
        return Issue(text, (expression,), "required")
    text = f"'{_short(name)}' is not a resource type of FHIR R4{nearest(name, resource_types())}."
    return Issue(text, (expression,), "not-supported")


def _expression(path: list[str | int]) -> str:
    parts = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in path]
    return "".join(parts).lstrip(".")


def _listed(codes: frozenset[str]) -> str:
    shown = sorted(codes)
    return "one of " + ", ".join(shown[:12]) + (" …" if len(shown) > 12 else "")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "…"
