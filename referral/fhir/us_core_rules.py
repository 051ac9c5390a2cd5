"""What US Core 6.1.0 asks for that no table of paths can say: its invariants, and the extensions of Patient.

Each rule takes a resource that R4 allows and yields (where it is broken, how the sentence ends).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from referral.domain.npi import is_valid_npi
from referral.fhir.reference_targets import parse_reference
from referral.fhir.systems import DATA_ABSENT, US_NPI

Problem = tuple[str, str]

_CORE: Final = "http://hl7.org/fhir/us/core/StructureDefinition/"
_CLIA: Final = "urn:oid:2.16.840.1.113883.4.7"
_NAIC: Final = "urn:oid:2.16.840.1.113883.6.300"
# VSAC 2.16.840.1.114222.4.11.836 and .837 (OMB), with unknown and asked but unknown of 2.16...1021.102.
_RACES: Final = frozenset({"1002-5", "2028-9", "2054-5", "2076-8", "2106-3", "UNK", "ASKU"})
_ETHNICITIES: Final = frozenset({"2135-2", "2186-5", "UNK", "ASKU"})
_BIRTH_SEXES: Final = frozenset({"F", "M", "UNK", "ASKU", "OTH"})
# USPS Publication 28, appendix B.
_STATES: Final = frozenset((
    "AL", "AK", "AS", "AZ", "AR", "CA", "CO", "CT", "DE", "DC", "FM", "FL", "GA", "GU", "HI", "ID", "IL",
    "IN", "IA", "KS", "KY", "LA", "ME", "MH", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH",
    "NJ", "NM", "NY", "NC", "ND", "MP", "OH", "OK", "OR", "PW", "PA", "PR", "RI", "SC", "SD", "TN", "TX",
    "UT", "VT", "VI", "VA", "WA", "WV", "WI", "WY", "AE", "AA", "AP",
))  # fmt: skip
_DONE: Final = frozenset({"completed", "in-progress"})


def names(patient: dict[str, Any]) -> Iterator[Problem]:
    """us-core-6 of Patient: a name says family or given, or why it says neither."""
    for index, name in enumerate(patient.get("name", ())):
        said = bool(_either(name, "family") or _either(name, "given"))
        if said == bool(_extensions(name, DATA_ABSENT)):
            yield (
                f"name[{index}]",
                "needs family or given, or else the extension data-absent-reason (us-core-6)",
            )


def race(patient: dict[str, Any]) -> Iterator[Problem]:
    """The extension has its text, and categories of the OMB."""
    return _category(patient, "us-core-race", _RACES)


def ethnicity(patient: dict[str, Any]) -> Iterator[Problem]:
    """As `race`."""
    return _category(patient, "us-core-ethnicity", _ETHNICITIES)


def _category(patient: dict[str, Any], name: str, codes: frozenset[str]) -> Iterator[Problem]:
    found = _extensions(patient, _CORE + name)
    if len(found) > 1:
        yield f"extension[{found[1][0]}]", f"repeats {name}, which may be there once"
    for index, extension in found:
        where = f"extension[{index}]"
        parts = extension.get("extension", [])
        if sum("valueString" in part for part in parts if part.get("url") == "text") != 1:
            yield where, f"({name}) needs one extension 'text' with a valueString"
        for place, part in enumerate(parts):
            code = part.get("valueCoding", {}).get("code")
            if part.get("url") == "ombCategory" and code not in codes:
                yield f"{where}.extension[{place}].value", f"has to be one of {', '.join(sorted(codes))}"


def birth_sex(patient: dict[str, Any]) -> Iterator[Problem]:
    """A code of the value set birthsex."""
    for index, extension in _extensions(patient, f"{_CORE}us-core-birthsex"):
        if extension.get("valueCode") not in _BIRTH_SEXES:
            yield f"extension[{index}].value", f"has to be one of {', '.join(sorted(_BIRTH_SEXES))}"


def npi(resource: dict[str, Any]) -> Iterator[Problem]:
    """us-core-16 and us-core-17."""
    return _identifiers(
        resource,
        US_NPI,
        is_valid_npi,
        "is no NPI: that is ten digits (us-core-16), of which the last checks the others (us-core-17)",
    )


def clia(organization: dict[str, Any]) -> Iterator[Problem]:
    """us-core-18."""
    wanted = "is no CLIA number: ten characters with a D in the third place (us-core-18)"
    return _identifiers(organization, _CLIA, _like(r"[0-9]{2}D[0-9]{7}"), wanted)


def naic(organization: dict[str, Any]) -> Iterator[Problem]:
    """us-core-19."""
    return _identifiers(organization, _NAIC, _like(r"[0-9]{5}"), "is no NAIC code: five digits (us-core-19)")


def _like(pattern: str) -> Callable[[str], bool]:
    matches = re.compile(pattern).fullmatch
    return lambda value: bool(matches(value))


def _identifiers(
    resource: dict[str, Any], system: str, fits: Callable[[str], bool], text: str
) -> Iterator[Problem]:
    for index, identifier in enumerate(resource.get("identifier", ())):
        value = identifier.get("value")
        if identifier.get("system") == system and value is not None and not fits(value):
            yield f"identifier[{index}].value", text


def states(resource: dict[str, Any]) -> Iterator[Problem]:
    """An extensible binding to codes that are written as text: told as a warning by its sentence."""
    found = resource.get("address", [])
    for index, address in enumerate(found if isinstance(found, list) else [found]):
        country = str(address.get("country", "US")).upper()
        state = address.get("state")
        if state is not None and state not in _STATES and country in ("US", "USA", "UNITED STATES"):
            place = f"address[{index}].state" if isinstance(found, list) else "address.state"
            yield place, WARNED + "should be the two letters of a state, as the postal service writes it"


# A problem that starts so is a warning.
WARNED: Final = "\0"


def role_of_somebody(role: dict[str, Any]) -> Iterator[Problem]:
    """us-core-13."""
    if not any(name in role for name in ("practitioner", "organization", "healthcareService", "location")):
        text = "needs a practitioner, an organization, a healthcareService or a location (us-core-13)"
        yield "", text


def can_be_reached(role: dict[str, Any]) -> Iterator[Problem]:
    """pd-1."""
    if "telecom" not in role and "endpoint" not in role:
        yield "", "needs a telecom or an endpoint (pd-1)"


def attachments(reference: dict[str, Any]) -> Iterator[Problem]:
    """us-core-6 of DocumentReference."""
    for index, content in enumerate(reference.get("content", ())):
        attachment = content.get("attachment", {})
        if not (_either(attachment, "url") or _either(attachment, "data")):
            yield f"content[{index}].attachment", "needs url or data (us-core-6)"


def performed(procedure: dict[str, Any]) -> Iterator[Problem]:
    """us-core-7."""
    there = any(name.lstrip("_").startswith("performed") for name in procedure)
    if procedure.get("status") in _DONE and not there:
        yield "performed", "is missing, and a procedure that is completed or in-progress needs it (us-core-7)"


def on_behalf_of(provenance: dict[str, Any]) -> Iterator[Problem]:
    """provenance-1; who a logical reference means cannot be told."""
    contained = {part.get("id"): part.get("resourceType") for part in provenance.get("contained", ())}
    for index, agent in enumerate(provenance.get("agent", ())):
        who = agent.get("who", {})
        text = str(who.get("reference", ""))
        literal = parse_reference(text)
        type = literal.type if literal else contained.get(text[1:]) if text[:1] == "#" else who.get("type")
        if type in ("Practitioner", "Device") and "onBehalfOf" not in agent:
            text = f"is missing, and an agent that is a {type} needs it (provenance-1)"
            yield f"agent[{index}].onBehalfOf", text


def _either(holder: Mapping[str, Any], name: str) -> bool:
    return name in holder or f"_{name}" in holder


def _extensions(holder: Mapping[str, Any], url: str) -> list[tuple[int, dict[str, Any]]]:
    rows = enumerate(holder.get("extension", ()))
    return [(index, row) for index, row in rows if row.get("url") == url]
