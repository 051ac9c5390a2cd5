"""What the pages about bookings show: one day of every chair, and one booking. A look leaves an audit row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.booking import Booking, Chair
from referral.domain.listing import Page, View, day_asked
from referral.services.calendars import clinic_calendar
from referral.services.find_orders import OrderState, States
from referral.services.note_shown import note_shown
from referral.storage import accounts, audit, bookings
from referral.storage.db import Session
from referral.storage.lists import bookings as listed_bookings


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A booking with its chair, None where it has none, and the order that it is for."""

    booking: Booking
    chair: Chair | None
    state: OrderState


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPlan:
    """One local day. `chairs` are those in use, and others that are needed on that day.

    `opens` and `closes` are the clinic's hours in UTC; `is_business_day` is False on weekends and holidays.
    """

    day: date
    chairs: tuple[Chair, ...]
    seats: tuple[Seat, ...]
    opens: datetime
    closes: datetime
    is_business_day: bool


def seats_of(session: Session, rows: Iterable[Booking], states: States) -> list[Seat]:
    """The same bookings in the same order; no audit row."""
    found = list(rows)
    if not found:
        return []
    chairs = {chair.id: chair for chair in bookings.chairs(session)}
    placed = states.find(row.order_id for row in found)
    return [
        Seat(booking=row, chair=chairs.get(row.chair_id or ""), state=placed[row.order_id]) for row in found
    ]


def order_seats(session: Session, state: OrderState) -> tuple[Seat, ...]:
    """The bookings of one order that is looked at anyway, earliest first; no audit row of its own."""
    chairs = {chair.id: chair for chair in bookings.chairs(session)}
    rows = bookings.of_order(session, state.order.id)
    return tuple(Seat(booking=row, chair=chairs.get(row.chair_id or ""), state=state) for row in rows)


def find_day(session: Session, actor: Actor, day: date, now: datetime) -> DayPlan:
    """What holds a chair at some moment of this day of the clinic, and who did not come."""
    calendar = clinic_calendar(session)
    start, end = calendar.at(day, time(0)), calendar.at(day + timedelta(days=1), time(0))
    seats = seats_of(session, bookings.between(session, start, end), States(session, now))
    needed = {seat.booking.chair_id for seat in seats}
    chairs = [chair for chair in bookings.chairs(session) if chair.active or chair.id in needed]
    note_shown(session, actor, "list-bookings", (seat.booking.patient_id for seat in seats))
    return DayPlan(
        day=day,
        chairs=tuple(chairs),
        seats=tuple(seats),
        opens=calendar.at(day, calendar.opens),
        closes=calendar.at(day, calendar.closes),
        is_business_day=calendar.is_business_day(day),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingView:
    """`booked_by` is the name of the user who made it, None for a connected system."""

    seat: Seat
    chairs: tuple[Chair, ...]
    booked_by: str | None


def find_booking(session: Session, actor: Actor, booking_id: str, now: datetime) -> BookingView:
    """Raises NotFound; the audit row names the patient."""
    row = bookings.get(session, booking_id)
    (seat,) = seats_of(session, [row], States(session, now))
    entry = AuditEntry(
        action=Action.READ, subtype="booking", entity=f"Appointment/{row.id}", patient_id=row.patient_id
    )
    audit.record(session, actor, entry)
    user = accounts.get_users(session).get(row.created_by)
    return BookingView(
        seat=seat, chairs=tuple(bookings.chairs(session)), booked_by=user.name if user else None
    )


def list_bookings(session: Session, actor: Actor, view: View, now: datetime) -> Page[Seat]:
    """Open ones ahead unless another state is asked for; `from` and `to` are days of the clinic."""
    filters = dict(view.filters)
    calendar = clinic_calendar(session)
    for name, moment, days in (("from", "since", 0), ("to", "until", 1)):
        if (day := day_asked(view.wants(name))) is not None:
            filters[moment] = calendar.at(day + timedelta(days=days), time(0)).isoformat()
    page = listed_bookings.listed(session, replace(view, filters=filters), now)
    seats = seats_of(session, page.rows, States(session, now))
    shown = (seat.booking.patient_id for seat in seats)
    note_shown(session, actor, view.noted("all-bookings"), shown, list="bookings")
    return page.of(seats)
