"""Chairs, times and bookings for tests; local times are Denver's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from referral.domain.booking import Booking, BookingStatus, Chair
from referral.domain.policy import ICD_10_CM, Indication
from referral.domain.records import Order
from referral.services.book_chair import NewBooking, Slot, book_chair
from referral.services.end_booking import end_booking
from referral.services.keep_chairs import add_chair
from referral.services.refresh_gate import refresh_gate
from referral.services.release_bookings import release_bookings
from referral.services.treat import record_consultation
from referral.storage import bookings, orders, resources
from referral.storage.db import Session
from tests.database import NOW, ClinicFixture
from tests.services import people

DENVER = ZoneInfo("America/Denver")


def local(month: int, day: int, hour: int, minute: int = 0, year: int = 2026) -> datetime:
    """UTC of a time on the clinic's wall."""
    return datetime(year, month, day, hour, minute, tzinfo=DENVER).astimezone(UTC)


# Two weeks after NOW: a Tuesday. Tentative bookings of it are held until the Friday before, 17:00.
START = local(11, 17, 9)
RELEASE = local(11, 13, 17)


def slot(starts_at: datetime = START, hours: float = 2, chair: Chair | None = None) -> Slot:
    return Slot(
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=hours),
        chair_id=chair.id if chair else None,
    )


def chair(clinic: ClinicFixture, name: str = "Chair 1") -> Chair:
    with clinic.transaction() as session:
        return add_chair(session, clinic.actor, name, NOW)


def open_order(clinic: ClinicFixture) -> Order:
    """Chronic pain after the consultation: the gate is open."""
    with clinic.transaction() as session:
        placed = people.order(session, clinic, people.patient(session, clinic), people.PAIN)
        record_consultation(session, clinic.actor, placed.id, NOW - timedelta(days=1), NOW)
        return placed


def closed_order(clinic: ClinicFixture) -> Order:
    """Chronic pain before the consultation: recording it opens the gate."""
    with clinic.transaction() as session:
        return people.order(session, clinic, people.patient(session, clinic), people.PAIN)


def open_up(clinic: ClinicFixture, order: Order, now: datetime = NOW) -> None:
    with clinic.transaction() as session:
        record_consultation(session, clinic.actor, order.id, now - timedelta(days=1), now)


def book(clinic: ClinicFixture, order: Order, to: Slot | None = None, now: datetime = NOW) -> Booking:
    with clinic.transaction() as session:
        return book_chair(session, clinic.actor, NewBooking(order_id=order.id, slot=to or slot()), now)


def stored(clinic: ClinicFixture, booking: Booking) -> Booking:
    with clinic.transaction() as session:
        return bookings.get(session, booking.id)


def sweep(clinic: ClinicFixture, now: datetime) -> int:
    with clinic.transaction() as session:
        return release_bookings(session, now)


def published(clinic: ClinicFixture, booking: Booking) -> dict[str, object]:
    with clinic.transaction() as session:
        return resources.read(session, "Appointment", booking.id).document


def add_indication(clinic: ClinicFixture, order_id: str, now: datetime) -> None:
    with clinic.transaction() as session:
        orders.get(session, order_id, lock=True)
        orders.add_indications(session, order_id, [Indication(ICD_10_CM, "R52", "Pain, unspecified")], 1)
        refresh_gate(session, clinic.actor, order_id, now)


def end(
    session: Session,
    clinic: ClinicFixture,
    made: Booking,
    status: BookingStatus,
    reason: str,
    now: datetime = NOW,
) -> Booking:
    return end_booking(session, clinic.actor, made.id, None, status, reason, now)
