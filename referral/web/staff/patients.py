"""Patients: the list and the page of one."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from referral.domain.listing import Page, View
from referral.domain.records import Patient
from referral.services.find_people import ListedPatient, find_patient, list_patients
from referral.storage.db import Session
from referral.web.staff import person_lists, present
from referral.web.staff.clock import born
from referral.web.staff.frame import SeeWork, clock_of, show
from referral.web.staff.lists import show_list
from referral.web.staff.models import Fact, PatientPage
from referral.web.staff.person_lists import patient_cells, patient_row
from referral.web.staff.rows import order_row, request_row

router: Final = APIRouter()
LANGUAGES: Final = {
    "en": "English",
    "es": "Spanish",
    "zh": "Chinese",
    "tl": "Tagalog",
    "vi": "Vietnamese",
    "ar": "Arabic",
    "fr": "French",
    "ko": "Korean",
    "ru": "Russian",
}


@router.get("/patients")
def show_patients(request: Request, visitor: SeeWork) -> Response:
    """The list, by name or date of birth."""

    def find(session: Session, view: View) -> Page[ListedPatient]:
        return list_patients(session, visitor.actor, view, visitor.now)

    return show_list(request, visitor, person_lists.PATIENTS, find, patient_row, patient_cells, "patients")


@router.get("/patients/{patient_id}")
def show_patient(request: Request, patient_id: str, visitor: SeeWork) -> Response:
    """One patient with orders and requests."""
    view = find_patient(visitor.session, visitor.actor, patient_id, visitor.now)
    clock = clock_of(visitor)
    page = PatientPage(
        name=present.named(view.patient),
        born=born(view.patient.birth_date),
        facts=_facts(view.patient),
        orders=tuple(order_row(state, clock) for state in view.orders),
        requests=tuple(request_row(f, present.titled(f.clinician), clock) for f in view.requests),
        new_request=f"/requests/new?patient={view.patient.id}",
    )
    return show(request, visitor, "staff/patient.html.j2", "patients", page)


def _facts(patient: Patient) -> tuple[Fact, ...]:
    language = patient.language or ""
    return (
        Fact("Born", born(patient.birth_date)),
        Fact("Language", LANGUAGES.get(language.split("-")[0], language or "not given")),
        Fact("Telephone", present.phone(patient.telephone) if patient.telephone else "none on file"),
        Fact("E-mail", patient.email or "none on file"),
    )
