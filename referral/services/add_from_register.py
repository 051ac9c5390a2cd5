"""Takes somebody of the national register into the clinic's own directory."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Channel
from referral.domain.errors import InvalidInput, Issue
from referral.domain.npi import deciding_taxonomy
from referral.domain.nppes import PERSON, Registered, spoken_address
from referral.domain.records import Clinician, Contact
from referral.domain.time_zones import time_zone_of
from referral.fhir.contact_values import usable_address
from referral.services import publish
from referral.services.keep_directory import ADDED
from referral.storage import audit, clinics, directory, register
from referral.storage.db import Session, hold

SOURCE: Final = "nppes"


def add_from_register(session: Session, actor: Actor, npi: str, now: datetime) -> Clinician:
    """Practitioner, PractitionerRole and contacts; whoever is in the directory already is returned.

    What the register says about contacts is a hint: nothing is verified, and a fax is confirmed by a call.
    Raises InvalidInput for an NPI that is not in the register, or that is no person's.
    """
    hold(session, "directory")
    known = directory.find_by_npi(session, [npi])
    if npi in known:
        return known[npi]
    record = register.get(session, npi)
    if record is None:
        raise _refusal("This NPI is not in the register any more. Look for the clinician again.")
    if record.entity != PERSON:
        raise _refusal("This NPI is not a person’s, so nobody can be asked by it. Choose the clinician.")
    clinician = clinician_of(record, clinics.current(session).time_zone)
    # An address of the post is no telecom of a record; it is put beside it.
    by_post = [c for c in clinician.contacts if c.channel is Channel.POST]
    telecom = tuple(c for c in clinician.contacts if c.channel is not Channel.POST)
    publish.clinician(session, replace(clinician, contacts=telecom), now)
    directory.set_time_zone(session, clinician.id, clinician.time_zone)
    directory.set_contact_source(session, clinician.id, SOURCE)
    for postal in by_post:
        directory.add_contact(session, clinician.id, postal, None)
    entity = f"PractitionerRole/{clinician.id}"
    detail: dict[str, str | int | bool | list[str] | None] = {"from": SOURCE}
    audit.record(
        session, actor, AuditEntry(action=Action.CREATE, subtype=ADDED, entity=entity, detail=detail)
    )
    return directory.get_clinician(session, clinician.id)


def _refusal(sentence: str) -> InvalidInput:
    return InvalidInput(Issue(sentence, ("clinician_query",), "not-found"))


def clinician_of(record: Registered, clinics_zone: str) -> Clinician:
    """As they would stand in the directory, with new ids; the register has no e-mail addresses."""
    address = spoken_address(record.address)
    given = {Channel.FAX: record.fax, Channel.PHONE: record.phone}
    usable = {channel: usable_address(channel, value) for channel, value in given.items() if value}
    contacts = [(channel, value) for channel, value in usable.items() if value]
    if address:
        contacts.append((Channel.POST, ", ".join(address)))
    return Clinician(
        id=str(uuid.uuid4()),
        name=record.name,
        kind=record.kind,
        time_zone=time_zone_of(address, clinics_zone),
        practitioner_id=str(uuid.uuid4()),
        credentials=record.credentials,
        npi=record.npi,
        taxonomy=deciding_taxonomy(record.taxonomies),
        address=address,
        contacts=tuple(
            Contact(id=str(uuid.uuid4()), channel=channel, address=value, source=SOURCE)
            for channel, value in contacts
        ),
    )
