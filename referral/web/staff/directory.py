"""The directory of outside clinicians: list, page, a new one, and confirming a contact."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from referral.domain.codes import Channel
from referral.domain.errors import InvalidInput
from referral.domain.npi import KIND_LABEL
from referral.domain.policy import Policy
from referral.domain.records import Clinician, Contact
from referral.services.find_people import PAGE, ClinicianView, find_clinician, list_clinicians
from referral.services.keep_directory import add_clinician, verify_contact
from referral.storage import clinics, directory
from referral.storage.db import attempt, hold
from referral.web.dependencies import PostedDep, Visitor, staff
from referral.web.form import Form
from referral.web.policy import Permission
from referral.web.staff import models, present
from referral.web.staff.clock import Clock
from referral.web.staff.frame import (
    SeeWork,
    clock_of,
    done,
    errors_of,
    form_of,
    new_key,
    page_number,
    paging,
    query_of,
    show,
    texts,
)
from referral.web.staff.hours_view import hours_words
from referral.web.staff.models import (
    Badge,
    ClinicianPage,
    ClinicianRow,
    DirectoryPage,
    Fact,
    NewClinicianPage,
)
from referral.web.staff.new_clinician import new_clinician
from referral.web.staff.new_request_choices import clinician_options
from referral.web.staff.rows import request_row

router: Final = APIRouter()
Manage = Annotated[Visitor, staff(Permission.MANAGE_DIRECTORY)]
_SOURCE: Final = {
    "front-desk": "the front desk",
    "ehr": "the record",
    "patient": "the patient",
    "nppes": "the NPI registry",
}


@router.get("/directory")
def show_directory(request: Request, visitor: SeeWork) -> Response:
    """Who is on file and how well they can be reached."""
    words = query_of(request, "q")
    policy, _ = clinics.policy_in_force(visitor.session)
    found, more = list_clinicians(visitor.session, words, page_number(request))
    page = DirectoryPage(
        query=words,
        rows=tuple(_row(clinician, policy) for clinician in found),
        paging=paging(request, PAGE, len(found), more=more),
    )
    return show(request, visitor, "staff/directory.html.j2", "directory", page)


def _row(clinician: Clinician, policy: Policy) -> ClinicianRow:
    return ClinicianRow(
        name=present.titled(clinician),
        href=f"/directory/{clinician.id}",
        kind=KIND_LABEL[clinician.kind].capitalize(),
        practice=clinician.practice,
        contacts=tuple(_small_badge(contact) for contact in clinician.contacts),
        warning=present.ineligible(clinician.kind, policy),
    )


def _small_badge(contact: Contact) -> Badge:
    words = present.CHANNEL[contact.channel].capitalize()
    if _failed(contact):
        return Badge("closed", f"{words} failed", present.CHANNEL_ICON[contact.channel])
    state = "open" if contact.is_verified else "neutral"
    label = f"{words}, verified" if contact.is_verified else words
    return Badge(state, label, present.CHANNEL_ICON[contact.channel])


def _failed(contact: Contact) -> bool:
    """The last thing that is known of it is a failure."""
    failure, success = contact.last_failure_at, contact.last_success_at
    return failure is not None and (success is None or failure > success)


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
    view = find_clinician(visitor.session, visitor.actor, clinician_id, visitor.now)
    page = _page(visitor, view, clock_of(visitor))
    return show(request, visitor, "staff/clinician.html.j2", "directory", page)


def _page(visitor: Visitor, view: ClinicianView, clock: Clock) -> ClinicianPage:
    clinician = view.clinician
    own = view.entered_by == visitor.actor.id
    may = visitor.may(Permission.MANAGE_DIRECTORY) and not own
    return ClinicianPage(
        name=present.titled(clinician),
        kind=KIND_LABEL[clinician.kind].capitalize(),
        warning=present.ineligible(clinician.kind, view.policy),
        facts=_facts(clinician),
        contacts=tuple(_contact(clinician, contact, clock, may_verify=may) for contact in clinician.contacts),
        requests=tuple(
            request_row(f, present.named(view.patients[f.referral.patient_id]), clock) for f in view.requests
        ),
        version="",
        entered_by_you=own,
    )


def _facts(clinician: Clinician) -> tuple[Fact, ...]:
    facts = [
        Fact("Practice", clinician.practice or "not given"),
        Fact("Address", ", ".join(clinician.address) or "not given"),
        Fact("NPI", clinician.npi or "not given"),
        Fact("Time zone", clinician.time_zone.replace("_", " ")),
        Fact("Hours and absences", _hours(clinician), f"/directory/{clinician.id}/hours"),
    ]
    return tuple(facts)


def _hours(clinician: Clinician) -> str:
    return hours_words(clinician.hours) if clinician.hours else "Those of the clinic"


def _contact(clinician: Clinician, contact: Contact, clock: Clock, *, may_verify: bool) -> models.Contact:
    known = _failed(contact)
    badge = Badge("open", "Verified", "shield") if contact.is_verified else Badge("waiting", "Not verified")
    if known:
        badge = Badge("closed", "Failed last time", "warning")
    verified = f"Verified {clock.moment(contact.verified_at).text}." if contact.verified_at else ""
    path = f"/directory/{clinician.id}/contacts/{contact.id}/verify"
    return models.Contact(
        channel=present.CHANNEL[contact.channel].capitalize(),
        icon=present.CHANNEL_ICON[contact.channel],
        value=present.address_of(contact),
        source=_SOURCE.get(contact.source, "a connected system"),
        verified=verified,
        badge=badge,
        history=_history(contact, clock),
        verify=path if may_verify and not contact.is_verified else "",
    )


def _history(contact: Contact, clock: Clock) -> str:
    parts = []
    if contact.last_success_at:
        parts.append(f"Last worked {clock.moment(contact.last_success_at).text}.")
    if contact.last_failure_at:
        parts.append(f"Last failed {clock.moment(contact.last_failure_at).text}.")
    never = "" if contact.channel is Channel.PHONE else "Not used yet."
    return " ".join(parts) or never


@router.post("/directory/{clinician_id}/contacts/{contact_id}/verify")
def verify(clinician_id: str, contact_id: str, visitor: Manage) -> Response:
    """Somebody who did not enter it has called and heard that it is right; doing it twice is harmless."""
    verify_contact(visitor.session, visitor.actor, clinician_id, contact_id, visitor.now)
    return done(visitor, f"/directory/{clinician_id}", "verified")
