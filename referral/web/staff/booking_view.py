"""Bookings in the words of the staff pages, and the page of one booking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from referral.domain.booking import OPEN, ORDER_ENDED, REASONS, RELEASED, Booking, BookingStatus
from referral.domain.codes import Verdict
from referral.services.find_bookings import BookingView, Seat
from referral.services.find_orders import OrderState
from referral.storage import orders
from referral.web.dependencies import Visitor
from referral.web.form import Form
from referral.web.policy import Permission
from referral.web.staff import present, story
from referral.web.staff.booking_form import fields
from referral.web.staff.booking_models import BookingPage, BookingRow, OrderBookings
from referral.web.staff.clock import Clock
from referral.web.staff.models import Badge, Choice, Fact, Link

_BADGE: Final = {
    BookingStatus.PENDING: Badge("waiting", "Tentative"),
    BookingStatus.BOOKED: Badge("open", "Confirmed"),
    BookingStatus.ARRIVED: Badge("info", "Arrived", "open"),
    BookingStatus.CHECKED_IN: Badge("info", "Checked in", "open"),
    BookingStatus.FULFILLED: Badge("info", "Treatment started", "open"),
    BookingStatus.CANCELLED: Badge("neutral", "Cancelled"),
    BookingStatus.NO_SHOW: Badge("closed", "Did not come"),
    BookingStatus.ENTERED_IN_ERROR: Badge("neutral", "Entered in error"),
}
_MOVABLE: Final = (BookingStatus.PENDING, BookingStatus.BOOKED)
# What a person may give as the reason; the others are given by the clock and by the order.
_REASONS: Final = tuple(
    Choice(code, words) for code, words in REASONS.items() if code not in (RELEASED, ORDER_ENDED)
)


def booking_badge(row: Booking) -> Badge:
    """A released one says so: nobody has cancelled it."""
    if row.was_released:
        return Badge("closed", "Released", "warning")
    return _BADGE[row.status]


def hold_sentence(row: Booking, state: OrderState, clock: Clock) -> str:
    """'Released on Thursday at 5:00 PM unless a recommendation arrives.'; empty for what is not tentative."""
    if row.status is not BookingStatus.PENDING or row.release_at is None:
        return ""
    return f"Released {clock.soon(row.release_at)} unless {_missing(state)}."


def _missing(state: OrderState) -> str:
    consulted = state.decision.requirements[0].satisfied
    verdict = state.decision.verdict
    if not consulted and verdict in (Verdict.NOT_REQUIRED, *_GOOD):
        return "the consultation is recorded"
    if consulted and verdict in (Verdict.REQUESTED, Verdict.NOT_REQUESTED, *_ENDED):
        return "a recommendation arrives"
    return "the gate opens"


_GOOD: Final = (Verdict.SATISFIED, Verdict.SATISFIED_WITH_CONDITIONS)
_ENDED: Final = (Verdict.DECLINED, Verdict.EXPIRED, Verdict.VOIDED)


def booking_row(seat: Seat, clock: Clock, *, title: str = "", action: Link | None = None) -> BookingRow:
    """One booking in a list; `title` is what the list is not about."""
    row = seat.booking
    return BookingRow(
        when=clock.span(row.starts_at, row.ends_at),
        href=f"/bookings/{row.id}",
        title=title or _chair(seat),
        chair=_chair(seat),
        badge=booking_badge(row),
        hold=hold_sentence(row, seat.state, clock) or _ended(row),
        action=action,
    )


def _chair(seat: Seat) -> str:
    return seat.chair.name if seat.chair else "No chair"


def _ended(row: Booking) -> str:
    """Why it ended, in words."""
    if not row.reason or row.status is not BookingStatus.CANCELLED:
        return ""
    return f"{REASONS.get(row.reason, row.reason)}."


def of_order(visitor: Visitor, seats: tuple[Seat, ...], state: OrderState, clock: Clock) -> OrderBookings:
    """The bookings on the page of their order, what lies ahead and what needs a person first."""
    may = visitor.may(Permission.BOOK) and state.order.status in orders.USABLE
    shown = [s for s in seats if s.booking.is_open or (s.booking.was_released and s.booking.noted_at is None)]
    rest = [seat for seat in seats if seat not in shown]
    return OrderBookings(
        rows=tuple(booking_row(seat, clock) for seat in (*shown, *reversed(rest))),
        book=new_href(state.order.id) if may else "",
    )


def new_href(order_id: str) -> str:
    """Where a chair is booked for an order."""
    return f"/bookings/new?order={order_id}"


def booking_page(
    visitor: Visitor, view: BookingView, clock: Clock, form: Form, failed: str = ""
) -> BookingPage:
    """As this visitor may see it; `failed` is the step that came back with errors."""
    seat, row = view.seat, view.seat.booking
    state, order = seat.state, seat.state.order
    return BookingPage(
        href=f"/bookings/{row.id}",
        title=clock.span(row.starts_at, row.ends_at).text,
        patient=Link(present.named(state.patient), f"/patients/{order.patient_id}"),
        order=Link(f"Order {present.order_number(order)}", f"/orders/{order.id}"),
        badge=booking_badge(row),
        hold=hold_sentence(row, state, clock),
        gate=story.gate(state, clock),
        facts=tuple(_facts(view, clock)),
        form=form,
        fields=fields(view.chairs, clock, minutes=form.value("minutes") or "120", keep=row.chair_id),
        reasons=_REASONS,
        actions=tuple(_actions(visitor, row, clock)),
        failed=failed,
    )


def _actions(visitor: Visitor, row: Booking, clock: Clock) -> Iterator[str]:
    if not visitor.may(Permission.BOOK):
        return
    if row.status in _MOVABLE:
        yield "move"
    if row.status in OPEN:
        yield "cancel"
        if row.starts_at <= clock.now and row.status is not BookingStatus.CHECKED_IN:
            yield "missed"
    if row.was_released and row.noted_at is None:
        yield "noted"


def _facts(view: BookingView, clock: Clock) -> Iterator[Fact]:
    row, order = view.seat.booking, view.seat.state.order
    yield Fact("Patient", present.named(view.seat.state.patient), f"/patients/{order.patient_id}")
    yield Fact("For", present.indications(order), f"/orders/{order.id}")
    yield Fact("Chair", _chair(view.seat))
    day = clock.local(row.starts_at)
    yield Fact("Day", clock.day(day).text, f"/bookings?day={day.isoformat()}")
    yield Fact("Time zone", clock.zone_name(row.starts_at))
    if row.release_at is not None:
        yield Fact("Held until", clock.moment(row.release_at).text)
    if row.reason:
        yield Fact("Reason", REASONS.get(row.reason, row.reason))
    made = clock.moment(row.created_at).text
    yield Fact("Booked", f"{made}, by {view.booked_by or 'a connected system'}")
