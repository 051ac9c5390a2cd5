"""Practitioner, PractitionerRole and Organization: one outside clinician in one role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from referral.domain.codes import ClinicianKind
from referral.domain.language import Language
from referral.domain.npi import is_valid_npi, kind_of_taxonomy
from referral.domain.policy import SNOMED_CT
from referral.domain.records import Clinician
from referral.fhir.contact_points import UNREACHABLE, address, address_lines, contacts_from, telecom
from referral.fhir.elements import Resource, codings, concept, every, reference_id
from referral.fhir.human_name import best_name, split_name
from referral.fhir.systems import (
    BCP_47,
    DEFAULT,
    DEGREE,
    IDENTIFIER_TYPE,
    NUCC,
    SAME_SYSTEM,
    US_NPI,
    LocalSystems,
)

# SNOMED CT practice settings and roles, for clients that send no NUCC code.
_KIND_BY_SNOMED: Final = {
    "394587001": ClinicianKind.PSYCHIATRIST,
    "80584001": ClinicianKind.PSYCHIATRIST,
    "59944000": ClinicianKind.PSYCHOLOGIST,
    "419772000": ClinicianKind.PRIMARY_CARE,
    "394814009": ClinicianKind.PRIMARY_CARE,
    "419192003": ClinicianKind.PRIMARY_CARE,
    "453231000124104": ClinicianKind.PRIMARY_CARE,
    "62247001": ClinicianKind.PRIMARY_CARE,
}
# A licence says more than a field of work: a nurse practitioner in a psychiatric practice is no psychiatrist.
_LICENCES: Final = (
    ClinicianKind.NURSE_PRACTITIONER,
    ClinicianKind.PHYSICIAN_ASSISTANT,
    ClinicianKind.SOCIAL_WORKER,
)


def practitioner(clinician: Clinician, *, local: LocalSystems = DEFAULT) -> Resource:
    """The person; `clinician.practitioner_id` must be known."""
    name = split_name(clinician.name)
    human_name: dict[str, Any] = {"use": "official", "text": clinician.name, "family": name.family}
    if name.given:
        human_name["given"] = name.given.split()
    if clinician.credentials:
        human_name["suffix"] = [part.strip() for part in clinician.credentials.split(",") if part.strip()]
    id = _known(clinician.practitioner_id)
    resource: Resource = {
        "resourceType": "Practitioner",
        "id": id,
        "identifier": [local.identifier("practitioner", id)],
        "active": True,
        "name": [human_name],
    }
    if clinician.npi:
        resource["identifier"].insert(0, {"system": US_NPI, "value": clinician.npi})
    if points := telecom(clinician.contacts):
        resource["telecom"] = points
    if clinician.address:
        resource["address"] = [address(clinician.address)]
    if clinician.taxonomy:
        resource["qualification"] = [{"code": concept(NUCC, clinician.taxonomy)}]
    if clinician.language:
        resource["communication"] = [concept(BCP_47, clinician.language.value)]
    return resource


def role(clinician: Clinician, *, local: LocalSystems = DEFAULT) -> Resource:
    """The PractitionerRole, which is what requests are addressed to."""
    resource: Resource = {
        "resourceType": "PractitionerRole",
        "id": clinician.id,
        "identifier": [local.identifier("practitioner-role", clinician.id)],
        "active": True,
    }
    if clinician.practitioner_id:
        resource["practitioner"] = {
            "reference": f"Practitioner/{clinician.practitioner_id}",
            "display": clinician.name,
        }
    if clinician.organization_id:
        resource["organization"] = {"reference": f"Organization/{clinician.organization_id}"}
        if clinician.practice:
            resource["organization"]["display"] = clinician.practice
    if clinician.taxonomy:
        resource["specialty"] = [concept(NUCC, clinician.taxonomy)]
    resource["telecom"] = telecom(clinician.contacts) or [UNREACHABLE]
    return resource


def organization(clinician: Clinician, *, local: LocalSystems = DEFAULT) -> Resource:
    """The practice; `clinician.organization_id` must be known."""
    id = _known(clinician.organization_id)
    resource: Resource = {
        "resourceType": "Organization",
        "id": id,
        "identifier": [local.identifier("organization", id)],
        "active": True,
        "name": clinician.practice or f"Practice of {clinician.name}",
    }
    if clinician.address:
        resource["address"] = [address(clinician.address)]
    return resource


def _known(value: str | None) -> str:
    if value is None:
        raise ValueError("this clinician has no such resource")
    return value


def clinician_from_fhir(
    role: Mapping[str, Any],
    practitioner: Mapping[str, Any] | None,
    organization: Mapping[str, Any] | None,
    *,
    time_zone: str,
) -> Clinician:
    """One clinician from the resources of any server; FHIR has no time zone, so the caller gives it.

    The NPI is returned as written (a valid one first): whoever stores it decides what a wrong one means.
    Contacts come from the role first, then the person, then the practice.
    """
    person = practitioner or {}
    name = best_name(person)
    practice = str((organization or {}).get("name") or "").strip() or _display(role, "organization")
    taxonomy = _taxonomy(role, person)
    return Clinician(
        id=str(role.get("id") or ""),
        practitioner_id=reference_id(role.get("practitioner"), "Practitioner") or person.get("id"),
        organization_id=reference_id(role.get("organization"), "Organization")
        or (organization or {}).get("id"),
        name=name.full or _display(role, "practitioner") or practice or "Unnamed clinician",
        credentials=name.suffix or _degree(person),
        npi=_npi(person) or _npi(role),
        taxonomy=taxonomy,
        kind=kind_of_taxonomy(taxonomy) if taxonomy else _kind_of_snomed(role, person),
        practice=practice,
        time_zone=time_zone,
        address=address_lines((practitioner, organization)),
        contacts=contacts_from(str(role.get("id") or ""), (role, practitioner, organization)),
        language=_language(person),
    )


def _language(person: Mapping[str, Any]) -> Language | None:
    """The first that we speak; the order is all that FHIR R4 says of which one a practitioner prefers."""
    return next(filter(None, map(_spoken, every(person, "communication"))), None)


def _spoken(communication: object) -> Language | None:
    return Language.of(code for system, code, _ in codings(communication) if system == BCP_47)


def communication(person: Mapping[str, Any], language: Language | None) -> list[Any] | None:
    """The person's languages with this one first, for whoever writes them anew; None where none is left.

    What others have said stays behind it, word for word. `language` None takes away what we speak.
    """
    given = every(person, "communication")
    first = [entry for entry in given if language is not None and _spoken(entry) is language]
    rest = [entry for entry in given if entry not in first and (language or _spoken(entry) is None)]
    if language is not None and not first:
        first = [concept(BCP_47, language.value)]
    return [*first, *rest] or None


def _display(role: Mapping[str, Any], name: str) -> str:
    value = role.get(name)
    return str(value.get("display") or "").strip() if isinstance(value, Mapping) else ""


def _npi(resource: Mapping[str, Any]) -> str | None:
    values: list[str] = []
    for identifier in every(resource, "identifier"):
        system = str(identifier.get("system") or "")
        typed = any(c[0] == IDENTIFIER_TYPE and c[1] == "NPI" for c in codings(identifier.get("type")))
        value = str(identifier.get("value") or "").strip()
        if value and identifier.get("use") != "old" and (SAME_SYSTEM.get(system, system) == US_NPI or typed):
            values.append(value)
    return min(values, key=lambda value: not is_valid_npi(value), default=None)


def _fields(role: Mapping[str, Any], person: Mapping[str, Any]) -> list[object]:
    """Every concept that may say what kind of clinician this is, most specific first."""
    qualifications = [entry.get("code") for entry in every(person, "qualification")]
    return [*every(role, "specialty"), *every(role, "code"), *qualifications]


def _taxonomy(role: Mapping[str, Any], person: Mapping[str, Any]) -> str | None:
    codes = [code.upper() for system, code, _ in codings(*_fields(role, person)) if system == NUCC]
    known = [code for code in codes if kind_of_taxonomy(code) is not ClinicianKind.OTHER]
    licences = [code for code in known if kind_of_taxonomy(code) in _LICENCES]
    return next(iter([*licences, *known, *codes]), None)


def _kind_of_snomed(role: Mapping[str, Any], person: Mapping[str, Any]) -> ClinicianKind:
    kinds = (
        _KIND_BY_SNOMED.get(code)
        for system, code, _ in codings(*_fields(role, person))
        if system == SNOMED_CT
    )
    return next((kind for kind in kinds if kind is not None), ClinicianKind.OTHER)


def _degree(person: Mapping[str, Any]) -> str:
    """What follows the name on a letter, from a coded degree; empty where nobody said it."""
    for qualification in every(person, "qualification"):
        degree = next((c[1] for c in codings(qualification.get("code")) if c[0].startswith(DEGREE)), None)
        if degree:
            return degree
    return ""
