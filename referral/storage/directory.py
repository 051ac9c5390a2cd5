"""Patients and outside clinicians as people look for them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Text, any_, bindparam, insert, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import IntegrityError

from referral.domain.codes import ClinicianKind
from referral.domain.errors import DuplicateRequest, NotFound
from referral.domain.language import Language
from referral.domain.records import Clinician, Contact, Patient
from referral.storage import tables
from referral.storage.closures import hours_from
from referral.storage.contacts import COLUMNS as CONTACT_COLUMNS
from referral.storage.contacts import forget_clinicians, to_contact
from referral.storage.db import PLANNED_ANEW, Session
from referral.storage.people_search import closest, matching


def _to_patient(row: Any) -> Patient:
    return Patient(
        id=row.id,
        family=row.family,
        given=row.given,
        birth_date=row.birth_date,
        telephone=row.telephone,
        email=row.email,
        language=row.language,
        address=tuple(row.address),
    )


def get_patient(session: Session, id: str) -> Patient:
    """Raises NotFound where there is none in this clinic."""
    kept: Patient | None = session.kept.get(("patient", id))
    if kept is not None:
        return kept
    row = session.connection.execute(
        select(tables.patient).where(tables.patient.c.clinic_id == session.clinic, tables.patient.c.id == id)
    ).one_or_none()
    if row is None:
        raise NotFound(f"There is no Patient with id {id}.")
    found = session.kept["patient", id] = _to_patient(row)
    return found


_PATIENTS: Final = select(tables.patient).where(
    tables.patient.c.clinic_id == bindparam("clinic_id"),
    tables.patient.c.id == any_(bindparam("ids", type_=ARRAY(Text))),
)


def get_patients(session: Session, ids: Iterable[str]) -> dict[str, Patient]:
    """By id; what does not exist is missing from the result."""
    rows = session.connection.execute(_PATIENTS, {"clinic_id": session.clinic, "ids": list(ids)}).all()
    return {row.id: _to_patient(row) for row in rows}


def find_patients(session: Session, words: str, limit: int = 20) -> list[Patient]:
    """By what people type (see matching()), sorted by name."""
    table = tables.patient
    rows = session.connection.execute(
        select(table)
        .where(table.c.clinic_id == session.clinic, table.c.active, *matching(session, table, words))
        .order_by(table.c.search_name, table.c.id)
        .limit(limit),
        execution_options=PLANNED_ANEW,
    )
    return [_to_patient(row) for row in rows]


def look_up_patients(session: Session, words: str, limit: int) -> list[Patient]:
    """The best matches for what is being typed; see closest()."""
    statement, given = closest(session, tables.patient, words, limit)
    rows = session.connection.execute(statement, given, execution_options=PLANNED_ANEW)
    return [_to_patient(row) for row in _each_once(rows, limit)]


def look_up_clinicians(session: Session, words: str, limit: int) -> list[Clinician]:
    """The best matches for what is being typed; see closest()."""
    statement, given = closest(session, tables.clinician, words, limit)
    rows = session.connection.execute(statement, given, execution_options=PLANNED_ANEW)
    return _to_clinicians(session, _each_once(rows, limit))


def _each_once(rows: Iterable[Any], limit: int) -> list[Any]:
    return list({row.id: row for row in rows}.values())[:limit]


_CONTACTS: Final = (
    select(*CONTACT_COLUMNS)
    .where(
        tables.contact.c.clinic_id == bindparam("clinic_id"),
        tables.contact.c.active,
        tables.contact.c.clinician_id == any_(bindparam("clinicians", type_=ARRAY(Text))),
    )
    .order_by(tables.contact.c.clinician_id, tables.contact.c.channel, tables.contact.c.id)
)
_CLINICIANS: Final = select(tables.clinician).where(
    tables.clinician.c.clinic_id == bindparam("clinic_id"),
    tables.clinician.c.id == any_(bindparam("ids", type_=ARRAY(Text))),
)


def _to_clinicians(session: Session, rows: Iterable[Any]) -> list[Clinician]:
    found = list(rows)
    contacts: dict[str, list[Contact]] = {row.id: [] for row in found}
    for row in session.connection.execute(
        _CONTACTS, {"clinic_id": session.clinic, "clinicians": list(contacts)}
    ).all():
        contacts[row.clinician_id].append(to_contact(row))
    return [
        Clinician(
            id=row.id,
            name=row.name,
            kind=ClinicianKind(row.kind),
            time_zone=row.time_zone,
            practitioner_id=row.practitioner_id,
            organization_id=row.organization_id,
            credentials=row.credentials,
            npi=row.npi,
            taxonomy=row.taxonomy,
            practice=row.practice,
            address=tuple(row.address),
            contacts=tuple(contacts[row.id]),
            hours=hours_from(row.hours) if row.hours else None,
            language=Language(row.language) if row.language else None,
        )
        for row in found
    ]


def get_clinicians(session: Session, ids: Iterable[str]) -> dict[str, Clinician]:
    """By id, each with all contacts; what does not exist is missing from the result."""
    wanted = list(ids)
    missing = [id for id in wanted if ("clinician", id) not in session.kept]
    if missing:
        rows = session.connection.execute(_CLINICIANS, {"clinic_id": session.clinic, "ids": missing}).all()
        for clinician in _to_clinicians(session, rows):
            session.kept["clinician", clinician.id] = clinician
    return {id: session.kept["clinician", id] for id in wanted if ("clinician", id) in session.kept}


def get_clinician(session: Session, id: str) -> Clinician:
    """With all contacts; raises NotFound where there is none in this clinic."""
    found = get_clinicians(session, [id])
    if id not in found:
        raise NotFound(f"There is no PractitionerRole with id {id}.")
    return found[id]


def find_clinicians(session: Session, words: str, limit: int = 20) -> list[Clinician]:
    """By the beginnings of the parts of their names and practices, or by NPI; sorted by name."""
    table = tables.clinician
    rows = session.connection.execute(
        select(table)
        .where(table.c.clinic_id == session.clinic, table.c.active, *matching(session, table, words))
        .order_by(table.c.search_name, table.c.id)
        .limit(limit),
        execution_options=PLANNED_ANEW,
    )
    return _to_clinicians(session, rows)


def find_by_npi(session: Session, npis: Iterable[str]) -> dict[str, Clinician]:
    """By NPI; one of several with the same, and those that nobody here has are missing from the result."""
    table = tables.clinician
    rows = session.connection.execute(
        select(table)
        .where(table.c.clinic_id == session.clinic, table.c.active, table.c.npi.in_(list(npis)))
        .order_by(table.c.id)
    )
    return {clinician.npi or "": clinician for clinician in _to_clinicians(session, rows)}


def find_role_of(session: Session, practitioner_id: str) -> str | None:
    """The id of one active role of a Practitioner, None where there is none."""
    table = tables.clinician
    found: str | None = session.connection.scalar(
        select(table.c.id)
        .where(
            table.c.clinic_id == session.clinic, table.c.practitioner_id == practitioner_id, table.c.active
        )
        .order_by(table.c.id)
        .limit(1)
    )
    return found


def set_time_zone(session: Session, clinician_id: str, time_zone: str) -> None:
    """The IANA zone that business hours are counted in; FHIR has no element for it."""
    forget_clinicians(session)
    table = tables.clinician
    session.connection.execute(
        update(table)
        .where(table.c.clinic_id == session.clinic, table.c.id == clinician_id)
        .values(time_zone=time_zone)
    )


def set_contact_source(session: Session, clinician_id: str, source: str) -> None:
    """Say where all contacts of a clinician came from, when it was not the resource that mirrored them."""
    forget_clinicians(session)
    table = tables.contact
    session.connection.execute(
        update(table)
        .where(table.c.clinic_id == session.clinic, table.c.clinician_id == clinician_id)
        .values(source=source)
    )


def add_contact(session: Session, clinician_id: str, new: Contact, verified_by: str | None) -> None:
    """Raises DuplicateRequest where the clinician has this address already."""
    forget_clinicians(session)
    try:
        with session.connection.begin_nested():
            session.connection.execute(
                insert(tables.contact),
                {
                    "clinic_id": session.clinic,
                    "id": new.id,
                    "clinician_id": clinician_id,
                    "channel": new.channel,
                    "address": new.address,
                    "source": new.source,
                    "verified_at": new.verified_at,
                    "verified_by": verified_by,
                },
            )
    except IntegrityError as error:
        raise DuplicateRequest("This contact is on file already.", clinician_id) from error


def verify_contacts(
    session: Session,
    clinician_id: str,
    verified_by: str,
    now: datetime,
    *contact_ids: str,
    how: str | None = None,
) -> int:
    """Mark contacts as confirmed by a call; without ids, all of the clinician's. Returns how many.

    What spoke against them until now counts no more. `how` says who was spoken with.
    """
    forget_clinicians(session)
    table = tables.contact
    clause = [table.c.clinic_id == session.clinic, table.c.clinician_id == clinician_id, table.c.active]
    if contact_ids:
        clause.append(table.c.id.in_(contact_ids))
    changed = session.connection.execute(
        update(table)
        .where(*clause)
        .values(verified_at=now, verified_by=verified_by, verified_how=how, barred_for=None, barred_at=None)
    )
    return changed.rowcount
