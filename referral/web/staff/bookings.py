"""Bookings: a day of every chair, a new one for an order, one of them, and the chairs themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.booking import REASONS, BookingStatus, Chair
from referral.domain.errors import InvalidInput, Issue, NotFound, ReferralError
from referral.domain.gate import GateDecision
from referral.domain.listing import Page, View
from referral.services.book_chair import NewBooking, book_chair, move_booking
from referral.services.end_booking import end_booking, take_note
from referral.services.find_bookings import Seat, find_booking, find_day, list_bookings
from referral.services.find_orders import find_order
from referral.services.keep_chairs import add_chair, set_chair
from referral.storage import bookings
from referral.storage.audit import Subject
from referral.storage.db import Session, attempt
from referral.web.dependencies import PostedDep, Visitor, staff
from referral.web.errors import status_of
from referral.web.policy import Permission
from referral.web.staff import present, story
from referral.web.staff.booking_form import FIELD_OF, day_of, fields, first_typed, slot_of, typed_of
from referral.web.staff.booking_models import BookingsPage, ChairRow, NewBookingPage
from referral.web.staff.booking_view import booking_page
from referral.web.staff.day_plan import day_of as day_view
from referral.web.staff.frame import (
    EVERYTHING,
    SeeWork,
    clock_of,
    done,
    errors_of,
    form_of,
    key_id,
    new_key,
    query_of,
    show,
    texts,
    version_of,
)
from referral.web.staff.lists import show_list
from referral.web.staff.models import Badge, Link
from referral.web.staff.steps import Shown, Steps, Typed, guarded, take
from referral.web.staff.work_lists import BOOKINGS, seat_cells, seat_row
from referral.web.turn import Router

router: Final = Router()
Book = Annotated[Visitor, staff(Permission.BOOK)]


# ---- A day


@router.get("/bookings")
def show_day(request: Request, visitor: SeeWork) -> Response:
    """`day` is the clinic's date, today without one; `order` lets a free place be chosen for that order."""
    return _day(request, visitor, Shown())


def _day(request: Request, visitor: Visitor, shown: Shown) -> Response:
    clock = clock_of(visitor)
    day = day_of(query_of(request, "day")) or clock.today
    plan = find_day(visitor.session, visitor.actor, day, visitor.now)
    order_id = query_of(request, "order") if visitor.may(Permission.BOOK) else ""
    page = BookingsPage(
        day=day_view(plan, clock, order_id),
        chairs=tuple(_chair_row(visitor, chair) for chair in bookings.chairs(visitor.session)),
        form=form_of(visitor, shown.typed, shown.errors, conflict=shown.conflict),
        may_change=visitor.may(Permission.BOOK),
        order=order_id,
    )
    follows = EVERYTHING
    return show(request, visitor, "staff/bookings.html.j2", "bookings", page, shown.status, follows=follows)


def _chair_row(visitor: Visitor, chair: Chair) -> ChairRow:
    badge = Badge("open", "In use") if chair.active else Badge("neutral", "Out of use")
    step, label = ("out-of-use", "Take out of use") if chair.active else ("in-use", "Put back in use")
    may = visitor.may(Permission.BOOK)
    return ChairRow(chair.name, f"/chairs/{chair.id}", badge, step if may else "", label)


@router.get("/bookings/all")
def show_bookings(request: Request, visitor: SeeWork) -> Response:
    """Whatever their day, by state and patient."""
    clock = clock_of(visitor)

    def find(session: Session, view: View) -> Page[Seat]:
        return list_bookings(session, visitor.actor, view, visitor.now)

    return show_list(
        request,
        visitor,
        BOOKINGS,
        find,
        lambda seat: seat_row(seat, clock),
        lambda seat: seat_cells(seat, clock),
        "bookings",
    )


# ---- A new booking


@router.get("/bookings/new")
def show_new(request: Request, visitor: Book) -> Response:
    """`order` is whom it is for; `day`, `at` and `chair` are what was chosen in the table."""
    order_id = query_of(request, "order")
    if not order_id:
        raise NotFound("Open an infusion order first; a chair is booked for an order.")
    chosen = first_typed(request.query_params, tuple(bookings.chairs(visitor.session)))
    return _new(request, visitor, order_id, Shown(typed=chosen))


def _new(request: Request, visitor: Visitor, order_id: str, shown: Shown) -> Response:
    view = find_order(visitor.session, visitor.actor, order_id, visitor.now)
    clock, order = clock_of(visitor), view.state.order
    typed = dict(shown.typed)
    first = max(order.first_infusion_on or clock.today, clock.today)
    day = day_of(typed.get("booked_on", "")) or first
    if not typed.get("booked_on"):
        typed["booked_on"] = day.isoformat()
    plan = find_day(visitor.session, visitor.actor, day, visitor.now)
    page = NewBookingPage(
        patient=present.named(view.state.patient),
        order=Link(f"Order {present.order_number(order)}", f"/orders/{order.id}"),
        order_id=order.id,
        gate=story.gate(view.state, clock),
        kept=_kept(view.state.decision),
        is_firm=view.state.decision.settled,
        form=form_of(visitor, typed, shown.errors, key=typed.get("form_key") or new_key()),
        fields=fields(plan.chairs, clock, minutes=typed.get("minutes") or "120"),
        day=day_view(plan, clock, order.id, "/bookings/new"),
    )
    return show(request, visitor, "staff/new_booking.html.j2", "bookings", page, shown.status)


def _kept(decision: GateDecision) -> str:
    if decision.settled:
        return "The gate is open: the booking is confirmed at once."
    why = "Emergency access is for one infusion now" if decision.open else "The gate is closed"
    return (
        f"{why}: the booking is tentative. It confirms itself when the gate opens, and is released two "
        "business days before the infusion, at the close of business, if it does not."
    )


@router.post("/bookings")
def book(request: Request, visitor: Book, posted: PostedDep) -> Response:
    """The key of the form names the booking, so that a second click is the same one."""
    typed = texts(posted)
    order_id = typed.get("order_id", "")
    request.state.entity = f"ServiceRequest/{order_id}"
    try:
        with attempt(visitor.session):
            slot = slot_of(typed, clock_of(visitor).zone)
            id = key_id(visitor, f"booking/{order_id}", typed.get("form_key", ""))
            new = NewBooking(order_id=order_id, slot=slot, id=id)
            made = book_chair(visitor.session, visitor.actor, new, visitor.now)
    except NotFound:
        raise
    except ReferralError as error:
        found = errors_of(error, FIELD_OF, "booked_at")
        return _new(request, visitor, order_id, Shown(typed, found, "book", status_of(error)))
    notice = "tentative" if made.status is BookingStatus.PENDING else "booked"
    return done(visitor, f"/bookings/{made.id}", notice)


# ---- One booking


@router.get("/bookings/{booking_id}")
def show_booking(request: Request, booking_id: str, visitor: SeeWork) -> Response:
    """One booking with the gate of its order."""
    return _booking(request, visitor, booking_id, Shown())


@router.post("/bookings/{booking_id}/{step}")
def take_step(request: Request, booking_id: str, step: str, visitor: SeeWork, posted: PostedDep) -> Response:
    """Do one step and show the page again; a refusal shows it with the reasons and with what was typed."""

    def again(shown: Shown, error: ReferralError) -> Response:
        found = {} if shown.conflict else errors_of(error, FIELD_OF, step)
        return _booking(request, visitor, booking_id, replace(shown, errors=found))

    about = (f"/bookings/{booking_id}", booking_id)
    return take(request, visitor, _STEPS, step, about, posted, again, "Appointment")


def _booking(request: Request, visitor: Visitor, booking_id: str, shown: Shown) -> Response:
    view = find_booking(visitor.session, visitor.actor, booking_id, visitor.now)
    row, clock = view.seat.booking, clock_of(visitor)
    typed = {**typed_of(row, clock), **shown.typed}
    form = form_of(visitor, typed, shown.errors, str(row.version), conflict=shown.conflict)
    page = booking_page(visitor, view, clock, form, shown.failed)
    follows = (f"Appointment/{booking_id}", f"Patient/{view.seat.booking.patient_id}")
    return show(request, visitor, "staff/booking.html.j2", "bookings", page, shown.status, follows=follows)


def _move(visitor: Visitor, booking_id: str, typed: Typed) -> str:
    slot = slot_of(typed, clock_of(visitor).zone)
    version = version_of(typed)
    moved = move_booking(visitor.session, visitor.actor, booking_id, version, slot, visitor.now)
    return "tentative" if moved.status is BookingStatus.PENDING else "moved"


def _cancel(visitor: Visitor, booking_id: str, typed: Typed) -> str:
    """A reason of ours, or one's own words."""
    reason = _reason(typed)
    version = version_of(typed)
    status = BookingStatus.CANCELLED
    end_booking(visitor.session, visitor.actor, booking_id, version, status, reason, visitor.now)
    return "booking-cancelled"


def _reason(typed: Mapping[str, str]) -> str:
    chosen, words = typed.get("reason", ""), typed.get("reason_words", "").strip()
    if chosen == "other" and not words:
        raise InvalidInput(Issue("Say why in a few words.", ("reason_words",), "required"))
    if chosen not in (*REASONS, "other"):
        raise InvalidInput(Issue("Choose why it is cancelled.", ("reason",), "required"))
    return words if chosen == "other" else chosen


def _missed(visitor: Visitor, booking_id: str, typed: Typed) -> str:
    version = version_of(typed)
    status = BookingStatus.NO_SHOW
    end_booking(visitor.session, visitor.actor, booking_id, version, status, "", visitor.now)
    return "missed"


def _noted(visitor: Visitor, booking_id: str, _: Typed) -> str:
    take_note(visitor.session, visitor.actor, booking_id, visitor.now)
    return "noted"


_STEPS: Final[Steps] = {
    "move": (Permission.BOOK, _move),
    "cancel": (Permission.BOOK, _cancel),
    "missed": (Permission.BOOK, _missed),
    "noted": (Permission.BOOK, _noted),
}


# ---- Chairs


@router.post("/chairs")
def add(request: Request, visitor: Book, posted: PostedDep) -> Response:
    """A chair with a name of its own."""
    typed = texts(posted)
    try:
        with attempt(visitor.session):
            add_chair(visitor.session, visitor.actor, typed.get("chair_name", ""), visitor.now)
    except ReferralError as error:
        return _day(request, visitor, Shown(typed, errors_of(error, {}, "chair_name"), "", status_of(error)))
    return done(visitor, "/bookings", "chair-added")


@router.post("/chairs/{chair_id}/{step}")
def change_chair(request: Request, chair_id: str, step: str, visitor: Book, posted: PostedDep) -> Response:
    """Take a chair out of use, or put it back."""

    def again(shown: Shown, error: ReferralError) -> Response:
        found = {} if shown.conflict else errors_of(error, {}, "chairs")
        return _day(request, visitor, replace(shown, typed={}, errors=found, failed=""))

    steps = guarded(_CHAIR_STEPS, Subject(f"Location/{chair_id}"))
    return take(request, visitor, steps, step, ("/bookings", chair_id), posted, again, "Location")


def _in_use(visitor: Visitor, chair_id: str, _: Typed) -> str:
    set_chair(visitor.session, visitor.actor, chair_id, visitor.now, active=True)
    return "chair-in-use"


def _out_of_use(visitor: Visitor, chair_id: str, _: Typed) -> str:
    set_chair(visitor.session, visitor.actor, chair_id, visitor.now, active=False)
    return "chair-out-of-use"


_CHAIR_STEPS: Final[Steps] = {
    "in-use": (Permission.BOOK, _in_use),
    "out-of-use": (Permission.BOOK, _out_of_use),
}
