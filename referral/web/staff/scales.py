"""Scales of an order: all of them, one to fill in, asking the patient, and marking one as an error."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.errors import NotFound, ReferralError
from referral.domain.scales import FORMS, Scale, Source
from referral.domain.scales import Form as ScaleForm
from referral.services.ask_scales import ask_scales
from referral.services.find_scales import find_scales
from referral.services.keep_scale import Filling, keep_scale, void_scale
from referral.storage.db import attempt
from referral.web.dependencies import PostedDep, Visitor, staff
from referral.web.errors import status_of
from referral.web.form import Form
from referral.web.policy import Permission
from referral.web.questions import typed_answers
from referral.web.staff.frame import clock_of, done, errors_of, form_of, key_id, new_key, show, texts
from referral.web.staff.scale_view import fill_page, scales_page
from referral.web.turn import Router

router: Final = Router()
SeeAnswer = Annotated[Visitor, staff(Permission.SEE_ANSWER)]


@router.get("/orders/{order_id}/scales")
def show_scales(request: Request, order_id: str, visitor: SeeAnswer) -> Response:
    """Totals over time, and every filling."""
    return _page(request, visitor, order_id, form_of(visitor))


@router.post("/orders/{order_id}/scales/ask")
def ask(request: Request, order_id: str, visitor: SeeAnswer, posted: PostedDep) -> Response:
    """Ask the patient, with a link where they can be written to."""
    request.state.entity = f"ServiceRequest/{order_id}"
    wanted = [value for value in posted.getlist("scales") if isinstance(value, str)]
    try:
        with attempt(visitor.session):
            why_not = ask_scales(visitor.session, visitor.actor, order_id, wanted, visitor.now)
    except NotFound:
        raise
    except ReferralError as error:
        form = form_of(visitor, texts(posted), errors_of(error, {}, "scales"))
        return _page(request, visitor, order_id, form, status_of(error))
    notice = "scales-asked" if why_not is None else f"scales-asked-{why_not}"
    return done(visitor, f"/orders/{order_id}/scales", notice)


@router.post("/orders/{order_id}/scales/void")
def void(request: Request, order_id: str, visitor: SeeAnswer, posted: PostedDep) -> Response:
    """Mark one filling as an error."""
    request.state.entity = f"ServiceRequest/{order_id}"
    void_scale(visitor.session, visitor.actor, order_id, texts(posted).get("filled", ""), visitor.now)
    return done(visitor, f"/orders/{order_id}/scales", "scale-voided")


def _page(request: Request, visitor: Visitor, order_id: str, form: Form, status: int = 200) -> Response:
    view = find_scales(visitor.session, visitor.actor, order_id)
    page = scales_page(view, clock_of(visitor), form)
    return show(request, visitor, "staff/scales.html.j2", "orders", page, status)


# ---- One scale, on a tablet


@router.get("/orders/{order_id}/scales/{scale}")
def show_form(request: Request, order_id: str, scale: str, visitor: SeeAnswer) -> Response:
    """The questions in the patient's language; nothing is chosen beforehand."""
    return _form(request, visitor, order_id, _known(scale), form_of(visitor, key=new_key()))


@router.post("/orders/{order_id}/scales/{scale}")
def fill(request: Request, order_id: str, scale: str, visitor: SeeAnswer, posted: PostedDep) -> Response:
    """Keep it; what was left out is shown once more. After a sign of self-harm its page comes next."""
    asked, typed = _known(scale), texts(posted)
    request.state.entity = f"ServiceRequest/{order_id}"
    given = typed_answers(posted, asked)
    left_out = [q.link_id for q in asked.questions if q.link_id not in given.answers]
    if not given.answers or (left_out and typed.get("anyway") != "yes"):
        key = typed.get("form_key") or new_key()
        form = form_of(visitor, given.values, dict.fromkeys(left_out, "missing"), key=key)
        return _form(request, visitor, order_id, asked, form, 400)
    view = find_scales(visitor.session, visitor.actor, order_id)
    new = Filling(
        id=key_id(visitor, f"scale/{order_id}/{asked.scale}", typed.get("form_key", "")),
        patient_id=view.order.patient_id,
        order_id=order_id,
        scale=asked.scale,
        answers=given.answers,
        source=Source.STAFF,
    )
    result = keep_scale(visitor.session, visitor.actor, new, visitor.now)
    if result.self_harm:
        return done(visitor, "/#safety", "scale-sign")
    return done(visitor, f"/orders/{order_id}/scales", "scale-filled")


def _form(
    request: Request, visitor: Visitor, order_id: str, asked: ScaleForm, form: Form, status: int = 200
) -> Response:
    page = fill_page(find_scales(visitor.session, visitor.actor, order_id), asked, form)
    return show(request, visitor, "staff/scale.html.j2", "orders", page, status)


def _known(name: str) -> ScaleForm:
    if name not in set(Scale):
        raise NotFound("There is no such scale.")
    return FORMS[Scale(name)]
