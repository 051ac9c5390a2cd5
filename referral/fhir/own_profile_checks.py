"""Holds a resource against a profile of ours: the published differential itself is read, nothing beside it.

Read are cardinality, fixed codes, patterns, required bindings to our value sets, types of references and of
choices, and slices that a pattern or the URL of an extension tells apart: all that our profiles use.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from referral.fhir.own_profiles import structure_definitions
from referral.fhir.problems import Issue
from referral.fhir.reference_targets import parse_reference
from referral.fhir.value_sets import own_value_sets

Element = dict[str, Any]


@cache
def _profiles() -> dict[str, dict[str, Any]]:
    return {row["url"]: row for row in structure_definitions() if row["kind"] == "resource"}


@cache
def _value_sets() -> dict[str, frozenset[tuple[str, str]]]:
    return own_value_sets()


def own_profile(canonical: str) -> dict[str, Any] | None:
    """The StructureDefinition that we publish under this URL, if it is one of a resource."""
    url, _, version = canonical.partition("|")
    found = _profiles().get(url)
    return found if found is not None and version in ("", found["version"]) else None


def own_profile_issues(resource: dict[str, Any], profile: dict[str, Any]) -> list[Issue]:
    """What the resource, valid against R4 and of the profile's type, does not have as the profile says."""
    issues: list[Issue] = []
    for element in profile["differential"]["element"][1:]:
        *above, last = element["path"].split(".")[1:]
        holders = [(resource["resourceType"], resource)]
        for step in above:
            holders = [place for where, holder in holders for place in _values(where, holder, step)]
        for where, holder in holders:
            issues += _element_issues(element, f"{where}.{last.removesuffix('[x]')}", where, holder, last)
    return [Issue(f"{i.text}, as {profile['title']} says.", i.expression, i.code) for i in issues]


def _element_issues(
    element: Element, shown: str, where: str, holder: dict[str, Any], last: str
) -> list[Issue]:
    found = _values(where, holder, last)
    if "sliceName" in element:
        found = [place for place in found if _is_of_slice(element, place[1])]
    of = f" '{element['sliceName']}'" if "sliceName" in element else ""
    most = element.get("max", "*")
    if len(found) < element.get("min", 0):
        return [Issue(f"{shown}{of} is missing", (shown,), "required")]
    if most != "*" and len(found) > int(most):
        return [Issue(f"{shown}{of} may be there {most} times at most", (shown,), "structure")]
    issues = []
    for place, value in found:
        text = _misfit(element, value)
        if text:
            issues.append(Issue(f"{place} {text}", (place,), "value"))
    return issues


def _misfit(element: Element, value: Any) -> str | None:
    for name, wanted in element.items():
        if name.startswith("fixed") and value != wanted:
            return f"has to be {wanted}"
    pattern = element.get("patternCodeableConcept")
    if pattern is not None and not _has_codings(pattern, value):
        return f"has to have the code {pattern['coding'][0]['code']} of {pattern['coding'][0]['system']}"
    targets = {
        url.rpartition("/")[2] for row in element.get("type", ()) for url in row.get("targetProfile", ())
    }
    literal = parse_reference(value.get("reference")) if targets and isinstance(value, dict) else None
    if literal is not None and literal.type not in targets:
        return f"has to point at {' or '.join(sorted(targets))}"
    return _unbound(element, value)


def _unbound(element: Element, value: Any) -> str | None:
    binding = element.get("binding", {})
    if binding.get("strength") != "required" or not isinstance(value, dict):
        return None
    codes = _value_sets()[binding["valueSet"]]
    if any((row.get("system"), row.get("code")) in codes for row in value.get("coding", ())):
        return None
    return f"has to have a code of {binding['valueSet']}"


def _is_of_slice(element: Element, value: Any) -> bool:
    if "patternCodeableConcept" in element:
        return _has_codings(element["patternCodeableConcept"], value)
    return bool(value.get("url") == element["type"][0]["profile"][0])


def _has_codings(pattern: dict[str, Any], value: Any) -> bool:
    codings = value.get("coding", ()) if isinstance(value, dict) else ()
    return all(any(wanted.items() <= coding.items() for coding in codings) for wanted in pattern["coding"])


def _values(where: str, holder: Any, step: str) -> list[tuple[str, Any]]:
    if not isinstance(holder, dict):
        return []
    if step.endswith("[x]"):
        name = step.removesuffix("[x]")
        rows = [(name, value) for key, value in holder.items() if _is_choice(key, name)]
    else:
        rows = [(step, holder[step])] if step in holder else []
    found: list[tuple[str, Any]] = []
    for name, value in rows:
        if isinstance(value, list):
            found += [(f"{where}.{name}[{index}]", item) for index, item in enumerate(value)]
        else:
            found.append((f"{where}.{name}", value))
    return found


def _is_choice(key: str, name: str) -> bool:
    """`valueString` of `value`: the name, and a type after it."""
    return key.startswith(name) and key[len(name) : len(name) + 1].isupper()
