"""Whom a client's request is addressed to: roles, persons by their role, or an NPI."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from referral.fhir.elements import every, reference_id
from referral.fhir.systems import SAME_SYSTEM, US_NPI
from referral.services.client_write import ClientWrite, refuse
from referral.storage import directory, resources


def find_performers(write: ClientWrite) -> tuple[str, ...]:
    """PractitionerRole ids in the order given, each once: several performers are alternatives.

    A Practitioner stands for one of their roles; where they have none, one is made of the qualification.
    """
    performers = every(write.document, "performer")
    if not performers:
        refuse("Name the clinician to ask.", "ServiceRequest.performer", code="required")
    found = [_role(write, performer, place) for place, performer in enumerate(performers)]
    return tuple(dict.fromkeys(found))


def _role(write: ClientWrite, performer: Mapping[str, Any], place: int) -> str:
    where = f"ServiceRequest.performer[{place}]"
    role_id = reference_id(performer, "PractitionerRole")
    if role_id is not None:
        if role_id not in directory.get_clinicians(write.session, [role_id]):
            refuse(f"There is no PractitionerRole with id {role_id}.", where, code="not-found")
        return role_id
    person_id = reference_id(performer, "Practitioner")
    if person_id is not None:
        return directory.find_role_of(write.session, person_id) or _made_role(write, person_id, where)
    identifier = performer.get("identifier")
    if isinstance(identifier, Mapping):
        system = str(identifier.get("system") or "")
        if SAME_SYSTEM.get(system, system) == US_NPI:
            return _role_of_npi(write, str(identifier.get("value") or ""), where)
    return refuse(
        "Address one clinician each, as PractitionerRole, Practitioner or by NPI; a team cannot answer.",
        where,
    )


def _role_of_npi(write: ClientWrite, npi: str, where: str) -> str:
    found = directory.find_clinicians(write.session, npi, 2) if len(npi) == 10 and npi.isdigit() else []
    if len(found) != 1:
        refuse("This NPI names no clinician of this clinic's directory, or several.", where, code="not-found")
    return found[0].id


def _made_role(write: ClientWrite, person_id: str, where: str) -> str:
    """A role without a practice: its kind and contacts are those of the person."""
    person = resources.find_many(write.session, [f"Practitioner/{person_id}"]).get(
        f"Practitioner/{person_id}"
    )
    if person is None:
        refuse(f"There is no Practitioner with id {person_id}.", where, code="not-found")
    document = person.document
    role: dict[str, Any] = {
        "resourceType": "PractitionerRole",
        "id": str(uuid.uuid4()),
        "active": True,
        "practitioner": {"reference": person.reference},
    }
    specialties = [q["code"] for q in every(document, "qualification") if "code" in q]
    if specialties:
        role["specialty"] = specialties
    if document.get("telecom"):
        role["telecom"] = document["telecom"]
    resources.create(write.session, [role], write.now)
    return str(role["id"])
