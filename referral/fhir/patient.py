"""Patient: the few elements that the workflow uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from referral.domain.codes import Channel
from referral.domain.records import Patient
from referral.fhir.contact_points import AT_HOME, address_lines
from referral.fhir.contact_values import usable_address
from referral.fhir.elements import Resource, codings, every, read_date
from referral.fhir.human_name import best_name
from referral.fhir.systems import BCP_47, DEFAULT, LocalSystems

_PHONE_USE = {"mobile": 0, "home": 1, "work": 2, None: 3, "temp": 4}
_LAST = 10_000


def to_fhir(patient: Patient, *, local: LocalSystems = DEFAULT) -> Resource:
    """A patient whom the front desk creates (US Core minimum); gender is not asked, so it is `unknown`."""
    name: dict[str, Any] = {"use": "official", "text": patient.name}
    if patient.family:
        name["family"] = patient.family
    if patient.given:
        name["given"] = patient.given.split()
    resource: Resource = {
        "resourceType": "Patient",
        "id": patient.id,
        "identifier": [local.identifier("patient", patient.id)],
        "active": True,
        "name": [name],
        "gender": "unknown",
    }
    telecom = [
        {"system": system, "value": value}
        for system, value in (("phone", patient.telephone), ("email", patient.email))
        if value
    ]
    if telecom:
        resource["telecom"] = telecom
    if patient.birth_date:
        resource["birthDate"] = patient.birth_date.isoformat()
    if patient.language:
        language = {"coding": [{"system": BCP_47, "code": patient.language}]}
        resource["communication"] = [{"language": language, "preferred": True}]
    return resource


def from_fhir(resource: Mapping[str, Any]) -> Patient:
    """Read any server's Patient. A missing name gives empty parts; a partial birth date gives none."""
    name = best_name(resource)
    return Patient(
        id=str(resource.get("id") or ""),
        family=name.family,
        given=name.given,
        birth_date=read_date(resource.get("birthDate")),
        telephone=_reachable(resource, Channel.PHONE, Channel.SMS),
        email=_reachable(resource, Channel.EMAIL),
        language=_language(resource),
        address=address_lines([resource], AT_HOME),
    )


def _reachable(resource: Mapping[str, Any], *channels: Channel) -> str | None:
    """The first that can be reached, as the client ranks them, then by use; never one no longer used."""
    points = [
        point
        for point in every(resource, "telecom")
        if point.get("system") in channels and point.get("use") != "old"
    ]
    points.sort(key=lambda point: (point.get("rank") or _LAST, _PHONE_USE.get(point.get("use"), 5)))
    usable = (usable_address(Channel(point["system"]), str(point.get("value") or "")) for point in points)
    return next((address for address in usable if address is not None), None)


def _language(resource: Mapping[str, Any]) -> str | None:
    spoken = sorted(every(resource, "communication"), key=lambda entry: entry.get("preferred") is not True)
    for entry in spoken:
        codes = list(codings(entry.get("language")))
        if codes:
            return min(codes, key=lambda code: code[0] != BCP_47)[1]
    return None
