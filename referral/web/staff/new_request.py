"""New request: one page from patient to sent letter."""

from __future__ import annotations

from typing import Final

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from referral.domain.errors import DuplicateRequest, InvalidInput, NotFound, ReferralError
from referral.services.find_indications import warm_up
from referral.services.send_new_request import Sent, send_new_request
from referral.storage import orders, referrals
from referral.storage.db import attempt
from referral.web.dependencies import PostedDep, Visitor
from referral.web.errors import status_of
from referral.web.pages import page as render
from referral.web.staff.frame import Ask, clock_of, done, errors_of, query_of, show
from referral.web.staff.kept_again import kept_form
from referral.web.staff.new_request_choices import indication_value
from referral.web.staff.new_request_form import Typed, draft_of, problems, read_form
from referral.web.staff.new_request_view import new_request_page, search
from referral.web.turn import Router

router: Final = Router()
# Where a refusal of the services belongs on this page.
_FIELDS: Final = {
    "ServiceRequest.performer": "clinician_query",
    "Patient.birthDate": "patient_query",
    "ServiceRequest.reasonCode": "indication_query",
    "clinician": "clinician_query",
    "indication": "indication_query",
}


_USUAL_COURSE: Final = "6"


@router.get("/requests/new")
def show_new_request(request: Request, visitor: Ask) -> Response:
    """`patient` and `order` choose what is known already."""
    warm_up()
    if (kept := kept_form(request, visitor)) is not None:
        return _again(request, visitor, read_form(visitor, FormData([*kept.fields])), {})
    typed = read_form(visitor, _known(visitor, query_of(request, "patient"), query_of(request, "order")))
    return show(request, visitor, "staff/new_request.html.j2", "new", new_request_page(visitor, typed))


def _known(visitor: Visitor, patient_id: str, order_id: str) -> FormData:
    """What an order says already, as if it had been typed; else the usual course of six infusions."""
    fields: list[tuple[str, str | UploadFile]] = [("patient", patient_id)] if patient_id else []
    order = orders.get_many(visitor.session, [order_id]).get(order_id) if order_id else None
    if order is None or order.patient_id != patient_id:
        fields.append(("infusions", _USUAL_COURSE))
    else:
        fields += [("indication", indication_value(indication)) for indication in order.indications]
        fields.append(("infusions", str(order.planned_sessions or "")))
        fields.append(
            ("first_infusion", order.first_infusion_on.isoformat() if order.first_infusion_on else "")
        )
    return FormData(fields)


@router.post("/requests/new")
def send(request: Request, visitor: Ask, posted: PostedDep) -> Response:
    """Find for browsers without script, or send: once per showing of the form."""
    typed = read_form(visitor, posted)
    if typed.values.get("action") != "send":
        return _again(request, visitor, typed, {})
    errors = problems(typed, clock_of(visitor).today)
    try:
        with attempt(visitor.session):
            sent = send_new_request(visitor.session, visitor.actor, draft_of(typed), visitor.now)
            if errors:
                raise InvalidInput
    except DuplicateRequest as error:
        # The page says which request it is, and offers what can be done.
        same = referrals.get(visitor.session, error.referral_id).clinician_id == typed.values.get("clinician")
        found = {"clinician_query": _ASKED} if same else {"ask_anyway": _ASKED_ANOTHER}
        return _again(request, visitor, typed, {**found, **errors}, 409)
    except NotFound:
        return _again(request, visitor, typed, {"patient_query": _GONE, **errors}, 400)
    except ReferralError as error:
        return _again(
            request,
            visitor,
            typed,
            _in_order({**errors_of(error, _FIELDS, "summary"), **errors}),
            status_of(error),
        )
    return _on(visitor, sent)


_ASKED: Final = "This clinician is being asked about this patient already. Look at that request."
_ASKED_ANOTHER: Final = (
    "Another clinician is being asked already. Look at that request, or tick “Ask anyway”."
)
_GONE: Final = "What you chose is not on file any more. Please choose again."
_ORDER: Final = (
    *("patient_query", "given", "family", "birth_date", "language", "patient_phone", "patient_email"),
    *("indication_query", "infusions", "first_infusion", "clinician_query"),
)


def _in_order(errors: dict[str, str]) -> dict[str, str]:
    """As the page has its fields; the new clinician's come last, in the order of their own refusals."""
    return dict(sorted(errors.items(), key=lambda e: _ORDER.index(e[0]) if e[0] in _ORDER else len(_ORDER)))


def _on(visitor: Visitor, sent: Sent) -> Response:
    if sent.referral_id is None:
        return done(visitor, f"/orders/{sent.order_id}", "not-needed")
    return done(visitor, f"/requests/{sent.referral_id}", "asked")


def _again(
    request: Request, visitor: Visitor, typed: Typed, errors: dict[str, str], status: int = 200
) -> Response:
    page = new_request_page(visitor, typed, errors, search(visitor, typed))
    return show(request, visitor, "staff/new_request.html.j2", "new", page, status)


@router.post("/requests/new/preview")
def preview(visitor: Ask, posted: PostedDep) -> Response:
    """The pieces of the page that follow from what was typed so far; writes nothing."""
    page = new_request_page(visitor, read_form(visitor, posted))
    return render("staff/new_request_preview.html.j2", page=page)
