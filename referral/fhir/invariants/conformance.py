"""Invariants of the resources that describe a server: codes, parameters, operations, profiles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from referral.fhir.invariants.reading import (
    Element,
    Rule,
    each,
    has,
    needs,
    not_both,
    one_of,
    part,
    repeated,
    text,
    unless,
)


def _concept_codes(element: Element) -> Iterator[tuple[int, str]]:
    for index, concept in each(element, "concept"):
        yield index, text(concept, "code")
        yield from ((index, code) for _, code in _concept_codes(concept))


def _unique_codes(element: Element) -> tuple[str | int, ...] | None:
    index = repeated(_concept_codes(element))
    return None if index is None else ("concept", index)


def _unique(list_name: str, *names: str) -> Rule:
    """No two entries of the list agree in all the named elements."""

    def check(element: Element) -> tuple[str | int, ...] | None:
        index = repeated((i, tuple(text(e, name) for name in names)) for i, e in each(element, list_name))
        return None if index is None else (list_name, index)

    return check


def _matches_kind(element: Element) -> bool:
    implementation, software = has(element, "implementation"), has(element, "software")
    return {
        "instance": implementation,
        "capability": software and not implementation,
        "requirements": not implementation and not software,
    }.get(text(element, "kind"), True)


def _only_for(name: str, *kinds: str) -> Rule:
    return unless(lambda e: not has(e, name) or text(e, "type") in kinds, name)


def _context_for_extensions(element: Element) -> bool:
    extension = text(element, "type") == "Extension" and text(element, "derivation") != "specialization"
    return not extension or has(element, "context")


def _endpoint_of_an_instance(element: Element) -> bool:
    described = any(has(messaging, "endpoint") for _, messaging in each(element, "messaging"))
    return not described or text(element, "kind") == "instance"


def _stratified_one_way(element: Element) -> bool:
    stratifiers = (one for _, group in each(element, "group") for _, one in each(group, "stratifier"))
    single = ("code", "description", "criteria")
    return all(any(has(one, name) for name in single) != has(one, "component") for one in stratifiers)


def _elements(element: Element) -> Iterator[tuple[str, int, Element]]:
    for name in ("snapshot", "differential"):
        for index, entry in each(part(element, name), "element"):
            yield name, index, entry


def _element_ids(element: Element, name: str) -> tuple[str | int, ...] | None:
    """sdf-14, sdf-16, sdf-17: every element definition has an id, and it is its own."""
    rows = [(index, text(entry, "id")) for index, entry in each(part(element, name), "element")]
    index = next((i for i, identity in rows if not identity), None)
    found = index if index is not None else repeated(iter(rows))
    return None if found is None else (name, "element", found)


def _all_have_ids(element: Element) -> tuple[str | int, ...] | None:
    for name, index, entry in _elements(element):
        if not has(entry, "id"):
            return (name, "element", index)
    return None


def _roots_are_bare(element: Element) -> tuple[str | int, ...] | None:
    """sdf-9 and sdf-23: the first element has no label, code, requirements or slice name."""
    for name, index, entry in _elements(element):
        if "." not in text(entry, "path") and has(entry, "label", "code", "requirements", "sliceName"):
            return (name, "element", index)
    return None


def _snapshot_starts_with_type(element: Element) -> bool:
    first = next(each(part(element, "snapshot"), "element"), None)
    return (
        text(element, "kind") == "logical" or first is None or text(first[1], "path") == text(element, "type")
    )


RULES: Final[dict[tuple[str, str], Rule]] = {
    ("Measure", "mea-1"): unless(_stratified_one_way, "group"),
    ("CapabilityStatement", "cpb-1"): one_of("rest", "messaging", "document"),
    ("CapabilityStatement", "cpb-2"): one_of("description", "software", "implementation"),
    ("CapabilityStatement", "cpb-3"): unless(_endpoint_of_an_instance, "messaging"),
    ("CapabilityStatement", "cpb-7"): _unique("document", "profile", "mode"),
    ("CapabilityStatement", "cpb-14"): unless(_matches_kind, "kind"),
    ("CapabilityStatement", "cpb-15"): unless(_matches_kind, "kind"),
    ("CapabilityStatement", "cpb-16"): unless(_matches_kind, "kind"),
    ("CapabilityStatement.rest", "cpb-9"): _unique("resource", "type"),
    ("CapabilityStatement.rest.resource", "cpb-12"): _unique("searchParam", "name"),
    ("CodeSystem", "csd-1"): _unique_codes,
    ("OperationDefinition.parameter", "opd-1"): one_of("type", "part"),
    ("OperationDefinition.parameter", "opd-2"): _only_for("searchType", "string"),
    ("OperationDefinition.parameter", "opd-3"): _only_for("targetProfile", "Reference", "canonical"),
    ("SearchParameter", "spd-1"): needs("xpath", "xpathUsage"),
    ("SearchParameter", "spd-2"): _only_for("chain", "reference"),
    ("StructureDefinition", "sdf-4"): unless(
        lambda e: e.get("abstract") is True or has(e, "baseDefinition"), "baseDefinition"
    ),
    ("StructureDefinition", "sdf-5"): unless(_context_for_extensions, "context"),
    ("StructureDefinition", "sdf-6"): one_of("snapshot", "differential"),
    ("StructureDefinition", "sdf-9"): _roots_are_bare,
    ("StructureDefinition", "sdf-11"): unless(_snapshot_starts_with_type, "type"),
    ("StructureDefinition", "sdf-14"): _all_have_ids,
    ("StructureDefinition", "sdf-16"): lambda e: _element_ids(e, "snapshot"),
    ("StructureDefinition", "sdf-17"): lambda e: _element_ids(e, "differential"),
    ("StructureDefinition", "sdf-18"): _only_for("contextInvariant", "Extension"),
    ("StructureDefinition", "sdf-23"): _roots_are_bare,
    ("StructureDefinition.mapping", "sdf-2"): one_of("name", "uri"),
    ("ValueSet.compose.include", "vsd-1"): one_of("valueSet", "system"),
    ("ValueSet.compose.include", "vsd-2"): unless(
        lambda e: not has(e, "concept", "filter") or has(e, "system"), "system"
    ),
    ("ValueSet.compose.include", "vsd-3"): not_both("concept", "filter"),
    ("ValueSet.expansion.contains", "vsd-6"): one_of("code", "display"),
    ("ValueSet.expansion.contains", "vsd-9"): unless(lambda e: has(e, "code") or e.get("abstract") is True),
    ("ValueSet.expansion.contains", "vsd-10"): needs("code", "system"),
}
