"""Patients and outside clinicians."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, or_, select

from referral.domain.codes import ClinicianKind
from referral.domain.listing import Page, View
from referral.domain.records import Clinician, Patient
from referral.storage import directory, orders, tables
from referral.storage.db import Session
from referral.storage.lists.conditions import is_named, one_of
from referral.storage.lists.keyset import CLINIC, Asked, Listing, Sort, read

_PATIENT: Final = tables.patient
_CLINICIAN: Final = tables.clinician
_CONTACT: Final = tables.contact


_OUR_PATIENTS: Final = select(_PATIENT.c.id).where(_PATIENT.c.clinic_id == CLINIC, _PATIENT.c.active)


def _of_patient(table: Any, *more: ColumnElement[bool]) -> ColumnElement[bool]:
    same = and_(table.c.clinic_id == _PATIENT.c.clinic_id, table.c.patient_id == _PATIENT.c.id)
    return select(table.c.id).where(same, *more).exists()


_ORDER: Final = tables.infusion_order
_REFERRAL: Final = tables.referral
_IN_USE: Final = _of_patient(_ORDER, _ORDER.c.status.in_(orders.USABLE))
_WAITING: Final = _of_patient(_REFERRAL, _REFERRAL.c.closed_at.is_(None))
_PATIENTS: Final[Listing[str]] = Listing(
    query=_OUR_PATIENTS,
    to_row=lambda row: str(row.id),
    sorts={
        "name": Sort((_PATIENT.c.search_name, _PATIENT.c.id)),
        "name-down": Sort((_PATIENT.c.search_name, _PATIENT.c.id), descending=True),
    },
    filters={
        "q": is_named(_PATIENT),
        "state": one_of({"in-use": _IN_USE, "waiting": _WAITING, "none": ~_IN_USE}),
    },
)


def patients(session: Session, view: View, now: datetime) -> Page[Patient]:
    """By name or date of birth, and by what there is of them."""
    page = read(session, _PATIENTS, view, now)
    found = directory.get_patients(session, page.rows)
    return page.of(found[id] for id in page.rows)


_OUR_CLINICIANS: Final = select(_CLINICIAN.c.id).where(_CLINICIAN.c.clinic_id == CLINIC, _CLINICIAN.c.active)


def _kind(asked: Asked) -> ColumnElement[bool] | None:
    return _CLINICIAN.c.kind == asked.value if asked.value in set(ClinicianKind) else None


def _has_contact(*more: ColumnElement[bool]) -> ColumnElement[bool]:
    same = and_(_CONTACT.c.clinic_id == _CLINICIAN.c.clinic_id, _CONTACT.c.clinician_id == _CLINICIAN.c.id)
    return select(_CONTACT.c.id).where(same, _CONTACT.c.active, *more).exists()


_VERIFIED: Final = _has_contact(_CONTACT.c.verified_at.is_not(None))
_TROUBLE: Final = _has_contact(
    or_(
        _CONTACT.c.barred_for.is_not(None),
        _CONTACT.c.last_failure_at > _CONTACT.c.last_success_at,
        and_(_CONTACT.c.last_failure_at.is_not(None), _CONTACT.c.last_success_at.is_(None)),
    )
)
_DIRECTORY: Final[Listing[str]] = Listing(
    query=_OUR_CLINICIANS,
    to_row=lambda row: str(row.id),
    sorts={
        "name": Sort((_CLINICIAN.c.search_name, _CLINICIAN.c.id)),
        "name-down": Sort((_CLINICIAN.c.search_name, _CLINICIAN.c.id), descending=True),
    },
    filters={
        "q": is_named(_CLINICIAN),
        "kind": _kind,
        "contact": one_of(
            {
                "verified": _VERIFIED,
                "unverified": and_(_has_contact(), ~_VERIFIED),
                "trouble": _TROUBLE,
                "none": ~_has_contact(),
            }
        ),
    },
)


def clinicians(session: Session, view: View, now: datetime) -> Page[Clinician]:
    """By name, practice or NPI, by kind, and by how well they can be reached."""
    page = read(session, _DIRECTORY, view, now)
    found = directory.get_clinicians(session, page.rows)
    return page.of(found[id] for id in page.rows)
