"""Bulk Data Access 2.0: what a kick-off asks for, and the manifest of what was written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, NoReturn

from referral.domain.errors import Issue
from referral.fhir.compartment import PATIENT_COMPARTMENT
from referral.fhir.definitions import CLINICAL_TYPES
from referral.fhir.elements import instant, reference_id
from referral.fhir.primitives import PRIMITIVES
from referral.fhir.problems import InvalidSearch

NDJSON: Final = "application/fhir+ndjson"
# A plus sign that was not encoded arrives as a space.
_FORMATS: Final = frozenset({NDJSON, "application/fhir ndjson", "application/ndjson", "ndjson"})
# AuditEvents are made when they are read, and subscriptions are each client's own.
TYPES: Final = tuple(type for type in CLINICAL_TYPES if type not in ("AuditEvent", "Subscription"))
PATIENT_TYPES: Final = ("Patient", *PATIENT_COMPARTMENT)
_MOST: Final = 1000
_VALUES: Final = ("valueString", "valueInstant", "valueCode", "valueUri", "valueDateTime")


@dataclass(frozen=True, slots=True)
class Asked:
    """`types` empty means all. `since` is a moment that is itself outside. `elements` as they were sent."""

    types: tuple[str, ...] = ()
    since: datetime | None = None
    elements: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()


def read_pairs(pairs: Iterable[tuple[str, str]], *, patient_level: bool, lenient: bool) -> Asked:
    """The parameters of a kick-off; raises InvalidSearch, for what is not known too unless `lenient`."""
    asked = Asked()
    for name, value in pairs:
        if "\x00" in name + value:
            _refuse("query", "contains the character U+0000", "value")
        reader = _READERS.get(name)
        if reader is not None:
            asked = reader(asked, value, patient_level, lenient)
        elif name not in ("_format", "_pretty") and not lenient:
            text = "is not supported here; leave it out, or send Prefer: handling=lenient to have it ignored"
            _refuse(name, text, "not-supported")
    return asked


def read_parameters(document: Mapping[str, Any], *, patient_level: bool, lenient: bool) -> Asked:
    """The same out of a Parameters resource that is valid."""
    if document.get("resourceType") != "Parameters":
        _refuse("body", "has to be a Parameters resource", "value")
    pairs = [_pair(parameter) for parameter in document.get("parameter", [])]
    return read_pairs(pairs, patient_level=patient_level, lenient=lenient)


def _pair(parameter: Mapping[str, Any]) -> tuple[str, str]:
    name = str(parameter.get("name"))
    if name == "patient":
        id = reference_id(parameter.get("valueReference"), "Patient")
        return (name, id) if id else _refuse(name, "has to be a valueReference to Patient/id", "value")
    value = next((parameter[key] for key in _VALUES if key in parameter), None)
    return (name, value) if isinstance(value, str) else _refuse(name, "has to have a valueString", "value")


def _format(asked: Asked, value: str, _patient_level: bool, _lenient: bool) -> Asked:
    if value.strip().lower() not in _FORMATS:
        _refuse("_outputFormat", f"can be {NDJSON} only", "not-supported")
    return asked


def _since(asked: Asked, value: str, _patient_level: bool, _lenient: bool) -> Asked:
    # A plus sign that was not encoded arrives as a space.
    text = value.strip().replace(" ", "+")
    if PRIMITIVES["instant"](text):
        _refuse("_since", "has to be an instant such as 2026-11-25T21:00:00Z", "value")
    return replace(asked, since=datetime.fromisoformat(text))


def _type(asked: Asked, value: str, patient_level: bool, lenient: bool) -> Asked:
    possible = PATIENT_TYPES if patient_level else TYPES
    names = [name.strip() for name in value.split(",") if name.strip()]
    wrong = [name for name in names if name not in possible]
    if wrong and not lenient:
        _refuse("_type", f"names {wrong[0][:64]}; what is exported is {', '.join(possible)}", "not-supported")
    known = [name for name in names if name in possible]
    if not known:
        _refuse("_type", "names no type that is exported", "not-supported")
    return replace(asked, types=tuple(dict.fromkeys((*asked.types, *known))))


def _elements(asked: Asked, value: str, _patient_level: bool, _lenient: bool) -> Asked:
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    if any(len(name) > 100 or name.count(".") > 1 for name in names) or len(names) > _MOST:
        _refuse("_elements", "is a list of elements such as name or Patient.birthDate", "value")
    return replace(asked, elements=(*asked.elements, *names))


def _patient(asked: Asked, value: str, patient_level: bool, _lenient: bool) -> Asked:
    if not patient_level:
        _refuse("patient", "is possible at Patient/$export only", "not-supported")
    patients = tuple(dict.fromkeys((*asked.patients, value.removeprefix("Patient/"))))
    if len(patients) > _MOST:
        _refuse("patient", f"may be there {_MOST} times at most", "too-costly")
    return replace(asked, patients=patients)


_READERS: Final[dict[str, Callable[[Asked, str, bool, bool], Asked]]] = {
    "_outputFormat": _format,
    "_since": _since,
    "_type": _type,
    "_elements": _elements,
    "patient": _patient,
}


def _refuse(name: str, text: str, code: str) -> NoReturn:
    raise InvalidSearch(Issue(f"{name[:64]} {text}.", (f"http.{name[:64]}",), code))


def elements_of(elements: Iterable[str], type: str) -> tuple[str, ...]:
    """What is wanted of this type: `Patient.name` of Patients, `name` of all."""
    parts = [element.rpartition(".") for element in elements]
    return tuple(name for of, _, name in parts if of in ("", type))


@dataclass(frozen=True, slots=True)
class Output:
    """One file: where it is and how many resources are in it."""

    type: str
    url: str
    count: int


def manifest(transaction_time: datetime, request: str, outputs: Iterable[Output]) -> dict[str, Any]:
    """What a finished export is answered with; nothing is ever deleted here."""
    return {
        "transactionTime": instant(transaction_time),
        "request": request,
        "requiresAccessToken": True,
        "output": [{"type": out.type, "url": out.url, "count": out.count} for out in outputs],
        "deleted": [],
        "error": [],
    }
