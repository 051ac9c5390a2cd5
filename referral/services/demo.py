"""Invented people to try the service with; only ever on the embedded default."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from referral.domain.audit import Actor
from referral.domain.codes import ClinicianKind, Role
from referral.domain.policy import ICD_10_CM, Indication
from referral.domain.records import Patient
from referral.services.accounts import NewUser, add_user
from referral.services.book_chair import NewBooking, Slot, book_chair
from referral.services.calendars import clinic_calendar
from referral.services.keep_chairs import add_chair
from referral.services.keep_directory import NewClinician, NewPatient, add_clinician, add_patient
from referral.services.request_recommendation import NewOrder, place_order
from referral.services.set_up_clinic import NewClinic, set_up_clinic
from referral.services.treat import record_consultation
from referral.storage import clinics, directory
from referral.storage.db import Session

SLUG: Final = "harbor-light"
PASSWORD: Final = "harbor-light-demo"  # noqa: S105 - printed by `make run`, for invented data only


@dataclass(frozen=True, slots=True)
class Account:
    email: str
    password: str
    role: Role
    name: str


ACCOUNTS: Final = (
    Account("desk@harborlight.example", PASSWORD, Role.FRONT_DESK, "Robin Desk"),
    Account("nurse@harborlight.example", PASSWORD, Role.CLINICIAN, "Nico Prescriber"),
    Account("director@harborlight.example", PASSWORD, Role.MEDICAL_DIRECTOR, "Elena Whitcombe"),
    Account("admin@harborlight.example", PASSWORD, Role.ADMIN, "Ada Admin"),
    Account("auditor@harborlight.example", PASSWORD, Role.AUDITOR, "Otto Auditor"),
)

_LETTERHEAD: Final = {
    "tagline": "Psychiatry-led ketamine treatment",
    "address_lines": ["1480 Example Avenue, Suite 300", "Denver, CO 80205"],
    "telephone": "303-555-0142",
    "fax": "303-555-0143",
    "website": "harborlight.example",
    "signer_name": "Elena R. Whitcombe, MD",
    "signer_title": "Medical Director",
    "neutral_name": "Harbor Light Clinic",
}

_PATIENTS: Final = (
    NewPatient(given="Maria José", family="Nguyễn", birth_date="1986-04-12", telephone="303-555-0110"),
    NewPatient(given="Samuel", family="Okonkwo", birth_date="1974-09-30", telephone="303-555-0111"),
    NewPatient(
        given="Ines", family="Arutyunyan", birth_date="1991-01-07", telephone="303-555-0112", language="es"
    ),
)

_CLINICIANS: Final = (
    NewClinician(
        given="Chidi",
        family="Okafor",
        kind=ClinicianKind.PSYCHIATRIST,
        credentials="MD",
        npi="9000000015",
        practice="Beacon Hill Psychiatry Associates",
        address=("22 Myrtle Street, Floor 2", "Denver, CO 80203"),
        email="okafor@beaconhill.example",
        fax="303-555-0120",
        phone="303-555-0121",
    ),
    NewClinician(
        given="Hannah",
        family="Lee",
        kind=ClinicianKind.PSYCHOLOGIST,
        credentials="PhD",
        npi="9000000023",
        practice="Lee Psychology",
        address=("410 Larimer Court", "Denver, CO 80202"),
        fax="303-555-0122",
        phone="303-555-0123",
    ),
    NewClinician(
        given="Marcus",
        family="Bell",
        kind=ClinicianKind.PRIMARY_CARE,
        credentials="DO",
        npi="9000000031",
        practice="Cherry Creek Family Medicine",
        address=("9 Clarkson Street", "Denver, CO 80218"),
        time_zone="America/Denver",
        email="bell@cherrycreek.example",
        phone="303-555-0125",
    ),
    NewClinician(
        given="Tara",
        family="Quinn",
        kind=ClinicianKind.NURSE_PRACTITIONER,
        credentials="PMHNP",
        practice="Quinn Behavioral Health",
        fax="303-555-0127",
    ),
)

_VERIFIED: Final = ("Okafor", "Lee")
# Who has recommended what is under way and what is over.
RECOMMENDER: Final = str(_CLINICIANS[0].npi)


_PAIN: Final = Indication(ICD_10_CM, "G89.4", "chronic pain syndrome")
# Before every clock: the gate goes by the database's, which is behind a pretended one.
_CONSULTED_AT: Final = datetime(2026, 1, 5, 17, tzinfo=UTC)
_DEPRESSION: Final = Indication(ICD_10_CM, "F33.2", "recurrent depression")


def ensure_demo(session: Session, now: datetime) -> str:
    """Make the demo clinic unless it is there; returns its id."""
    existing = clinics.find_by_slug(session, SLUG)
    if existing is not None:
        return existing.id
    long_ago = now - timedelta(minutes=1)
    new = NewClinic(
        slug=SLUG, name="Harbor Light Ketamine Clinic", time_zone="America/Denver", letterhead=_LETTERHEAD
    )
    clinic_id = set_up_clinic(session, new, long_ago)
    actor = Actor(clinic_id, "system", "demo")
    for account in ACCOUNTS:
        new_user = NewUser(
            email=account.email, name=account.name, role=account.role, password=account.password
        )
        add_user(session, actor, new_user)
    patients = [add_patient(session, actor, patient, long_ago) for patient in _PATIENTS]
    for clinician in _CLINICIANS:
        made = add_clinician(session, actor, clinician, long_ago)
        if clinician.family in _VERIFIED:
            directory.verify_contacts(session, made.id, actor.id, long_ago)
    _book(session, actor, patients, long_ago)
    return clinic_id


def _book(session: Session, actor: Actor, patients: list[Patient], now: datetime) -> None:
    """Three chairs; one patient may be treated and is booked, for another a chair is held."""
    for name in ("Chair 1", "Chair 2", "Chair 3"):
        add_chair(session, actor, name, now)
    calendar = clinic_calendar(session)
    _, samuel, ines = patients
    for patient, indication, days in ((samuel, _PAIN, (1, 3, 8)), (ines, _DEPRESSION, (6,))):
        new = NewOrder(patient_id=patient.id, indications=(indication,), planned_sessions=6)
        order = place_order(session, actor, new, now)
        if indication is _PAIN:
            record_consultation(session, actor, order.id, _CONSULTED_AT, now)
        for count in days:
            start = calendar.business_day_after(now, count)
            slot = Slot(starts_at=start, ends_at=start + timedelta(hours=2))
            book_chair(session, actor, NewBooking(order_id=order.id, slot=slot), now)
