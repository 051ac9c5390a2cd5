"""Rows for people, made from the resources they mirror and written with them, so that they cannot drift."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, Final

from sqlalchemy import Table, Text, cast, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from referral.domain.folding import folded
from referral.domain.records import Clinician, Contact
from referral.domain.time_zones import time_zone_of
from referral.fhir import patient as patient_mapping
from referral.fhir import practitioner as practitioner_mapping
from referral.fhir.json import decode_stored
from referral.fhir.patient_contacts import contacts_of_patient
from referral.storage import patient_links
from referral.storage.db import Session, flush
from referral.storage.tables import clinic, clinician, contact, patient, resource

# An index of PostgreSQL takes no more than a third of a page.
_LONGEST_SEARCH_NAME: Final = 600


def project(session: Session, document: dict[str, Any]) -> None:
    """Mirror a resource that people search for, of one of the types in MIRRORED."""
    _MIRRORS[document["resourceType"]](session, document)


def _upsert(session: Session, table: Table, row: dict[str, Any]) -> None:
    session.kept.pop((table.name, row["id"]), None)
    session.connection.execute(_upserting(table, tuple(row)), row)


@cache
def _upserting(table: Table, names: tuple[str, ...]) -> Any:
    keys = [column.name for column in table.primary_key]
    statement = insert(table)
    rest = {name: statement.excluded[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=rest)


def _mirror_patient(session: Session, document: dict[str, Any]) -> None:
    mapped = patient_mapping.from_fhir(document)
    _upsert(
        session,
        patient,
        {
            "clinic_id": session.clinic,
            "id": mapped.id,
            "family": mapped.family,
            "given": mapped.given,
            "birth_date": mapped.birth_date,
            "telephone": mapped.telephone,
            "email": mapped.email,
            "language": mapped.language,
            "search_name": folded(f"{mapped.family} {mapped.given}")[:_LONGEST_SEARCH_NAME],
            "active": document.get("active", True) is not False,
            "address": list(mapped.address),
        },
    )
    session.kept["patient", mapped.id] = mapped
    _mirror_patient_contacts(session, mapped.id, contacts_of_patient(document))


_NOT_NAMED: Final = text("""
UPDATE contact SET active = false
 WHERE clinic_id = CAST(:clinic AS uuid) AND patient_id = :patient AND active
   AND (channel, address) NOT IN (
       SELECT * FROM unnest(CAST(:channels AS text[]), CAST(:addresses AS text[])))
RETURNING id
""")


def _mirror_patient_contacts(session: Session, patient_id: str, named: tuple[Contact, ...]) -> None:
    """What the record does not name any more is no longer written to; what it names again is.

    The links that went there end with it.
    """
    values = [
        {
            "clinic_id": session.clinic,
            "id": one.id,
            "patient_id": patient_id,
            "channel": one.channel,
            "address": one.address,
            "source": one.source,
        }
        for one in named
    ]
    if values:
        statement = insert(contact).on_conflict_do_update(
            index_elements=["clinic_id", "patient_id", "channel", "address"],
            set_={"active": True},
            where=~contact.c.active,
        )
        session.connection.execute(statement, values)
    given = {
        "clinic": session.clinic,
        "patient": patient_id,
        "channels": [str(one.channel) for one in named],
        "addresses": [one.address for one in named],
    }
    gone = session.connection.scalars(_NOT_NAMED, given).all()
    if gone:
        patient_links.revoke_sent_to(session, gone, "contact-gone")


def _document(session: Session, reference: Any, type: str) -> dict[str, Any] | None:
    target = reference.get("reference", "") if isinstance(reference, dict) else ""
    if not target.startswith(f"{type}/"):
        return None
    flush(session)
    body = session.connection.scalar(
        select(cast(resource.c.body, Text)).where(
            resource.c.clinic_id == session.clinic,
            resource.c.type == type,
            resource.c.id == target.split("/")[1],
        )
    )
    return decode_stored(body) if body else None


def _mirror_role(session: Session, document: dict[str, Any]) -> None:
    mapped = practitioner_mapping.clinician_from_fhir(
        document,
        _document(session, document.get("practitioner"), "Practitioner"),
        _document(session, document.get("organization"), "Organization"),
        time_zone=_clinics_zone(session),
    )
    mapped = replace(mapped, time_zone=_zone_for(session, mapped))
    _upsert(session, clinician, _row_of(session, mapped, document.get("active", True) is not False))
    _mirror_contacts(session, mapped)


def _clinics_zone(session: Session) -> str:
    return str(
        session.connection.scalar(select(clinic.c.time_zone).where(clinic.c.clinic_id == session.clinic))
    )


def _zone_for(session: Session, mapped: Clinician) -> str:
    """By the state of the address, else the clinic's; one that staff have chosen by hand stays.

    It was chosen if it is not what the address before this change gives.
    """
    before = session.connection.execute(
        select(clinician.c.time_zone, clinician.c.address).where(
            clinician.c.clinic_id == session.clinic, clinician.c.id == mapped.id
        )
    ).one_or_none()
    otherwise = mapped.time_zone
    if before is not None and before.time_zone != time_zone_of(tuple(before.address), otherwise):
        return str(before.time_zone)
    return time_zone_of(mapped.address, otherwise)


def _mirror_contacts(session: Session, mapped: Clinician) -> None:
    """What the record does not name any more is no longer written to; what people have entered stays."""
    for channel in mapped.contacts:
        statement = insert(contact).values(
            clinic_id=session.clinic,
            id=channel.id,
            clinician_id=mapped.id,
            channel=channel.channel,
            address=channel.address,
            source=channel.source,
        )
        session.connection.execute(statement.on_conflict_do_nothing())
    is_named = contact.c.id.in_([channel.id for channel in mapped.contacts])
    session.connection.execute(
        update(contact)
        .where(
            contact.c.clinic_id == session.clinic,
            contact.c.clinician_id == mapped.id,
            contact.c.source == "ehr",
            contact.c.replaced_at.is_(None),
            contact.c.active != is_named,
        )
        .values(active=is_named)
    )


def _row_of(session: Session, mapped: Clinician, active: bool) -> dict[str, Any]:
    return {
        "clinic_id": session.clinic,
        "id": mapped.id,
        "practitioner_id": mapped.practitioner_id,
        "organization_id": mapped.organization_id,
        "name": mapped.name,
        "credentials": mapped.credentials,
        "npi": mapped.npi,
        "taxonomy": mapped.taxonomy,
        "kind": mapped.kind,
        "practice": mapped.practice,
        "address": list(mapped.address),
        "time_zone": mapped.time_zone,
        "language": mapped.language,
        "search_name": folded(f"{mapped.name} {mapped.practice} {' '.join(mapped.address)}")[
            :_LONGEST_SEARCH_NAME
        ],
        "active": active,
    }


def _mirror_roles_of(column: str) -> Callable[[Session, dict[str, Any]], None]:
    """A changed Practitioner or Organization is seen through every role that points to it."""

    def mirror(session: Session, document: dict[str, Any]) -> None:
        flush(session)
        bodies = session.connection.scalars(
            select(cast(resource.c.body, Text))
            .join(
                clinician,
                (clinician.c.clinic_id == resource.c.clinic_id) & (clinician.c.id == resource.c.id),
            )
            .where(
                resource.c.clinic_id == session.clinic,
                resource.c.type == "PractitionerRole",
                clinician.c[column] == document["id"],
            )
            .order_by(func.length(resource.c.id), resource.c.id)
        ).all()
        for body in bodies:
            _mirror_role(session, decode_stored(body))

    return mirror


_MIRRORS: Final[dict[str, Callable[[Session, dict[str, Any]], None]]] = {
    "Patient": _mirror_patient,
    "PractitionerRole": _mirror_role,
    "Practitioner": _mirror_roles_of("practitioner_id"),
    "Organization": _mirror_roles_of("organization_id"),
}
MIRRORED: Final = frozenset(_MIRRORS)
