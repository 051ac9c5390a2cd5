"""What a letter says: rows to the values that the renderer takes."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from referral.domain.credential import Minted
from referral.domain.errors import InvalidInput, Issue
from referral.domain.fax import page_code
from referral.domain.npi import KIND_LABEL
from referral.domain.records import Clinician, Contact, Order, Patient, Referral
from referral.domain.time_zones import time_zone_of
from referral.letters.content import Letterhead, Logo, NoticeLetter, RequestLetter, long_date
from referral.storage.clinics import Clinic


def letterhead_of(clinic: Clinic) -> Letterhead:
    """What a clinic has set about itself; every letter and record carries the same."""
    values = {**clinic.letterhead, "address_lines": tuple(clinic.letterhead["address_lines"])}
    kept = clinic.logo
    logo = Logo(kept.content_type, kept.content, kept.fax, kept.width, kept.height) if kept else None
    return Letterhead(clinic_name=clinic.name, **values | {"logo": logo})


def indication_words(order: Order) -> str:
    """'recurrent depression (F33.2) and chronic pain (G89.4)': a phrase in the middle of a sentence."""
    labels = [_mid_sentence(indication.label) for indication in order.indications]
    return labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"


def _mid_sentence(words: str) -> str:
    """A small first letter, as code sets write none; abbreviations such as PTSD stay as they are."""
    return words[:1].lower() + words[1:] if words[1:2].islower() else words


def planned_course(order: Order) -> str:
    """'a course of 6 intravenous ketamine infusions, starting about …'; what is not planned is left out."""
    count = order.planned_sessions
    start = f", starting about {long_date(order.first_infusion_on)}" if order.first_infusion_on else ""
    sessions = (
        "intravenous ketamine infusions" if count is None else f"{count} intravenous ketamine infusions"
    )
    return f"a course of {sessions}{start}"


def salutation_of(clinician: Clinician) -> str:
    """'Dr. Lee' for doctors, the full name for everybody else: credentials are all that is known."""
    family = clinician.name.split()[-1] if clinician.name.split() else clinician.name
    doctor = any(
        title in clinician.credentials.replace(".", "").upper() for title in ("MD", "DO", "PHD", "PSYD")
    )
    return f"Dr. {family}" if doctor else clinician.name


def recipient_lines(clinician: Clinician, contact: Contact) -> tuple[str, ...]:
    """The postal address; where none is on file, how the letter travels instead."""
    lines = tuple(line for line in (clinician.practice, *clinician.address) if line)
    return lines[:4] if clinician.address else (*lines[:1], f"By {contact.channel}: {contact.address}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Whom a letter goes to, about which request, and by which contact it travels.

    `to_patient` is set where it goes to the patient and not to the clinician.
    """

    clinic: Clinic
    clinician: Clinician
    referral: Referral
    contact: Contact
    to_patient: Patient | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Told):
    """The same for a letter that asks about a patient."""

    patient: Patient
    order: Order


def notice_letter(told: Told, message_id: uuid.UUID, subject: str, body: str, now: datetime) -> NoticeLetter:
    """The words of a mail as a letter; they name no patient. Its end, who writes, keeps its lines."""
    blocks = [block.splitlines() for block in body.strip().split("\n\n")]
    number, patient = told.referral.number, told.to_patient
    zone = told.clinician.time_zone
    lines, name = recipient_lines(told.clinician, told.contact), told.clinician.name
    if patient is not None:
        zone = time_zone_of(patient.address, told.clinic.time_zone)
        lines, name = patient.address[:4] or (told.contact.address,), patient.name
    title = "" if patient is not None else told.clinician.credentials
    return NoticeLetter(
        letter_id=f"{number}-{str(message_id)[:4]}",
        request_number=number,
        written_at=now,
        letterhead=letterhead_of(told.clinic),
        recipient_lines=lines,
        clinician_name=f"{name}, {title}".rstrip(", "),
        title=subject.removesuffix(f" ({number})"),
        paragraphs=(*((" ".join(lines),) for lines in blocks[:-1]), tuple(blocks[-1])),
        time_zone=ZoneInfo(zone),
    )


def request_letter(asked: Asked, minted: Minted, base_url: str, now: datetime) -> RequestLetter:
    """Raises InvalidInput for a patient without a full date of birth: letter and identity check need it."""
    patient, clinician, referral = asked.patient, asked.clinician, asked.referral
    if patient.birth_date is None:
        raise InvalidInput(Issue("The patient's date of birth is missing.", ("birth_date",), "required"))
    zone = ZoneInfo(clinician.time_zone)
    return RequestLetter(
        letter_id=f"{referral.number}-{minted.selector[:4]}",
        request_number=referral.number,
        written_at=now,
        letterhead=letterhead_of(asked.clinic),
        recipient_lines=recipient_lines(clinician, asked.contact),
        clinician_name=f"{clinician.name}, {clinician.credentials}".rstrip(", "),
        salutation=salutation_of(clinician),
        clinician_role=f"treating {KIND_LABEL[clinician.kind]}",
        clinician_kind=clinician.kind,
        patient_name=patient.name,
        birth_year=patient.birth_date.year,
        indication=indication_words(asked.order),
        planned_course=planned_course(asked.order),
        due_on=referral.due_at.astimezone(zone).date(),
        short_code=minted.short_code,
        portal_url=minted.url(base_url),
        portal_display=f"{urlsplit(base_url).netloc}/request",
        page_code=page_code(minted.selector),
        time_zone=zone,
    )
