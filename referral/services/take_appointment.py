"""Appointments of a client: one that books an infusion order's chair is a booking, and follows the gate.

Others, consultations among them, go the way of everything that might say that treatment has begun
(take_treatment).
"""

from __future__ import annotations

from typing import Any, Final

from referral.domain.booking import OPEN, Booking, BookingStatus
from referral.domain.errors import TransitionRefused
from referral.domain.records import Order
from referral.fhir.appointment import locations_in, reason_in, times_in
from referral.fhir.treatment import is_consultation
from referral.services import doors, publish_booking
from referral.services.book_chair import NewBooking, Slot, book_chair, move_booking
from referral.services.client_write import ClientWrite, refuse
from referral.services.end_booking import end_booking
from referral.services.follow_gate import set_booking
from referral.services.take_treatment import take_treatment
from referral.storage import bookings, resources

_BOOKS: Final = (BookingStatus.PENDING, BookingStatus.BOOKED)
_ENDS: Final = (BookingStatus.CANCELLED, BookingStatus.NO_SHOW, BookingStatus.ENTERED_IN_ERROR)


def take_appointment(write: ClientWrite) -> None:
    """Book, move, confirm or end what a client asks for, and lay the result over what it sent."""
    known = bookings.find_by_id(write.session, write.id)
    if known is not None:
        _change(write, bookings.get(write.session, write.id, lock=True))
        return
    order = _order_to_book(write)
    if order is None:
        take_treatment(write)
        return
    doors.require_same_patient(write.document, order)
    new = NewBooking(order_id=order.id, slot=_slot(write), id=write.id, document=write.document)
    book_chair(write.session, write.actor, new, write.now)


def _order_to_book(write: ClientWrite) -> Order | None:
    """The infusion order whose chair is asked for; None where this is no booking of one."""
    if write.document.get("status") not in _BOOKS or is_consultation(write.document):
        return None
    return doors.order_behind(write.session, write.document)


def _slot(write: ClientWrite) -> Slot:
    """`booked` says that it has to be confirmed at once; a Location that is no chair of ours is not ours."""
    times = times_in(write.document)
    if times is None:
        refuse("Say when it starts and ends.", "Appointment.start", code="required")
    known = {chair.id for chair in bookings.chairs(write.session)}
    named = [id for id in locations_in(write.document) if id in known]
    confirmed = write.document.get("status") == BookingStatus.BOOKED
    return Slot(
        starts_at=times[0], ends_at=times[1], chair_id=named[0] if named else None, confirmed=confirmed
    )


def _change(write: ClientWrite, row: Booking) -> None:
    order = doors.order_behind(write.session, write.document)
    if order is None or order.id != row.order_id:
        text = "A booking stays with its infusion order; cancel it and make a new one."
        raise TransitionRefused(text, "Appointment.basedOn")
    doors.require_same_patient(write.document, order)
    wanted = _wanted(write)
    if row.status in _BOOKS and wanted in OPEN:
        row = _move(write, row)
    if wanted is not row.status:
        row = _step(write, row, order, wanted)
    _lay_over(write, row)


def _wanted(write: ClientWrite) -> BookingStatus:
    text = str(write.document.get("status"))
    try:
        return BookingStatus(text)
    except ValueError:
        raise TransitionRefused(
            f"A booking that was made cannot become {text}; cancel it instead.", "Appointment.status"
        ) from None


def _move(write: ClientWrite, row: Booking) -> Booking:
    slot = _slot(write)
    same_chair = slot.chair_id in (None, row.chair_id)
    if same_chair and (slot.starts_at, slot.ends_at) == (row.starts_at, row.ends_at):
        return row
    return move_booking(write.session, write.actor, row.id, None, slot, write.now)


def _step(write: ClientWrite, row: Booking, order: Order, wanted: BookingStatus) -> Booking:
    if wanted is BookingStatus.PENDING and row.status is BookingStatus.BOOKED:
        return row  # the gate says whether a booking is tentative, not the client
    if wanted in _ENDS:
        reason = reason_in(write.document)
        if wanted is BookingStatus.CANCELLED and not reason:
            reason = "clinic-cancelled"
        return end_booking(write.session, write.actor, row.id, None, wanted, reason, write.now)
    if wanted is not BookingStatus.PENDING:
        doors.require_open(write.session, write.document, order, write.now)
    return set_booking(write.session, write.actor, row, wanted, write.now, status=wanted)


def _lay_over(write: ClientWrite, row: Booking) -> None:
    """What the client sent with our elements as they stand; where nothing differs, nothing is written."""
    newest = resources.read(write.session, "Appointment", row.id)
    merged = publish_booking.laid_over(write.session, row, write.document)
    if _bare(merged) != _bare(newest.document):
        ClientWrite(write.session, write.actor, merged, write.now, newest).store()


def _bare(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "meta"}
