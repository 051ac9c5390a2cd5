"""Patients and outside clinicians that the front desk enters."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Channel, ClinicianKind
from referral.domain.errors import Forbidden, InvalidInput, Issue
from referral.domain.npi import is_valid_npi
from referral.domain.records import Clinician, Contact, Patient
from referral.domain.time_zones import time_zone_of
from referral.fhir.contact_values import normal_address
from referral.services import publish
from referral.storage import audit, clinics, contacts, directory
from referral.storage.db import Session

# The subtype of the audit row that says who entered a clinician.
ADDED: Final = "add-clinician"
# The taxonomy code that stands for a kind where the front desk knows no better one.
TAXONOMY_OF: Final = {
    ClinicianKind.PSYCHIATRIST: "2084P0800X",
    ClinicianKind.PSYCHOLOGIST: "103TC0700X",
    ClinicianKind.PRIMARY_CARE: "207Q00000X",
    ClinicianKind.NURSE_PRACTITIONER: "363LP0808X",
    ClinicianKind.PHYSICIAN_ASSISTANT: "363A00000X",
    ClinicianKind.SOCIAL_WORKER: "1041C0700X",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPatient:
    """As typed; `birth_date` in ISO form."""

    given: str
    family: str
    birth_date: str
    telephone: str = ""
    email: str = ""
    language: str = "en"


class _Problems:
    """Collects the issues of a form, so that all are shown at once."""

    def __init__(self) -> None:
        self.issues: list[Issue] = []

    def require(self, value: str, field: str, text: str, longest: int = 120) -> str:
        clean = " ".join(value.split())
        if not clean:
            self.issues.append(Issue(text, (field,), "required"))
        elif len(clean) > longest:
            self.issues.append(Issue(f"At most {longest} characters, please.", (field,), "too-long"))
        return clean

    def address(self, channel: Channel, value: str, field: str) -> str | None:
        """The form that is kept of a number or a mail address; None where nothing was typed."""
        if not value.strip():
            return None
        try:
            return normal_address(channel, value, field)
        except InvalidInput as error:
            self.issues.extend(error.issues)
            return None

    def settle(self) -> None:
        if self.issues:
            raise InvalidInput(*self.issues)


def _birth_date(problems: _Problems, typed: str, today: date) -> date | None:
    try:
        born = date.fromisoformat(typed.strip())
    except ValueError:
        problems.issues.append(
            Issue("Write the date of birth as year-month-day.", ("birth_date",), "required")
        )
        return None
    if not date(1900, 1, 1) <= born <= today:
        problems.issues.append(Issue("This date of birth is not possible.", ("birth_date",), "value"))
    return born


def add_patient(session: Session, actor: Actor, new: NewPatient, now: datetime) -> Patient:
    """Raises InvalidInput with every problem; the fields are those of the new-request page."""
    problems = _Problems()
    given = problems.require(new.given, "given", "The given name is missing.")
    family = problems.require(new.family, "family", "The family name is missing.")
    born = _birth_date(problems, new.birth_date, now.date())
    telephone = problems.address(Channel.PHONE, new.telephone, "patient_phone")
    email = problems.address(Channel.EMAIL, new.email, "patient_email")
    problems.settle()
    patient = Patient(
        id=str(uuid.uuid4()),
        family=family,
        given=given,
        birth_date=born,
        telephone=telephone,
        email=email,
        language=new.language or "en",
    )
    publish.patient(session, patient, now)
    entry = AuditEntry(
        action=Action.CREATE, subtype="add-patient", entity=f"Patient/{patient.id}", patient_id=patient.id
    )
    audit.record(session, actor, entry)
    return patient


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClinician:
    """As typed; `time_zone` empty is worked out from the state of the address, else it is the clinic's."""

    given: str
    family: str
    kind: str
    credentials: str = ""
    npi: str = ""
    practice: str = ""
    address: tuple[str, ...] = ()
    time_zone: str = ""
    email: str = ""
    fax: str = ""
    phone: str = ""


def add_clinician(session: Session, actor: Actor, new: NewClinician, now: datetime) -> Clinician:
    """Practitioner, PractitionerRole and Organization with contacts; InvalidInput with every problem.

    Nothing is verified yet: that is for somebody else.
    """
    clinician = _checked(new, clinics.current(session).time_zone)
    publish.clinician(session, clinician, now)
    directory.set_time_zone(session, clinician.id, clinician.time_zone)
    directory.set_contact_source(session, clinician.id, "front-desk")
    if clinician.address:
        postal = Contact(
            id=str(uuid.uuid4()),
            channel=Channel.POST,
            address=", ".join(clinician.address),
            source="front-desk",
        )
        directory.add_contact(session, clinician.id, postal, None)
    entry = AuditEntry(action=Action.CREATE, subtype=ADDED, entity=f"PractitionerRole/{clinician.id}")
    audit.record(session, actor, entry)
    return directory.get_clinician(session, clinician.id)


def _checked(new: NewClinician, clinics_zone: str) -> Clinician:
    """What was typed, in the forms that are kept."""
    problems = _Problems()
    given = problems.require(new.given, "clinician_given", "The given name is missing.")
    family = problems.require(new.family, "clinician_family", "The family name is missing.")
    if new.kind not in set(ClinicianKind):
        problems.issues.append(Issue("Choose the kind of clinician.", ("clinician_kind",), "required"))
    if new.npi.strip() and not is_valid_npi(new.npi.strip()):
        problems.issues.append(
            Issue("This NPI is not valid: ten digits, the last one checks the others.", ("npi",), "value")
        )
    address = tuple(line for line in (" ".join(part.split()) for part in new.address) if line)
    zone = new.time_zone or time_zone_of(address, clinics_zone)
    if zone not in available_timezones():
        problems.issues.append(Issue("Choose a time zone from the list.", ("time_zone",), "value"))
    typed = {
        Channel.EMAIL: (new.email, "clinician_email"),
        Channel.FAX: (new.fax, "clinician_fax"),
        Channel.PHONE: (new.phone, "clinician_phone"),
    }
    found = {channel: problems.address(channel, *given) for channel, given in typed.items()}
    problems.settle()
    return Clinician(
        id=str(uuid.uuid4()),
        name=f"{given} {family}",
        kind=ClinicianKind(new.kind),
        time_zone=str(ZoneInfo(zone)),
        practitioner_id=str(uuid.uuid4()),
        organization_id=str(uuid.uuid4()) if new.practice.strip() else None,
        credentials=" ".join(new.credentials.split()),
        npi=new.npi.strip() or None,
        taxonomy=TAXONOMY_OF.get(ClinicianKind(new.kind)),
        practice=" ".join(new.practice.split()),
        address=address,
        contacts=tuple(
            Contact(id=str(uuid.uuid4()), channel=channel, address=value, source="front-desk")
            for channel, value in found.items()
            if value
        ),
    )


def entered_by(session: Session, clinician_id: str) -> str | None:
    """Who of the clinic typed this clinician and their contacts; None where a connected system sent them."""
    return audit.author_of(session, f"PractitionerRole/{clinician_id}", ADDED)


def require_somebody_else(
    session: Session, actor: Actor, clinician_id: str, contact_id: str | None = None
) -> None:
    """Two people: who types an address must not vouch for it, nor for an answer that came from it.

    Else one person could invent a way to reach a clinician, and answer in that name. Without a contact all
    of the clinician's count. Raises Forbidden.
    """
    if actor.kind != "staff":
        return
    if entered_by(session, clinician_id) == actor.id:
        raise Forbidden("You have entered this clinician yourself. Somebody else of the clinic has to call.")
    typed = contacts.typed_by(session, clinician_id, actor.id)
    if typed and (contact_id is None or contact_id in typed):
        raise Forbidden("You have entered this contact yourself. Somebody else of the clinic has to call.")


def verify_contact(
    session: Session, actor: Actor, clinician_id: str, contact_id: str, now: datetime, how: str | None = None
) -> None:
    """Staff have called and heard that this number or address is right; see require_somebody_else().

    `how` says who was spoken with.
    """
    require_somebody_else(session, actor, clinician_id, contact_id)
    if not directory.verify_contacts(session, clinician_id, actor.id, now, contact_id, how=how):
        raise InvalidInput(Issue("There is no such contact.", ("contact",), "not-found"))
    detail: dict[str, str | int | bool | list[str] | None] = {"contact": contact_id}
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype="verify-contact",
        entity=f"PractitionerRole/{clinician_id}",
        detail=detail,
    )
    audit.record(session, actor, entry)
