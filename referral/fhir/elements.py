"""The small parts that FHIR resources are made of: instants, references, codings; written and read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from referral.fhir.systems import SAME_SYSTEM

Resource = dict[str, Any]
# "Type/id", or a whole Reference (one by identifier, one with a display).
Ref = str | Mapping[str, Any]

_DATE_LENGTH = 10


def instant(at: datetime) -> str:
    """'2026-11-25T21:00:00.123Z', always UTC and always milliseconds; `at` must be aware."""
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat(timespec="milliseconds")[:-6] + "Z"


def read_date(value: object) -> date | None:
    """The day that a FHIR date or dateTime names, as written there; None for partial dates and nonsense."""
    if not isinstance(value, str) or len(value) < _DATE_LENGTH or value[4:8:3] != "--":
        return None
    try:
        return date.fromisoformat(value[:_DATE_LENGTH])
    except ValueError:
        return None


def reference(target: Ref) -> Resource:
    """A Reference from "Type/id"; one that is a Reference already is passed through."""
    return {"reference": target} if isinstance(target, str) else dict(target)


def references(targets: Iterable[Ref]) -> list[Resource]:
    """A list of References, in order."""
    return [reference(target) for target in targets]


def reference_id(value: object, *types: str) -> str | None:
    """The id in a relative Reference to one of `types`, a version cut off; None for anything else.

    Absolute URLs are None on purpose: only the web layer knows which of them name this server, and makes
    those relative before a resource is read.
    """
    if not isinstance(value, Mapping):
        return None
    target = value.get("reference")
    if not isinstance(target, str):
        return None
    parts = target.split("/")
    if len(parts) == 4 and parts[2] == "_history":
        parts = parts[:2]
    return parts[1] if len(parts) == 2 and parts[0] in types and parts[1] else None


def coding(system: str, code: str, display: str | None = None) -> Resource:
    """A Coding of somebody else's system; ours come from `LocalSystems.coding`."""
    return (
        {"system": system, "code": code, "display": display} if display else {"system": system, "code": code}
    )


def concept(system: str, code: str, display: str | None = None, text: str | None = None) -> Resource:
    """A CodeableConcept with one coding; its text is the display unless given."""
    wording = text or display
    codes = [coding(system, code, display)]
    return {"coding": codes, "text": wording} if wording else {"coding": codes}


def text_of(value: object) -> str:
    """What a CodeableConcept says to people: its text, or the first display; empty when it says nothing."""
    if not isinstance(value, Mapping):
        return ""
    text = value.get("text")
    if isinstance(text, str) and text.strip():
        return text.strip()
    return next((str(c["display"]).strip() for c in every(value, "coding") if c.get("display")), "")


def every(holder: object, name: str) -> list[Mapping[str, Any]]:
    """The objects in a repeating element; a missing element, a null and a stray scalar count as none."""
    values = holder.get(name) if isinstance(holder, Mapping) else None
    return [value for value in values if isinstance(value, Mapping)] if isinstance(values, list) else []


def codings(*concepts: object) -> Iterator[tuple[str, str, str]]:
    """(system, code, display) of every coding that has a code; systems written as OIDs come back as URLs."""
    for value in concepts:
        for item in every(value, "coding"):
            code = item.get("code")
            if isinstance(code, str) and code.strip():
                system = str(item.get("system") or "")
                yield SAME_SYSTEM.get(system, system), code.strip(), str(item.get("display") or "").strip()


def strings(holder: Mapping[str, Any], name: str) -> list[str]:
    """The texts in a repeating primitive; null, which stands for an extension beside it, is left out."""
    values = holder.get(name)
    if not isinstance(values, list):
        return []
    return [value.strip() for value in values if isinstance(value, str) and value.strip()]
