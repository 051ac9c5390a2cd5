"""Lets the bookings of an order follow its gate: tentative while it is closed, confirmed while it is open."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.booking import (
    OPEN,
    ORDER_ENDED,
    RELEASED,
    Booking,
    BookingStatus,
    hold_until,
    require_step,
)
from referral.services import publish_booking
from referral.services.calendars import clinic_calendar
from referral.storage import audit, bookings
from referral.storage.db import Session


def set_booking(
    session: Session, actor: Actor, before: Booking, what: str, now: datetime, **values: Any
) -> Booking:
    """Write the row, its Appointment and the audit row `booking-<what>`; refuses a step that is not allowed.

    The caller holds the booking.
    """
    after = values.get("status", before.status)
    if after is not before.status:
        require_step(before.status, after)
    if after is not BookingStatus.PENDING:
        values["release_at"] = None
    changed = bookings.change(session, before, now, **values)
    publish_booking.booking_changed(session, changed, now)
    record_booking(session, actor, changed, what, Action.UPDATE)
    return changed


def record_booking(session: Session, actor: Actor, row: Booking, what: str, action: Action) -> None:
    """The audit row of one step; the day and the chair are in the Appointment's versions."""
    entry = AuditEntry(
        action=action,
        subtype=f"booking-{what}",
        entity=f"Appointment/{row.id}",
        patient_id=row.patient_id,
        detail={"status": row.status, "order": row.order_id},
    )
    audit.record(session, actor, entry)


def follow_gate(session: Session, actor: Actor, order_id: str, now: datetime, *, is_open: bool) -> None:
    """Confirm what is tentative, or make tentative what lies ahead. The caller holds order or gate.

    `is_open` is `settled` of the gate's decision: an override opens it for one infusion now.
    """
    if is_open:
        for row in bookings.of_order(session, order_id, [BookingStatus.PENDING], lock=True):
            set_booking(session, actor, row, "confirmed", now, status=BookingStatus.BOOKED)
        return
    for row in bookings.of_order(session, order_id, [BookingStatus.BOOKED], lock=True):
        if row.starts_at > now:
            until = hold_until(clinic_calendar(session), row.starts_at, now)
            status = BookingStatus.PENDING
            set_booking(session, actor, row, "tentative", now, status=status, release_at=until)


def release_overdue(session: Session, actor: Actor, order_id: str, now: datetime) -> int:
    """Cancel the tentative bookings of this order whose time is up; returns how many.

    They stay on the Today board until a person has taken note.
    """
    released = 0
    for row in bookings.of_order(session, order_id, [BookingStatus.PENDING], lock=True):
        if row.release_at is not None and row.release_at <= now:
            status = BookingStatus.CANCELLED
            set_booking(session, actor, row, "released", now, status=status, reason=RELEASED)
            released += 1
    return released


def cancel_bookings(session: Session, actor: Actor, order_id: str, now: datetime) -> None:
    """The order has ended: nothing of it needs a chair any more. Its patient may be on the chair already."""
    for row in bookings.of_order(session, order_id, [BookingStatus.PENDING, BookingStatus.BOOKED], lock=True):
        if row.starts_at > now:
            status = BookingStatus.CANCELLED
            set_booking(session, actor, row, "cancelled", now, status=status, reason=ORDER_ENDED)


def fulfil_booking(session: Session, actor: Actor, order_id: str, now: datetime) -> None:
    """Treatment has started: the order's booking of this local day, the nearest if several, is kept.

    None that day: a start needs no booking. The caller holds the gate.
    """
    calendar = clinic_calendar(session)
    found = [
        row
        for row in bookings.of_order(session, order_id, OPEN, lock=True)
        if calendar.local_date(row.starts_at) == calendar.local_date(now)
    ]
    if found:
        nearest = min(found, key=lambda row: abs(row.starts_at - now) // timedelta(microseconds=1))
        set_booking(session, actor, nearest, "fulfilled", now, status=BookingStatus.FULFILLED)
