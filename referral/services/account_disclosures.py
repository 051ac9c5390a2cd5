"""The accounting of disclosures: what left the clinic about a patient (45 CFR 164.528)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Channel
from referral.domain.outgoing import MessageKind
from referral.domain.records import Clinician, Contact, Patient
from referral.fhir.audit_event import DISCLOSURES
from referral.storage import api_clients, audit, contacts, directory
from referral.storage.audit import AuditRow
from referral.storage.db import Session

# 164.528(a)(1): the six years before the request.
REACHES_BACK: Final = timedelta(days=6 * 365 + 2)
MOST: Final = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """`what` is the audit's word; `kind` and `channel` are those of a message.

    `clinician` or `system` got it, the patient where neither is set. `address` is where it went, empty where
    that is not on record.
    """

    at: datetime
    what: str
    kind: MessageKind | None
    channel: Channel | None
    clinician: Clinician | None
    system: str
    address: str
    reference: str


@dataclass(frozen=True, slots=True)
class Accounting:
    """Newest first. `more`: there are older ones than are shown."""

    patient: Patient
    since: datetime
    rows: tuple[Disclosure, ...]
    more: bool


def account_disclosures(session: Session, actor: Actor, patient_id: str, now: datetime) -> Accounting:
    """Of the last six years; NotFound for an unknown id. Making it is on record as well.

    What stayed in the house is none: a message for which there was no provider.
    """
    patient, since = directory.get_patient(session, patient_id), now - REACHES_BACK
    found = audit.disclosures(session, patient.id, DISCLOSURES, since, MOST + 1)
    left = [row for row in found[:MOST] if row.detail.get("real") is not False]
    entry = AuditEntry(
        action=Action.READ,
        subtype="accounting",
        entity=f"Patient/{patient.id}",
        patient_id=patient.id,
        detail={"rows": len(left)},
    )
    audit.record(session, actor, entry)
    return Accounting(patient, since, _told(session, left), len(found) > MOST)


def _told(session: Session, rows: Iterable[AuditRow]) -> tuple[Disclosure, ...]:
    every = list(rows)
    people = directory.get_clinicians(session, {id for row in every if (id := _clinician_of(row))})
    went_to = contacts.get_many(
        session, {str(row.detail["contact"]) for row in every if "contact" in row.detail}
    )
    systems = {client.id: client.name for client in api_clients.clients(session)}
    return tuple(_one(row, people, went_to, systems) for row in every)


def _one(
    row: AuditRow, people: dict[str, Clinician], went_to: dict[str, Contact], systems: dict[str, str]
) -> Disclosure:
    contact = went_to.get(str(row.detail.get("contact")))
    kind, channel = row.detail.get("kind"), row.detail.get("channel")
    return Disclosure(
        at=row.at,
        what=row.subtype,
        kind=MessageKind(kind) if kind in set(MessageKind) else None,
        channel=Channel(channel) if channel in set(Channel) else None,
        clinician=people.get(_clinician_of(row) or ""),
        system=systems.get(row.actor_id, row.actor_id) if row.actor_kind == "client" else "",
        address=contact.address if contact is not None else "",
        reference=row.entity or "",
    )


def _clinician_of(row: AuditRow) -> str | None:
    kind, _, id = str(row.detail.get("recipient", "")).partition("/")
    return id if kind == "PractitionerRole" else None
