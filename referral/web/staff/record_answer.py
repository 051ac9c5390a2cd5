"""An answer that was given by telephone: the form on one page, read back before it is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.errors import InvalidInput, ReferralError
from referral.services.find_requests import find_request
from referral.services.keep_late_answer import takes_late_answers
from referral.services.record_answer import Call, record_answer
from referral.storage.db import attempt
from referral.web.dependencies import PostedDep, Visitor
from referral.web.errors import status_of
from referral.web.form import Form
from referral.web.portal_questions import Section, paper_sections, posted_values
from referral.web.staff import present
from referral.web.staff.fax_view import ANSWER_ITEMS, signature_on_file
from referral.web.staff.frame import Ask, clock_of, done, errors_of, form_of, key_id, new_key, show, texts
from referral.web.staff.models import Link
from referral.web.staff.steps import Shown
from referral.web.turn import Router

router: Final = Router()


@dataclass(frozen=True, slots=True)
class RecordPage:
    """`telephone` is the clinician's on file, '' for none."""

    href: str
    about: Link
    number: str
    telephone: str
    form: Form
    sections: tuple[Section, ...]
    today: str
    is_open: bool


@router.get("/requests/{referral_id}/transcribe")
def show_form(request: Request, referral_id: str, visitor: Ask) -> Response:
    """The questions as the clinician is asked them."""
    return _page(request, visitor, referral_id, Shown())


@router.post("/requests/{referral_id}/transcribe")
def record(request: Request, referral_id: str, visitor: Ask, posted: PostedDep) -> Response:
    """The answer goes the way of every answer; a refusal shows the form with what was typed."""
    request.state.entity = f"ServiceRequest/{referral_id}"
    values, typed = posted_values(posted, ANSWER_ITEMS), texts(posted)
    call = Call(typed.get("spoke_with", ""), typed.get("called_number", ""), typed.get("read_back") == "yes")
    try:
        with attempt(visitor.session):
            id = key_id(visitor, f"answer/{referral_id}", typed.get("form_key", ""))
            answered = (visitor.session, visitor.actor, referral_id, values, call, visitor.now)
            record_answer(*answered, response_id=id)
    except InvalidInput as refusal:
        errors = {issue.expression[0]: issue.text for issue in refusal.issues if issue.expression}
        return _page(request, visitor, referral_id, Shown(typed, errors, "transcribe", 400), values)
    except ReferralError as refusal:
        shown = Shown(typed, errors_of(refusal, {}, "decision"), "transcribe", status_of(refusal))
        return _page(request, visitor, referral_id, shown, values)
    return done(visitor, f"/requests/{referral_id}", "call-transcribed")


def _page(
    request: Request,
    visitor: Visitor,
    referral_id: str,
    shown: Shown,
    values: Mapping[str, list[str]] | None = None,
) -> Response:
    view = find_request(visitor.session, visitor.actor, referral_id, visitor.now, may_read_answers=False)
    followed = view.followed
    clinician, referral = followed.clinician, followed.referral
    typed = values if values is not None else signature_on_file(clinician)
    page = RecordPage(
        href=f"/requests/{referral.id}",
        about=Link(
            f"{present.titled(clinician)} about {present.named(view.state.patient)}",
            f"/requests/{referral.id}",
        ),
        number=referral.number,
        telephone=present.telephone_of(clinician) or "",
        form=form_of(visitor, shown.typed, shown.errors, key=shown.typed.get("form_key") or new_key()),
        sections=paper_sections(clinician.kind, typed),
        today=clock_of(visitor).today.isoformat(),
        is_open=referral.is_open or takes_late_answers(referral),
    )
    return show(request, visitor, "staff/record_answer.html.j2", "", page, shown.status)
