"""Instead of the form, a letter: the clinician uploads it, and staff write down what it says."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from referral.domain.errors import InvalidInput, SignInRequired, TransitionRefused
from referral.domain.fax import FaxSource
from referral.services.answer_on_portal import read_sender
from referral.services.prove_identity import Stage
from referral.services.take_letter import take_letter
from referral.web.dependencies import RuntimeDep
from referral.web.form import Form
from referral.web.portal_answer import Identified
from referral.web.portal_guest import Guest, find_guest, go
from referral.web.upload import Uploaded

router: Final = APIRouter(tags=["portal"], include_in_schema=False)


def _known(request: Request, runtime: RuntimeDep) -> None:
    """Before the body is read: only whoever has been identified may send so much."""
    found = find_guest(request, runtime)
    if found is None or found.stage is not Stage.IDENTIFIED or found.is_over:
        raise SignInRequired("Please open your link again.")


_KNOWN: Final[Any] = Depends(_known)


@router.get("/request/upload")
def upload_form(visitor: Identified) -> Response:
    """What may be sent, and what becomes of it."""
    return _upload_page(visitor, "")


def _upload_page(visitor: Guest, problem: str) -> Response:
    with visitor.transaction() as session:
        sender = read_sender(session)
    form = Form({}, {"letter": problem} if problem else {}, visitor.found.csrf_token)
    return visitor.page("portal/upload.html.j2", 400 if problem else 200, form=form, sender=sender)


@router.post("/request/upload", dependencies=[_KNOWN])
def upload(visitor: Identified, letter: Uploaded) -> Response:
    """Kept at once, and read by a worker; nothing of it is opened here."""
    try:
        with visitor.transaction() as session:
            referral_id = visitor.credential.referral_id
            take_letter(session, visitor.actor, referral_id, letter, FaxSource.PORTAL, visitor.now)
    except InvalidInput as refusal:
        return _upload_page(visitor, visitor.tell(str(refusal)))
    except TransitionRefused:
        return go("/request")
    return go("/request/uploaded")


@router.get("/request/uploaded")
def received(visitor: Identified) -> Response:
    """What happens now."""
    with visitor.transaction() as session:
        sender = read_sender(session)
    return visitor.page("portal/uploaded.html.j2", form=Form(token=visitor.found.csrf_token), sender=sender)
