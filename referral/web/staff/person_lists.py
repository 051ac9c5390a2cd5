"""The lists of patients and of outside clinicians."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from referral.domain.codes import ClinicianKind
from referral.domain.npi import KIND_LABEL
from referral.domain.policy import Policy
from referral.domain.records import Clinician
from referral.services.find_people import ListedPatient
from referral.web.staff import contact_view, present
from referral.web.staff.clock import born
from referral.web.staff.list_models import Empty, Filter, Row, Shape
from referral.web.staff.lists import Cell
from referral.web.staff.models import Badge, Link

PATIENTS: Final = Shape(
    path="/patients",
    one="patient",
    title="Patients",
    columns=("Family name", "Given name", "Born", "Language", "Telephone", "Orders in use", "Open requests"),
    search="Name, or date of birth as 1984-05-17",
    filters=(
        Filter(
            name="state",
            label="Show",
            options=(
                ("", "All"),
                ("in-use", "With an order in use"),
                ("waiting", "With an open request"),
                ("none", "Without an order in use"),
            ),
            main=True,
        ),
    ),
    sorts=(("", "A to Z"), ("name-down", "Z to A")),
    empty=Empty(
        title="No patients yet.",
        text="A new patient is added on the page of the first request.",
        link=Link("New request", "/requests/new"),
    ),
    no_match="Look for fewer letters. A new patient is added on the page of the first request.",
    primary=Link("New request", "/requests/new"),
)


def patient_row(item: ListedPatient) -> Row:
    """With what there is of them."""
    parts = [
        present.counted(number, one)
        for number, one in ((item.orders, "order"), (item.requests, "open request"))
        if number
    ]
    href = f"/patients/{item.patient.id}"
    name = present.named(item.patient)
    ask = Link("New request", f"/requests/new?patient={item.patient.id}")
    return Row(
        title=name,
        href=href,
        lead_text=f"born {born(item.patient.birth_date)}",
        sentence=", ".join(parts) or "No order in use",
        action=Link("See patient", href) if item.orders else ask,
    )


def patient_cells(item: ListedPatient) -> Iterator[Cell]:
    """As PATIENTS.columns."""
    patient = item.patient
    yield from (patient.family, patient.given)
    yield patient.birth_date.isoformat() if patient.birth_date else ""
    yield from (patient.language, patient.telephone, item.orders, item.requests)


DIRECTORY: Final = Shape(
    path="/directory",
    one="clinician",
    title="Directory",
    intro="Outside clinicians and how to reach them.",
    columns=("Name", "Credentials", "Kind", "NPI", "Practice", "Address", "Time zone", "Contacts"),
    search="Name, practice, city or NPI",
    filters=(
        Filter(
            name="kind",
            label="Kind",
            options=(("", "All"), *((kind.value, KIND_LABEL[kind].capitalize()) for kind in ClinicianKind)),
            main=True,
        ),
        Filter(
            name="contact",
            label="Contacts",
            options=(
                ("", "Any"),
                ("verified", "Verified by a call"),
                ("unverified", "Not verified yet"),
                ("trouble", "With trouble"),
                ("none", "None on file"),
            ),
        ),
    ),
    sorts=(("", "A to Z"), ("name-down", "Z to A")),
    empty=Empty(
        title="The directory is empty.",
        text="Add the clinicians that you ask most.",
        link=Link("Add a clinician", "/directory/new"),
    ),
    no_match="Look for fewer letters, or in the national register of everybody with an NPI.",
    primary=Link("Add a clinician", "/directory/new"),
)


def clinician_row(clinician: Clinician, policy: Policy) -> Row:
    """With the health of each contact, and what policy says to their kind."""
    badges = tuple(contact_view.small_badge(contact) for contact in clinician.contacts)
    kind = KIND_LABEL[clinician.kind].capitalize()
    href = f"/directory/{clinician.id}"
    return Row(
        title=present.titled(clinician),
        href=href,
        detail=f"{kind} · {clinician.practice}" if clinician.practice else kind,
        badges=badges or (Badge("closed", "No contact", "warning"),),
        sentence=present.ineligible(clinician.kind, policy),
        action=Link("See clinician", href),
    )


def clinician_cells(clinician: Clinician) -> Iterator[Cell]:
    """As DIRECTORY.columns."""
    yield from (clinician.name, clinician.credentials, KIND_LABEL[clinician.kind], clinician.npi)
    yield from (clinician.practice, ", ".join(clinician.address), clinician.time_zone)
    yield "; ".join(
        f"{present.CHANNEL[contact.channel]} {present.address_of(contact)}"
        f"{', verified' if contact.is_verified else ''}"
        for contact in clinician.contacts
    )
