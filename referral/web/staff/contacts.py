"""One contact of a clinician: confirmed by a call, found to be wrong, changed; and one more."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.codes import Channel
from referral.domain.errors import InvalidInput, NotFound, ReferralError
from referral.domain.records import Clinician, Contact
from referral.fhir.contact_values import doubt_about
from referral.services.confirm_contact import number_is_right, number_is_wrong
from referral.services.keep_contact import NewContact, keep_contact
from referral.services.keep_directory import entered_by
from referral.storage import contacts, directory
from referral.storage.audit import Subject
from referral.storage.db import attempt
from referral.web.dependencies import PostedDep, Visitor, staff
from referral.web.form import Form
from referral.web.policy import Permission
from referral.web.staff import contact_view, present
from referral.web.staff.frame import clock_of, done, errors_of, form_of, show, texts
from referral.web.staff.models import Choice, ContactPage, Link
from referral.web.staff.steps import Shown, Typed, guarded, take
from referral.web.turn import Router

router: Final = Router()
# What may be done to one contact; the detail of each names it.
_DEEDS: Final = ("verify-contact", "wrong-recipient", "change-contact")
Manage = Annotated[Visitor, staff(Permission.MANAGE_DIRECTORY)]
SOURCES: Final = (
    Choice("front-desk", "The practice: its website, letterhead or a call"),
    Choice("patient", "The patient"),
    Choice("nppes", "The NPI registry, which is often out of date"),
)


def channel_choices() -> tuple[Choice, ...]:
    """Every kind of contact, the quicker ones first."""
    return tuple(Choice(channel, present.CHANNEL[channel].capitalize()) for channel in Channel)


def new_contact(typed: Typed, channel: str = "", instead_of: str = "") -> NewContact:
    """The fields of the form as the use case takes them."""
    return NewContact(
        channel=channel or typed.get("contact_channel", ""),
        address=typed.get("contact_address", ""),
        source=typed.get("contact_source", "front-desk"),
        instead_of=instead_of,
    )


def _form(visitor: Visitor, shown: Shown) -> Form:
    typed = {"contact_source": "front-desk", **shown.typed}
    return form_of(visitor, typed, shown.errors, conflict=shown.conflict)


@router.get("/directory/{clinician_id}/contacts")
def show_new_contact(request: Request, clinician_id: str, visitor: Manage) -> Response:
    """An empty form for one more way to reach a clinician."""
    return _new_page(request, visitor, clinician_id, Shown())


@router.post("/directory/{clinician_id}/contacts")
def add_contact(request: Request, clinician_id: str, visitor: Manage, posted: PostedDep) -> Response:
    """A second click finds the address on file and says so."""
    typed = texts(posted)
    try:
        with attempt(visitor.session):
            made = keep_contact(visitor.session, visitor.actor, clinician_id, new_contact(typed), visitor.now)
    except InvalidInput as error:
        shown = Shown(typed, errors_of(error, {}, "contact_address"), "add", 400)
        return _new_page(request, visitor, clinician_id, shown)
    return done(visitor, f"/directory/{clinician_id}", _notice(made))


def _notice(made: Contact) -> str:
    return "contact-doubted" if doubt_about(made.channel, made.address) else "contact-added"


def _new_page(request: Request, visitor: Visitor, clinician_id: str, shown: Shown) -> Response:
    clinician = directory.get_clinician(visitor.session, clinician_id)
    page = ContactPage(
        clinician=_to(clinician),
        back=f"/directory/{clinician_id}",
        href=f"/directory/{clinician_id}/contacts",
        title="Add a contact",
        form=_form(visitor, shown),
        channels=channel_choices(),
        sources=SOURCES,
    )
    return show(request, visitor, "staff/contact.html.j2", "directory", page, shown.status)


@router.get("/directory/{clinician_id}/contacts/{contact_id}")
def show_contact(request: Request, clinician_id: str, contact_id: str, visitor: Manage) -> Response:
    """How it is, and what a call has found out."""
    return _page(request, visitor, clinician_id, contact_id, Shown())


@router.post("/directory/{clinician_id}/contacts/{contact_id}/{step}")
def take_step(
    request: Request, clinician_id: str, contact_id: str, step: str, visitor: Manage, posted: PostedDep
) -> Response:
    """Do one step and show the clinician again; a refusal shows this page with the reason."""

    def again(shown: Shown, _error: ReferralError) -> Response:
        if shown.conflict and not _is_known(visitor, clinician_id, contact_id):
            # A colleague has put another one in its place: what was typed may be one more.
            return _new_page(request, visitor, clinician_id, shown)
        return _page(request, visitor, clinician_id, contact_id, shown)

    steps = {name: (permission, partial(act, contact_id)) for name, (permission, act) in _STEPS.items()}
    about = (f"/directory/{clinician_id}", clinician_id)
    own = guarded(steps, Subject(f"PractitionerRole/{clinician_id}", subtypes=_DEEDS, names=contact_id))
    return take(request, visitor, own, step, about, posted, again, "PractitionerRole")


def _is_known(visitor: Visitor, clinician_id: str, contact_id: str) -> bool:
    return contact_id in {one.id for one in directory.get_clinician(visitor.session, clinician_id).contacts}


def _page(request: Request, visitor: Visitor, clinician_id: str, contact_id: str, shown: Shown) -> Response:
    clinician = directory.get_clinician(visitor.session, clinician_id)
    contact, clock = _known(clinician, contact_id), clock_of(visitor)
    phone = present.telephone_of(clinician)
    page = ContactPage(
        clinician=_to(clinician),
        back=f"/directory/{clinician_id}",
        href=f"/directory/{clinician_id}/contacts/{contact_id}",
        title=contact_view.by_words(contact).capitalize(),
        form=_form(visitor, shown),
        channels=(),
        sources=SOURCES,
        known=contact_view.shown(contact, clock),
        called=phone,
        not_yours=_not_yours(visitor, clinician_id, contact_id),
    )
    return show(request, visitor, "staff/contact.html.j2", "directory", page, shown.status)


def _not_yours(visitor: Visitor, clinician_id: str, contact_id: str) -> str:
    own = entered_by(visitor.session, clinician_id) == visitor.actor.id
    if own or contact_id in contacts.typed_by(visitor.session, clinician_id, visitor.actor.id):
        return "You have entered it, so a colleague has to call."
    return ""


def _known(clinician: Clinician, contact_id: str) -> Contact:
    found = next((c for c in clinician.contacts if c.id == contact_id), None)
    if found is None:
        raise NotFound("There is no such contact.")
    return found


def _to(clinician: Clinician) -> Link:
    return Link(present.titled(clinician), f"/directory/{clinician.id}")


def _verify(contact_id: str, visitor: Visitor, clinician_id: str, typed: Typed) -> str:
    spoke_with = typed.get("spoke_with", "")
    number_is_right(visitor.session, visitor.actor, clinician_id, contact_id, spoke_with, visitor.now)
    return "verified"


def _wrong(contact_id: str, visitor: Visitor, clinician_id: str, _typed: Typed) -> str:
    number_is_wrong(visitor.session, visitor.actor, clinician_id, contact_id, visitor.now)
    return "contact-wrong"


def _change(contact_id: str, visitor: Visitor, clinician_id: str, typed: Typed) -> str:
    contact = _known(directory.get_clinician(visitor.session, clinician_id), contact_id)
    new = new_contact(typed, contact.channel, contact_id)
    return _notice(keep_contact(visitor.session, visitor.actor, clinician_id, new, visitor.now))


_STEPS: Final = {
    "verify": (Permission.MANAGE_DIRECTORY, _verify),
    "wrong": (Permission.MANAGE_DIRECTORY, _wrong),
    "change": (Permission.MANAGE_DIRECTORY, _change),
}
