"""Infusion orders: the list, the page of one, and the steps of the clinic's own people."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time
from typing import Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.audit import Action, AuditEntry
from referral.domain.errors import GateClosed, InvalidInput, Issue, ReferralError
from referral.domain.listing import Page, View
from referral.services.change_facts import report_fact
from referral.services.classify_indication import classify_indication
from referral.services.decide_conflict import decide_conflict
from referral.services.find_bookings import order_seats
from referral.services.find_orders import OrderState, find_order, list_orders
from referral.services.treat import record_consultation, start_treatment
from referral.storage import audit, orders
from referral.storage.audit import Subject
from referral.storage.db import Session
from referral.web.dependencies import PostedDep, Visitor
from referral.web.policy import Permission
from referral.web.staff import order_list
from referral.web.staff.booking_view import of_order
from referral.web.staff.classify_view import seen_field
from referral.web.staff.conflict import refuse_if_changed
from referral.web.staff.follow_up_view import take_outcome
from referral.web.staff.frame import (
    SeeWork,
    clock_of,
    form_of,
    key_id,
    new_key,
    show,
    version_of,
)
from referral.web.staff.lists import show_list
from referral.web.staff.order_view import order_page
from referral.web.staff.second_start import is_known
from referral.web.staff.steps import Shown, Steps, Typed, take
from referral.web.turn import Router

router: Final = Router()


@router.get("/orders")
def show_orders(request: Request, visitor: SeeWork) -> Response:
    """The list, by name or number and by state."""
    clock = clock_of(visitor)

    def find(session: Session, view: View) -> Page[OrderState]:
        return list_orders(session, visitor.actor, view, visitor.now)

    return show_list(
        request,
        visitor,
        order_list.SHAPE,
        find,
        lambda state: order_list.row(visitor, state, clock),
        lambda state: order_list.cells(state, clock),
        "orders",
    )


@router.get("/orders/{order_id}")
def show_order(request: Request, order_id: str, visitor: SeeWork) -> Response:
    """One order with its gate."""
    return _page(request, visitor, order_id, Shown())


@router.post("/orders/{order_id}/{step}")
def take_step(request: Request, order_id: str, step: str, visitor: SeeWork, posted: PostedDep) -> Response:
    """Do one step and show the page again; a refusal shows it with the reasons and with what was typed."""

    def again(shown: Shown, error: ReferralError) -> Response:
        note_refusal(visitor, order_id, error)
        return _page(request, visitor, order_id, shown)

    return take(request, visitor, _STEPS, step, (f"/orders/{order_id}", order_id), posted, again)


def _page(request: Request, visitor: Visitor, order_id: str, shown: Shown) -> Response:
    view = find_order(visitor.session, visitor.actor, order_id, visitor.now)
    key = shown.typed.get("form_key") or new_key()
    form = form_of(visitor, shown.typed, shown.errors, key=key, conflict=shown.conflict)
    clock, seats = clock_of(visitor), order_seats(visitor.session, view.state)
    booked = of_order(visitor, seats, view.state, clock)
    page = replace(order_page(visitor, view, clock, form, shown.failed), bookings=booked)
    follows = (f"Patient/{view.state.order.patient_id}",)
    return show(request, visitor, "staff/order.html.j2", "orders", page, shown.status, follows=follows)


def note_refusal(visitor: Visitor, order_id: str, error: ReferralError) -> None:
    """A start that was refused is on the patient's record, although nothing else of it is."""
    if not isinstance(error, GateClosed):
        return
    entry = AuditEntry(
        action=Action.EXECUTE,
        subtype="refused",
        entity=f"ServiceRequest/{order_id}",
        patient_id=orders.get(visitor.session, order_id).patient_id,
        outcome="8",
        detail={"code": error.code, "reasons": len(error.reasons)},
    )
    audit.record(visitor.session, visitor.actor, entry)


def _consultation(visitor: Visitor, order_id: str, typed: Typed) -> str:
    """A day is all that is asked for: it counts from its beginning in the clinic's time zone."""
    clock = clock_of(visitor)
    issues = []
    try:
        day: date | None = date.fromisoformat(typed.get("consulted_on", ""))
    except ValueError:
        day = None
        issues.append(Issue("On which day was it?", ("consulted_on",), "required"))
    if day is not None and day > clock.today:
        issues.append(Issue("This day has not come yet.", ("consulted_on",), "value"))
    by = " ".join(typed.get("consulted_by", "").split())[:120]
    if not by:
        issues.append(Issue("Who held the consultation?", ("consulted_by",), "required"))
    if issues or day is None:
        raise InvalidInput(*issues)
    held_at = datetime.combine(day, time(0), clock.zone)
    document = {"participant": [{"individual": {"display": by}}]}
    record_consultation(visitor.session, visitor.actor, order_id, held_at, visitor.now, document)
    return "consultation"


def _start(visitor: Visitor, order_id: str, typed: Typed) -> str:
    """The key of the form names the start, so that a second click is the same one."""
    order = orders.get(visitor.session, order_id)
    document = {"id": key_id(visitor, f"start/{order_id}", typed.get("form_key", ""))}
    if not is_known(visitor, order_id, document["id"], typed):
        start_treatment(visitor.session, visitor.actor, order_id, order.patient_id, visitor.now, document)
    return "started"


def _classify(visitor: Visitor, order_id: str, typed: Typed) -> str:
    chosen = typed.get("requirement", "")
    classify_indication(
        visitor.session,
        visitor.actor,
        order_id,
        (typed.get("system", ""), typed.get("code", "")),
        chosen,
        based_on=version_of(typed),
        seen=typed.get(seen_field(chosen), ""),
        now=visitor.now,
    )
    return "classified"


def _conflict(visitor: Visitor, order_id: str, typed: Typed) -> str:
    refuse_if_changed(visitor, typed, Subject(f"ServiceRequest/{order_id}"))
    keep = {"yes": True, "no": False}.get(typed.get("keep", ""))
    pair = (typed.get("recommendation", ""), typed.get("refusal", ""))
    reason = typed.get("conflict_reason", "")
    decide_conflict(visitor.session, visitor.actor, order_id, pair, keep=keep, reason=reason, now=visitor.now)
    return "conflict-kept" if keep else "conflict-voided"


def _facts(visitor: Visitor, order_id: str, typed: Typed) -> str:
    refuse_if_changed(visitor, typed, Subject(f"ServiceRequest/{order_id}"))
    fact, code, reason = (typed.get(name, "") for name in ("fact", "fact_code", "fact_reason"))
    report_fact(visitor.session, visitor.actor, order_id, fact, code=code, reason=reason, now=visitor.now)
    return "facts-changed"


_STEPS: Final[Steps] = {
    "consultation": (Permission.RECORD_CONSULTATION, _consultation),
    "start": (Permission.START_TREATMENT, _start),
    "conflict": (Permission.REVIEW, _conflict),
    "facts": (Permission.VOID, _facts),
    "follow-up": (Permission.ASK, take_outcome),
    "classify": (Permission.CHANGE_POLICY, _classify),
}
