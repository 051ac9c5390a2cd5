"""AuditEvent after IHE BALP, made from an audit row whenever it is read: the row stays the record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from referral.domain.audit import ActorKind
from referral.fhir.elements import Resource, coding, concept, instant
from referral.fhir.reference_targets import parse_reference
from referral.fhir.systems import (
    AUDIT_ENTITY_TYPE,
    AUDIT_EVENT_TYPE,
    AUDIT_SOURCE_TYPE,
    DCM,
    DEFAULT,
    LIFECYCLE,
    OBJECT_ROLE,
    PARTICIPATION_TYPE,
    RESTFUL_INTERACTION,
    LocalSystems,
)

_BALP: Final = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
_REST: Final = coding(AUDIT_EVENT_TYPE, "rest", "Restful Operation")
_EXPORT: Final = coding(DCM, "110106", "Export")
_DISCLOSE: Final = coding(LIFECYCLE, "disclose", "Disclose/Transmit Record Lifecycle Event")
_SOURCE: Final = concept(DCM, "110153", "Source Role ID")
_DESTINATION: Final = concept(DCM, "110152", "Destination Role ID")
_RECIPIENT: Final = concept(PARTICIPATION_TYPE, "IRCP", "information recipient")
_AUTHOR: Final = concept(PARTICIPATION_TYPE, "AUT", "author (originator)")
_TRANSACTION: Final = coding(
    "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType", "XrequestId"
)
_DATA: Final = coding(AUDIT_ENTITY_TYPE, "2", "System Object")
_PROFILES: Final = {"C": "PatientCreate", "R": "PatientRead", "U": "PatientUpdate", "D": "PatientDelete"}
_INTERACTIONS: Final = {"C": "create", "R": "read", "U": "update", "D": "delete", "E": "operation"}
# Words of ours that are FHIR's own names of interactions.
_NAMED: Final = frozenset({"vread", "search", "history", "patch"})
# Rows that say that patient data left the clinic: the accounting of disclosures (45 CFR 164.528). A letter or
# message that was handed over, one that came to the wrong place, what somebody saw or took on the portal, and
# what a system took out as a whole. An opened link alone shows nothing about anybody. A list that people of
# the clinic take away as a file (`export-list`) is none: what the workforce uses to run the clinic has gone
# to nobody outside of it (45 CFR 160.103 "disclosure"; 164.528(a)(1)(i) leaves operations out as well).
DISCLOSURES: Final = frozenset(
    {
        *("disclose", "misdirected"),
        *("portal-patient-name", "portal-request", "portal-letter", "portal-receipt", "portal-standing"),
        *("portal-conversation", "portal-course", "portal-report", "follow-up"),
        *("everything", "docref", "export"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One row of the audit log; `entity` is 'Type/id'.

    `recipient` is who was meant to get what was disclosed, 'Type/id'; None where it was whoever acted.
    """

    id: str
    at: datetime
    actor_kind: ActorKind
    actor_id: str
    role: str | None
    address: str | None
    request_id: str | None
    action: Literal["C", "R", "U", "D", "E"]
    subtype: str
    entity: str | None
    patient_id: str | None
    outcome: Literal["0", "4", "8", "12"]
    recipient: str | None = None


def to_fhir(row: AuditRow, *, site: str = "referral", local: LocalSystems = DEFAULT) -> Resource:
    """The AuditEvent; `site` is the host name of this installation.

    A BALP profile is claimed only where the row holds all that it asks for: success, a patient, what was
    touched and a network address. `meta.profile` is set here: nothing that is stored stands behind it.
    """
    disclosed = row.subtype in DISCLOSURES
    resource: Resource = {
        "resourceType": "AuditEvent",
        "id": row.id,
        "type": _EXPORT if disclosed else _REST,
        "subtype": [
            _DISCLOSE if disclosed else _interaction(row),
            local.coding("audit-subtype", row.subtype),
        ],
        "action": "R" if disclosed else row.action,
        "recorded": instant(row.at),
        "outcome": row.outcome,
        "agent": _agents(row, site, local, disclosed),
        "source": {
            "site": site,
            "observer": {"display": site},
            "type": [coding(AUDIT_SOURCE_TYPE, "4", "Application Server")],
        },
    }
    profile = "PrivacyDisclosure.Source" if disclosed else _PROFILES.get(row.action)
    if profile and row.outcome == "0" and row.patient_id and row.entity and row.address:
        resource["meta"] = {"profile": [_BALP + profile]}
    if entities := _entities(row):
        resource["entity"] = entities
    return resource


def _interaction(row: AuditRow) -> Resource:
    name = row.subtype if row.subtype in _NAMED else _INTERACTIONS[row.action]
    return coding(RESTFUL_INTERACTION, name, name)


def _agents(row: AuditRow, site: str, local: LocalSystems, disclosed: bool) -> list[Resource]:
    """Server, client and, where a person acted, the user; people by identifier, never by name.

    Data flows from source to destination: out of the server when something is read.
    """
    outward = disclosed or row.action == "R"
    who = {"identifier": local.identifier(f"{row.actor_kind}-actor", row.actor_id)}
    is_program = row.actor_kind in ("client", "system")
    server: Resource = {
        "type": _SOURCE if outward else _DESTINATION,
        "who": {"display": site},
        "requestor": False,
        "network": {"address": site, "type": "1"},
    }
    client: Resource = {
        "type": _DESTINATION if outward else _SOURCE,
        "who": who,
        "requestor": is_program,
    }
    if row.address:
        client["network"] = {"address": row.address, "type": "2"}
    if disclosed and row.recipient:
        recipient = {"type": _DESTINATION, "who": {"reference": row.recipient}, "requestor": False}
        # Whoever set it going, or looked at it in the recipient's name.
        actor = {name: value for name, value in client.items() if name != "type"}
        return [server, recipient, {**actor, "requestor": True}]
    if is_program:
        return [server, client]
    user: Resource = {
        "type": _RECIPIENT if outward or row.action == "E" else _AUTHOR,
        "who": who,
        "requestor": True,
    }
    if row.role:
        user["role"] = [{"text": row.role}]
    return [server, client, user]


def _what(entity: str) -> Resource:
    """Accounts of people and systems are no resources: they are named by identifier."""
    if parse_reference(entity) is not None:
        return {"reference": entity}
    return {"identifier": {"value": entity}}


def _entities(row: AuditRow) -> list[Resource]:
    entities: list[Resource] = []
    if row.entity:
        role = coding(OBJECT_ROLE, "4", "Domain Resource")
        entities.append({"what": _what(row.entity), "type": _DATA, "role": role})
    if row.patient_id:
        entities.append(
            {
                "what": {"reference": f"Patient/{row.patient_id}"},
                "type": coding(AUDIT_ENTITY_TYPE, "1", "Person"),
                "role": coding(OBJECT_ROLE, "1", "Patient"),
            }
        )
    if row.request_id:
        entities.append({"what": {"identifier": {"value": row.request_id}}, "type": _TRANSACTION})
    return entities
