"""Staff upload a clinician's own letter; what it says is then written down beside its picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from fastapi import Depends, Request
from starlette.responses import Response

from referral.domain.errors import ReferralError
from referral.domain.fax import FaxSource
from referral.services.find_requests import find_request
from referral.services.take_letter import take_letter
from referral.storage.db import attempt
from referral.web.dependencies import RuntimeDep, Visitor, admit_session
from referral.web.errors import status_of
from referral.web.form import Form
from referral.web.staff import present
from referral.web.staff.frame import Ask, done, errors_of, form_of, show
from referral.web.staff.models import Link
from referral.web.staff.steps import Shown
from referral.web.turn import Router
from referral.web.upload import Uploaded

router: Final = Router()


@dataclass(frozen=True, slots=True)
class UploadPage:
    href: str
    about: Link
    number: str
    form: Form


def _known(request: Request, runtime: RuntimeDep) -> None:
    """Before the body is read: only people of the clinic may send so much."""
    with runtime.transaction() as session:
        admit_session(request, runtime, session)


_KNOWN: Final[Any] = Depends(_known)


@router.get("/uploads/{referral_id}")
def show_form(request: Request, referral_id: str, visitor: Ask) -> Response:
    """What may be uploaded."""
    return _page(request, visitor, referral_id, Shown())


@router.post("/uploads/{referral_id}", dependencies=[_KNOWN])
def upload(request: Request, referral_id: str, visitor: Ask, letter: Uploaded) -> Response:
    """It lies with the faxes of the request, where it is written down."""
    request.state.entity = f"ServiceRequest/{referral_id}"
    session, actor, now = visitor.session, visitor.actor, visitor.now
    try:
        with attempt(session):
            fax_id = take_letter(session, actor, referral_id, letter, FaxSource.UPLOAD, now)
    except ReferralError as refusal:
        shown = Shown({}, errors_of(refusal, {}, "letter"), "letter", status_of(refusal))
        return _page(request, visitor, referral_id, shown)
    return done(visitor, f"/fax-inbox/{fax_id}", "letter-uploaded")


def _page(request: Request, visitor: Visitor, referral_id: str, shown: Shown) -> Response:
    view = find_request(visitor.session, visitor.actor, referral_id, visitor.now, may_read_answers=False)
    followed = view.followed
    who = f"{present.titled(followed.clinician)} about {present.named(view.state.patient)}"
    page = UploadPage(
        href=f"/uploads/{referral_id}",
        about=Link(who, f"/requests/{referral_id}"),
        number=followed.referral.number,
        form=form_of(visitor, shown.typed, shown.errors),
    )
    return show(request, visitor, "staff/letter_upload.html.j2", "", page, shown.status)
