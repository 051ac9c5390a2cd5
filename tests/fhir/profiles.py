"""A small, independent reading of our own profiles: what a differential asks of a resource."""

from __future__ import annotations

from typing import Any

from referral.fhir.value_sets import own_value_sets

Json = dict[str, Any]


def misses(profile: Json, resource: Json) -> list[str]:
    """The ids of the elements whose rules the resource breaks; slices are counted by their pattern."""
    assert resource["resourceType"] == profile["type"]
    return [
        element["id"] for element in profile["differential"]["element"][1:] if not _kept(element, resource)
    ]


def _kept(element: Json, resource: Json) -> bool:
    steps = element["path"].split(".")[1:]
    holders = _walk([resource], steps[:-1])
    return all(_kept_in(element, _values(holder, steps[-1])) for holder in holders)


def _kept_in(element: Json, values: list[Any]) -> bool:
    if "sliceName" in element:
        values = [value for value in values if _is_of_slice(element, value)]
    most = element.get("max", "*")
    if len(values) < element.get("min", 0) or (most != "*" and len(values) > int(most)):
        return False
    return all(_fits(element, value) for value in values)


def _is_of_slice(element: Json, value: Any) -> bool:
    if "patternCodeableConcept" in element:
        return _has_codings(element["patternCodeableConcept"], value)
    (profile,) = element["type"][0]["profile"]
    return bool(value["url"] == profile)


def _fits(element: Json, value: Any) -> bool:
    fixed = [element[name] for name in element if name.startswith("fixed")]
    if fixed and value != fixed[0]:
        return False
    if "patternCodeableConcept" in element and not _has_codings(element["patternCodeableConcept"], value):
        return False
    targets = [
        url.rpartition("/")[2] for row in element.get("type", ()) for url in row.get("targetProfile", ())
    ]
    if targets and value["reference"].split("/")[0] not in targets:
        return False
    binding = element.get("binding", {})
    if binding.get("strength") == "required":
        codes = own_value_sets()[binding["valueSet"]]
        return any((row["system"], row["code"]) in codes for row in value["coding"])
    return True


def _has_codings(pattern: Json, value: Json) -> bool:
    return all(
        any(wanted.items() <= coding.items() for coding in value.get("coding", ()))
        for wanted in pattern["coding"]
    )


def _walk(nodes: list[Any], steps: list[str]) -> list[Any]:
    for step in steps:
        nodes = [value for node in nodes for value in _values(node, step)]
    return nodes


def _values(holder: Json, step: str) -> list[Any]:
    if step.endswith("[x]"):
        found = [value for name, value in holder.items() if name.startswith(step[:-3])]
    else:
        found = [holder[step]] if step in holder else []
    return [item for value in found for item in (value if isinstance(value, list) else [value])]
