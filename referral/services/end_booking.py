"""Ends a booking before treatment: cancelled with a reason, missed by the patient, or entered in error."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from referral.domain.audit import Actor
from referral.domain.booking import ORDER_ENDED, RELEASED, Booking, BookingStatus
from referral.domain.errors import InvalidInput, Issue, TransitionRefused
from referral.services.book_chair import note_release, require_version
from referral.services.follow_gate import set_booking
from referral.storage import bookings
from referral.storage.db import Session

_LONGEST: Final = 200
_WORD: Final = {
    BookingStatus.CANCELLED: "cancelled",
    BookingStatus.NO_SHOW: "missed",
    BookingStatus.ENTERED_IN_ERROR: "withdrawn",
}


def end_booking(
    session: Session,
    actor: Actor,
    booking_id: str,
    version: int | None,
    status: BookingStatus,
    reason: str,
    now: datetime,
) -> Booking:
    """`reason` is a code of REASONS or words, and is needed to cancel; the chair is free from now on.

    Nobody has missed what has not begun. Ending once more in the same way changes nothing.
    """
    row = bookings.get(session, booking_id, lock=True)
    if row.status is status:
        return row
    require_version(row, version)
    words = " ".join(reason.split())[:_LONGEST]
    if status is BookingStatus.CANCELLED and not words:
        raise InvalidInput(Issue("Say why it is cancelled.", ("Appointment.cancelationReason",), "required"))
    if words in (RELEASED, ORDER_ENDED):
        text = "This reason is given by the clock and by the order; choose another one."
        raise InvalidInput(Issue(text, ("Appointment.cancelationReason",), "value"))
    if status is BookingStatus.NO_SHOW and row.starts_at > now:
        raise TransitionRefused(
            "This time has not come yet; cancel the booking instead.", "Appointment.status"
        )
    return set_booking(session, actor, row, _WORD[status], now, status=status, reason=words or None)


def take_note(session: Session, actor: Actor, booking_id: str, now: datetime) -> Booking:
    """A person has seen that the booking was released; it leaves the Today board."""
    row = bookings.get(session, booking_id, lock=True)
    note_release(session, actor, row, now)
    return row
