"""The directory of outside clinicians: list, page, a new one, and confirming a contact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import Request
from starlette.responses import Response

from referral.domain.errors import InvalidInput, StaleVersion
from referral.domain.listing import Page, View
from referral.domain.npi import KIND_LABEL
from referral.domain.nucc import taxonomy_name
from referral.domain.records import Clinician, Contact
from referral.services.find_people import ClinicianView, find_clinician, list_clinicians
from referral.services.find_registered import deactivations
from referral.services.keep_directory import add_clinician
from referral.services.keep_language import keep_language
from referral.storage import clinics, directory
from referral.storage.audit import Subject
from referral.storage.db import Session, attempt, hold
from referral.web.dependencies import PostedDep, Visitor, staff
from referral.web.form import Conflict, Form
from referral.web.policy import Permission
from referral.web.staff import contact_view, models, person_lists, present
from referral.web.staff.clock import Clock
from referral.web.staff.conflict import CONFLICT, conflict_of, refuse_if_changed
from referral.web.staff.frame import (
    SeeWork,
    clock_of,
    done,
    errors_of,
    form_of,
    new_key,
    query_of,
    show,
    texts,
)
from referral.web.staff.hours_view import hours_words
from referral.web.staff.letters_view import LANGUAGES
from referral.web.staff.list_models import Row
from referral.web.staff.lists import show_list
from referral.web.staff.models import (
    Choice,
    ClinicianPage,
    Fact,
    LanguageBox,
    Link,
    NewClinicianPage,
)
from referral.web.staff.new_clinician import new_clinician
from referral.web.staff.new_request_choices import clinician_options, deactivated
from referral.web.staff.rows import request_row
from referral.web.turn import Router

router: Final = Router()
Manage = Annotated[Visitor, staff(Permission.MANAGE_DIRECTORY)]


@router.get("/directory")
def show_directory(request: Request, visitor: SeeWork) -> Response:
    """Who is on file and how well they can be reached."""
    policy, _ = clinics.policy_in_force(visitor.session)
    words = query_of(request, "q")
    register = f"/directory/register?{urlencode({'q': words})}" if words else "/directory/register"
    shape = replace(person_lists.DIRECTORY, actions=(Link("National register", register),))

    def find(session: Session, view: View) -> Page[Clinician]:
        return list_clinicians(session, visitor.actor, view, visitor.now)

    def row(clinician: Clinician) -> Row:
        return person_lists.clinician_row(clinician, policy)

    return show_list(request, visitor, shape, find, row, person_lists.clinician_cells, "directory")


@router.get("/directory/new")
def show_new_clinician(request: Request, visitor: Manage) -> Response:
    """An empty form."""
    return _form_page(request, visitor, form_of(visitor, {}, key=new_key()))


def _form_page(request: Request, visitor: Visitor, form: Form, status: int = 200) -> Response:
    policy, _ = clinics.policy_in_force(visitor.session)
    page = NewClinicianPage(form, clinician_options(policy))
    return show(request, visitor, "staff/new_clinician.html.j2", "directory", page, status)


@router.post("/directory/new")
def add_new_clinician(request: Request, visitor: Manage, posted: PostedDep) -> Response:
    """A second click finds the clinician of the first one by NPI, or by name, kind and contacts."""
    typed = texts(posted)
    new = new_clinician(typed)
    hold(visitor.session, "directory")
    known = _same(directory.find_clinicians(visitor.session, f"{new.given} {new.family}"), new.kind, new.npi)
    if known is not None:
        return done(visitor, f"/directory/{known.id}", "clinician-known")
    try:
        with attempt(visitor.session):
            made = add_clinician(visitor.session, visitor.actor, new, visitor.now)
    except InvalidInput as error:
        form = form_of(visitor, typed, errors_of(error, {}, "clinician_given"), key=typed.get("form_key", ""))
        return _form_page(request, visitor, form, 400)
    return done(visitor, f"/directory/{made.id}", "clinician-added")


def _same(found: list[Clinician], kind: str, npi: str) -> Clinician | None:
    return next((c for c in found if c.kind == kind and (c.npi or "") == npi), None)


@router.get("/directory/{clinician_id}")
def show_clinician(request: Request, clinician_id: str, visitor: SeeWork) -> Response:
    """Contacts with their health, and what was asked so far."""
    return _clinician_page(request, visitor, clinician_id, {})


@router.post("/directory/{clinician_id}/language")
def save_language(request: Request, clinician_id: str, visitor: Manage, posted: PostedDep) -> Response:
    """In which language letters, mails and pages speak to them from now on."""
    form = texts(posted)
    about = Subject(f"PractitionerRole/{clinician_id}", subtypes=("set-language",))
    try:
        with attempt(visitor.session):
            refuse_if_changed(visitor, form, about)
            typed = form.get("language", "")
            keep_language(visitor.session, visitor.actor, clinician_id, typed, visitor.now)
    except StaleVersion as error:
        conflict = conflict_of(visitor, clock_of(visitor), error, form, about)
        return _clinician_page(request, visitor, clinician_id, {}, CONFLICT, conflict)
    except InvalidInput as error:
        return _clinician_page(request, visitor, clinician_id, errors_of(error, {}, "language"), 400)
    return done(visitor, f"/directory/{clinician_id}", "language-saved")


def _clinician_page(
    request: Request,
    visitor: Visitor,
    clinician_id: str,
    errors: Mapping[str, str],
    status: int = 200,
    conflict: Conflict | None = None,
) -> Response:
    view = find_clinician(visitor.session, visitor.actor, clinician_id, visitor.now)
    page = _page(visitor, view, clock_of(visitor), errors, conflict)
    follows = (f"PractitionerRole/{clinician_id}",)
    return show(request, visitor, "staff/clinician.html.j2", "directory", page, status, follows=follows)


def _page(
    visitor: Visitor,
    view: ClinicianView,
    clock: Clock,
    errors: Mapping[str, str],
    conflict: Conflict | None,
) -> ClinicianPage:
    clinician = view.clinician
    own = view.entered_by == visitor.actor.id
    may = visitor.may(Permission.MANAGE_DIRECTORY)
    gone = deactivations(visitor.session, [clinician]).get(clinician.npi or "")
    return ClinicianPage(
        name=present.titled(clinician),
        kind=KIND_LABEL[clinician.kind].capitalize(),
        warning=present.ineligible(clinician.kind, view.policy),
        deactivated=deactivated(gone) if gone else "",
        facts=_facts(clinician),
        contacts=tuple(_contact(clinician, contact, clock, may_manage=may) for contact in clinician.contacts),
        requests=tuple(
            request_row(f, present.named(view.patients[f.referral.patient_id]), clock) for f in view.requests
        ),
        add=f"/directory/{clinician.id}/contacts" if may else "",
        entered_by_you=own,
        language=_language(visitor, clinician, errors, conflict) if may else None,
    )


def _language(
    visitor: Visitor, clinician: Clinician, errors: Mapping[str, str], conflict: Conflict | None
) -> LanguageBox:
    return LanguageBox(
        form=form_of(visitor, {"language": clinician.language or ""}, errors, conflict=conflict),
        options=tuple(Choice(value, label) for value, label in LANGUAGES.items()),
        save=f"/directory/{clinician.id}/language",
    )


def _facts(clinician: Clinician) -> tuple[Fact, ...]:
    facts = [
        Fact("Practice", clinician.practice or "not given"),
        Fact("Address", ", ".join(clinician.address) or "not given"),
        Fact("NPI", clinician.npi or "not given"),
        Fact("Taxonomy", taxonomy_name(clinician.taxonomy) if clinician.taxonomy else "not given"),
        Fact(
            "Language", LANGUAGES[clinician.language] if clinician.language else "English, as none is known"
        ),
        Fact("Time zone", clinician.time_zone.replace("_", " ")),
        Fact("Hours and absences", _hours(clinician), f"/directory/{clinician.id}/hours"),
    ]
    return tuple(facts)


def _hours(clinician: Clinician) -> str:
    return hours_words(clinician.hours) if clinician.hours else "As the clinic’s"


def _contact(clinician: Clinician, contact: Contact, clock: Clock, *, may_manage: bool) -> models.Contact:
    manage = f"/directory/{clinician.id}/contacts/{contact.id}" if may_manage else ""
    return contact_view.shown(contact, clock, manage)
