"""Patients: the list and the page of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.codes import Channel
from referral.domain.consent import ConsentDecision
from referral.domain.errors import InvalidInput, Issue, StaleVersion, TransitionRefused
from referral.domain.listing import Page, View
from referral.fhir.contact_values import doubt_about
from referral.services.account_disclosures import account_disclosures
from referral.services.find_people import ListedPatient, find_patient, list_patients
from referral.services.keep_consent import say_consent
from referral.services.keep_mobile import keep_mobile
from referral.services.tell_patient import tell_now
from referral.storage import clinics
from referral.storage.audit import Subject
from referral.storage.db import Session, attempt
from referral.web.dependencies import PostedDep, Visitor, staff
from referral.web.form import Conflict
from referral.web.policy import Permission
from referral.web.staff import person_lists
from referral.web.staff.conflict import CONFLICT, conflict_of, refuse_if_changed
from referral.web.staff.frame import Ask, SeeWork, clock_of, done, errors_of, form_of, show, texts
from referral.web.staff.lists import show_list
from referral.web.staff.patient_view import accounting_page, mobile_of, patient_page
from referral.web.staff.person_lists import patient_cells, patient_row
from referral.web.turn import Router

router: Final = Router()
_SeeDisclosures = Annotated[Visitor, staff(Permission.SEE_DISCLOSURES)]
# What is overwritten when somebody records a consent, or another number.
_CONSENTS: Final = ("consent-granted", "consent-withdrawn", "consent-undone")
_RECORD: Final = ("patient-mobile", "update", "patch")
ANSWERS: Final = (ConsentDecision.GRANTED, ConsentDecision.WITHDRAWN)


@router.get("/patients")
def show_patients(request: Request, visitor: SeeWork) -> Response:
    """The list, by name or date of birth."""

    def find(session: Session, view: View) -> Page[ListedPatient]:
        return list_patients(session, visitor.actor, view, visitor.now)

    return show_list(request, visitor, person_lists.PATIENTS, find, patient_row, patient_cells, "patients")


@router.get("/patients/{patient_id}")
def show_patient(request: Request, patient_id: str, visitor: SeeWork) -> Response:
    """One patient with orders, requests, consents, and what was sent to them."""
    return _show(request, visitor, patient_id, {})


def _show(
    request: Request,
    visitor: Visitor,
    patient_id: str,
    errors: Mapping[str, str],
    status: int = 200,
    typed: Mapping[str, str] | None = None,
    conflict: Conflict | None = None,
) -> Response:
    view = find_patient(visitor.session, visitor.actor, patient_id, visitor.now)
    form = form_of(visitor, {"mobile": mobile_of(view), **(typed or {})}, errors, conflict=conflict)
    page = patient_page(view, clock_of(visitor), form)
    follows = (f"Patient/{patient_id}",)
    return show(request, visitor, "staff/patient.html.j2", "patients", page, status, follows=follows)


@router.post("/patients/{patient_id}/consent")
def record_consent(request: Request, patient_id: str, visitor: Ask, posted: PostedDep) -> Response:
    """The patient has agreed, or has refused."""
    typed = texts(posted)
    consents = Subject(patient_id=patient_id, subtypes=_CONSENTS)
    decision = next((d for d in ANSWERS if d == typed.get("decision")), None)
    try:
        if decision is None:
            raise InvalidInput(Issue("Choose what the patient has said.", ("scope",), "required"))
        with attempt(visitor.session):
            refuse_if_changed(visitor, typed, consents)
            outcome = say_consent(
                visitor.session,
                visitor.actor,
                patient_id,
                typed.get("scope", ""),
                decision,
                "recorded by the clinic's staff",
                visitor.now,
            )
    except InvalidInput as error:
        return _show(request, visitor, patient_id, errors_of(error, {}, "scope"), 400)
    except StaleVersion as error:
        conflict = conflict_of(visitor, clock_of(visitor), error, typed, consents)
        return _show(request, visitor, patient_id, {}, CONFLICT, conflict=conflict)
    notice = "consent-leaving" if outcome.leaving else f"consent-{decision}"
    return done(visitor, f"/patients/{patient_id}#consents", notice)


@router.post("/patients/{patient_id}/mobile")
def change_mobile(request: Request, patient_id: str, visitor: Ask, posted: PostedDep) -> Response:
    """Where text messages go; an empty field takes the number off."""
    form, record = texts(posted), Subject(f"Patient/{patient_id}", subtypes=_RECORD)
    typed = form.get("mobile", "")
    try:
        with attempt(visitor.session):
            refuse_if_changed(visitor, form, record)
            number = keep_mobile(visitor.session, visitor.actor, patient_id, typed, visitor.now)
    except StaleVersion as error:
        conflict = conflict_of(visitor, clock_of(visitor), error, form, record)
        shown = {"mobile": typed[:200]}
        return _show(request, visitor, patient_id, {}, CONFLICT, shown, conflict)
    except InvalidInput as error:
        shown = {"mobile": typed}
        return _show(request, visitor, patient_id, errors_of(error, {}, "mobile"), 400, shown)
    notice = "mobile-kept" if number else "mobile-gone"
    if number and doubt_about(Channel.SMS, number):
        notice = "mobile-doubted"
    return done(visitor, f"/patients/{patient_id}#contacts", notice)


@router.post("/patients/{patient_id}/tell")
def tell_patient(request: Request, patient_id: str, visitor: Ask, posted: PostedDep) -> Response:
    """That the clinic waits for a form: what the page has shown, to where it has shown."""
    contact_id = texts(posted).get("contact", "")
    try:
        with attempt(visitor.session):
            tell_now(visitor.session, visitor.actor, patient_id, contact_id, visitor.now)
    except TransitionRefused as error:
        return _show(request, visitor, patient_id, {"tell": str(error)}, 409)
    return done(visitor, f"/patients/{patient_id}#sent", "patient-told")


@router.get("/patients/{patient_id}/disclosures")
def show_disclosures(request: Request, patient_id: str, visitor: _SeeDisclosures) -> Response:
    """What left the clinic about this patient, to be printed for them."""
    found = account_disclosures(visitor.session, visitor.actor, patient_id, visitor.now)
    works = visitor.may(Permission.SEE_WORK)
    page = accounting_page(found, clinics.current(visitor.session), clock_of(visitor), sees_patient=works)
    return show(request, visitor, "staff/disclosures.html.j2", "patients" if works else "audit", page)
