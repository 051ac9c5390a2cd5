"""What a Reference may point at: its syntax, the types allowed for its element, contained resources."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from referral.fhir.definitions import resource_types

_ID: Final = r"[A-Za-z0-9\-.]{1,64}"
_LITERAL: Final = re.compile(rf"(https?://[^\s?#]+/)?([A-Z][A-Za-z]+)/({_ID})(?:/_history/({_ID}))?")
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_DEFINITION: Final = "http://hl7.org/fhir/StructureDefinition/"


class LiteralReference(NamedTuple):
    """`base` is empty for a relative reference; `version` is None unless it names one."""

    base: str
    type: str
    id: str
    version: str | None


def parse_reference(text: object) -> LiteralReference | None:
    """`Type/id`, `Type/id/_history/v` and their absolute forms; None for `#id`, `urn:…` and all else."""
    return _literal(text) if isinstance(text, str) else None


# A resource that is written is read for the same references by checks, by its index and by its record.
@lru_cache(maxsize=512)
def _literal(text: str) -> LiteralReference | None:
    match = _LITERAL.fullmatch(text)
    if match is None or match[2] not in resource_types():
        return None
    return LiteralReference(match[1] or "", match[2], match[3], match[4])


def relative_references(value: Any, base_url: str) -> Any:
    """A copy in which references that name this server by its address are `Type/id`."""
    if isinstance(value, list):
        return [relative_references(item, base_url) for item in value]
    if not isinstance(value, dict):
        return value
    made = {name: relative_references(item, base_url) for name, item in value.items()}
    reference = made.get("reference")
    if isinstance(reference, str):
        made["reference"] = reference.removeprefix(f"{base_url}/")
    return made


def reference_problem(
    value: Mapping[str, Any], allowed: frozenset[str] | None, contained: Mapping[str, str], root: str
) -> tuple[str, str, str] | None:
    """(issue code, end of the sentence, element below), or None.

    `contained` gives the type of each contained id, `root` the type of the resource that contains them. The
    target of a URN or of a URL that names no type is not known here and is let pass.
    """
    text = value.get("reference")
    if text is not None and (type(text) is not str or not text):
        return None  # noted as a primitive already
    found = None
    if text is not None:
        found = _type_of(text, contained, root)
        if found == "":
            return _unresolvable(text)
    if allowed is not None and found is not None and found not in allowed:
        return ("value", f"may not point at {found}; it has to be {_listed(allowed)}", "reference")
    return _type_problem(value.get("type"), found, allowed)


def _type_of(text: str, contained: Mapping[str, str], root: str) -> str | None:
    """The type that a reference points at; None when it cannot be told, empty when it is no reference."""
    if text[0] == "#":
        return (contained.get(text[1:]) or "") if len(text) > 1 else root
    literal = parse_reference(text)
    if literal is not None:
        return literal.type
    return None if _ABSOLUTE.fullmatch(text) else ""


def _unresolvable(text: str) -> tuple[str, str, str]:
    if text[0] == "#":
        return ("invariant", "breaks ref-1: there is no contained resource with this id", "reference")
    return (
        "value",
        "is no reference; write Type/id, #id of a contained resource, or an absolute URL",
        "reference",
    )


def _type_problem(
    declared: object, found: str | None, allowed: frozenset[str] | None
) -> tuple[str, str, str] | None:
    """Reference.type has to agree with the reference and with the element."""
    if type(declared) is not str:
        return None
    name = declared.removeprefix(_DEFINITION)
    if found is not None and name != found:
        return ("value", f"says {name[:40]} but the reference points at {found}", "type")
    if allowed is not None and name not in allowed:
        return ("value", f"may not be {name[:40]}; it has to be {_listed(allowed)}", "type")
    return None


def _listed(names: frozenset[str]) -> str:
    return "one of " + ", ".join(sorted(names)) if len(names) > 1 else next(iter(names))
