"""One Provenance for what a client wrote of a patient's record in one transaction: which versions, who, when.

What the workflow adds by itself has its own (publish.py). Resources about nobody, such as a Practitioner,
have their audit rows alone, unless the client sends a Provenance of its own along (X-Provenance).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from referral.domain.audit import Actor
from referral.domain.errors import Forbidden, ReferralError
from referral.fhir.elements import Ref, Resource, coding, every
from referral.fhir.json import decode
from referral.fhir.problems import InvalidResource, Issue
from referral.fhir.provenance import Agent, of_patient, patient_in, provenance
from referral.fhir.reference_targets import parse_reference
from referral.fhir.systems import DATA_OPERATION, DEFAULT
from referral.fhir.validation import issues_in
from referral.services.access import Access
from referral.services.client_write import ClientWrite
from referral.storage import clinics, resources
from referral.storage.db import Session
from referral.storage.resources import Stored

_CREATE: Final[Resource] = {"coding": [coding(DATA_OPERATION, "CREATE", "create")]}
_UPDATE: Final[Resource] = {"coding": [coding(DATA_OPERATION, "UPDATE", "revise")]}
_HEADER: Final = "http.X-Provenance"
_NOTED: Final = "client-wrote"


def note_write(session: Session, stored: Stored, patient_id: str | None, *, created: bool) -> None:
    """Remembered until the end of the transaction, when the newest version is the one that is named."""
    key = (_NOTED, stored.type, stored.id)
    was_created = created or session.kept.get(key, ("", False))[1]
    session.kept[key] = (patient_id, was_created)


def record_provenance(session: Session, by: Access, header: str | None, now: datetime) -> None:
    """One for each patient and each kind of change; with the client's own header, that for each patient.

    InvalidResource where the header cannot be taken; where nothing was written, it is not looked at.
    """
    noted = {key[1:]: value for key, value in session.kept.items() if key[0] == _NOTED}
    if not noted:
        return
    groups: dict[tuple[str | None, bool], list[Ref]] = {}
    for (type, id), (patient_id, created) in noted.items():
        if type != "Provenance" and (patient_id or header):
            stored = resources.read(session, type, id)
            target = f"{stored.reference}/_history/{stored.version}"
            groups.setdefault((patient_id, created and header is None), []).append(target)
    if not groups:
        return
    if header is not None:
        by.permit.require("Provenance", "c")
        given = _given(header)
        made = [_of_client(given, patient_id, targets) for (patient_id, _), targets in groups.items()]
        if not all(by.permit.allows(ClientWrite(session, by.actor, one, now), "c") for one in made):
            raise Forbidden("This client's scopes do not reach this Provenance; nothing was changed.")
    else:
        agents = [_agent(session, by.actor)]
        made = [
            provenance(
                resources.new_id(),
                targets,
                agents,
                recorded_at=now,
                activity=_CREATE if created else _UPDATE,
                patient_id=patient_id,
            )
            for (patient_id, created), targets in groups.items()
        ]
    resources.create(session, made, now)


def take_provenance(write: ClientWrite) -> None:
    """A client's own, stored as it was sent; where it does not say whose record it tells of, we say it."""
    document = write.document
    if patient_in(document) is None:
        targets = [parse_reference(row.get("reference")) for row in every(document, "target")]
        here = [f"{found.type}/{found.id}" for found in targets if found is not None and not found.base]
        patients = resources.patients_of(write.session, here)
        added = [row for id in patients for row in of_patient(id)["extension"]]
        if added:
            document = {**document, "extension": [*document.get("extension", []), *added]}
    write.store(document)


def _agent(session: Session, actor: Actor) -> Agent:
    """The system by identifier, for it is no resource of ours, on behalf of the clinic."""
    who = {"type": "Device", "identifier": DEFAULT.identifier(f"{actor.kind}-actor", actor.id)}
    slug = clinics.slug_of(session)
    return Agent("author", who, {"type": "Organization", "identifier": DEFAULT.identifier("clinic", slug)})


def _given(header: str) -> Resource:
    """R4, section 2.1.0.3: a Provenance as JSON, without the targets, which only the server knows."""
    try:
        document = decode(header.encode("latin-1"))
    except ReferralError as error:
        raise _refused(f"This is no Provenance as JSON: {error}", "structure") from error
    if document.get("resourceType") != "Provenance":
        raise _refused("X-Provenance has to be a Provenance.", "value")
    if "target" in document:
        raise _refused("Leave target out of X-Provenance: the server names what it has written.", "value")
    issues = issues_in({**document, "target": [{"reference": "Patient/1"}]})
    if issues:
        raise InvalidResource(*[Issue(issue.text, (_HEADER,), issue.code) for issue in issues])
    return document


def _refused(text: str, code: str) -> InvalidResource:
    return InvalidResource(Issue(text, (_HEADER,), code))


def _of_client(given: Resource, patient_id: str | None, targets: list[Ref]) -> Resource:
    """The client's own with our id and targets, and with the patient where it is about one."""
    made: dict[str, Any] = {name: value for name, value in given.items() if name not in ("id", "meta")}
    if patient_id is not None:
        made["extension"] = [*of_patient(patient_id)["extension"], *given.get("extension", [])]
    made["target"] = [{"reference": target} for target in targets]
    return {"id": resources.new_id(), **made}
