"""Books an infusion chair for an order, and moves a booking; confirmed or tentative as the gate says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from referral.domain.audit import Action, Actor
from referral.domain.booking import Booking, BookingStatus, check_times, release_time
from referral.domain.errors import (
    GateClosed,
    InvalidInput,
    Issue,
    SlotTaken,
    StaleVersion,
    TransitionRefused,
)
from referral.services import publish_booking
from referral.services.calendars import clinic_calendar
from referral.services.follow_gate import record_booking, set_booking
from referral.services.refresh_gate import decision_of
from referral.storage import bookings, orders, resources
from referral.storage.db import Session

_MOVABLE: Final = (BookingStatus.PENDING, BookingStatus.BOOKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A chair and a time, UTC. `chair_id` None takes the first chair that is free, or the one it has.

    `confirmed` refuses what could only be tentative.
    """

    starts_at: datetime
    ends_at: datetime
    chair_id: str | None = None
    confirmed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBooking:
    """`id` names the booking: a second click is the same one. `document` is a client's Appointment."""

    order_id: str
    slot: Slot
    id: str | None = None
    document: dict[str, Any] = field(default_factory=dict)


def book_chair(session: Session, actor: Actor, new: NewBooking, now: datetime) -> Booking:
    """Booked where the gate is open, else pending until two business days before.

    Raises SlotTaken for a chair or patient that is booked at that time, GateClosed where it had to be
    confirmed, TransitionRefused for an order that has ended and for a tentative booking that would have to be
    released at once. With an `id` that exists it returns what exists.
    """
    order = orders.get(session, new.order_id, lock=True)
    known = bookings.find_by_id(session, new.id) if new.id else None
    if known is not None:
        return known
    check_times(new.slot.starts_at, new.slot.ends_at, now)
    _require_usable(order.status)
    bookings.hold_plan(session)
    status, release_at = _standing(session, order.id, new.slot, now)
    row = Booking(
        id=new.id or resources.new_id(),
        patient_id=order.patient_id,
        order_id=order.id,
        chair_id=_chair(session, new.slot),
        starts_at=new.slot.starts_at,
        ends_at=new.slot.ends_at,
        status=status,
        release_at=release_at,
        reason=None,
        noted_at=None,
        created_by=actor.id,
        created_at=now,
        changed_at=now,
        version=1,
    )
    bookings.add(session, row)
    publish_booking.booking(session, row, new.document, now)
    record_booking(session, actor, row, "made", Action.CREATE)
    _note_releases(session, actor, order.id, now)
    return row


def move_booking(
    session: Session, actor: Actor, booking_id: str, version: int | None, to: Slot, now: datetime
) -> Booking:
    """To another time or chair, under the same rules as a new booking; `version` is what a page showed."""
    row = bookings.get(session, booking_id, lock=True)
    require_version(row, version)
    if row.status not in _MOVABLE:
        raise TransitionRefused(
            "This booking cannot be moved any more; make a new one.", "Appointment.status"
        )
    check_times(to.starts_at, to.ends_at, now)
    _require_usable(orders.get(session, row.order_id).status)
    bookings.hold_plan(session)
    status, release_at = _standing(session, row.order_id, to, now)
    if to.chair_id is None:
        to = replace(to, chair_id=row.chair_id)
    chair_id = to.chair_id if to.chair_id == row.chair_id else _chair(session, to)
    values = {"starts_at": to.starts_at, "ends_at": to.ends_at, "chair_id": chair_id}
    return set_booking(session, actor, row, "moved", now, status=status, release_at=release_at, **values)


def require_version(row: Booking, version: int | None) -> None:
    """StaleVersion where the booking has changed since a page showed `version`; None was shown by none."""
    if version is not None and row.version != version:
        text = "This booking has changed since the page was opened."
        raise StaleVersion(text)


def _require_usable(status: str) -> None:
    if status not in orders.USABLE:
        text = "The infusion order has ended; a chair is booked for an order in use."
        raise TransitionRefused(text, "Appointment.basedOn")


def _standing(
    session: Session, order_id: str, slot: Slot, now: datetime
) -> tuple[BookingStatus, datetime | None]:
    """Booked, or pending and until when."""
    decision = decision_of(session, orders.facts(session, order_id), now)
    if decision.settled:
        return BookingStatus.BOOKED, None
    if slot.confirmed:
        reasons = decision.reasons or (decision.remark,)
        what = "This cannot be booked yet (send it as pending, and it confirms itself)"
        raise GateClosed(reasons, "Appointment.status", order_id=order_id, what=what)
    release_at = release_time(clinic_calendar(session), slot.starts_at)
    if release_at <= now:
        text = (
            "The gate is closed, and this is less than two business days ahead: a tentative booking would be "
            "released at once. Choose a later day, or book when the gate is open."
        )
        raise TransitionRefused(text, "Appointment.start")
    return BookingStatus.PENDING, release_at


def _chair(session: Session, slot: Slot) -> str | None:
    """The chair that was asked for, or the first free one; None where the clinic keeps no chairs."""
    usable = [chair.id for chair in bookings.chairs(session) if chair.active]
    if slot.chair_id is not None:
        if slot.chair_id not in usable:
            text = "This chair is not in use; choose another one."
            raise InvalidInput(Issue(text, ("Appointment.participant",), "value"))
        return slot.chair_id
    if not usable:
        return None
    taken = bookings.taken_chairs(session, slot.starts_at, slot.ends_at)
    free = [id for id in usable if id not in taken]
    if not free:
        raise SlotTaken("Every chair is taken at that time; choose another time.", "Appointment.start")
    return free[0]


def _note_releases(session: Session, actor: Actor, order_id: str, now: datetime) -> None:
    """Whoever books again has taken note of what was released."""
    for row in bookings.of_order(session, order_id, [BookingStatus.CANCELLED], lock=True):
        if row.was_released and row.noted_at is None:
            note_release(session, actor, row, now)


def note_release(session: Session, actor: Actor, row: Booking, now: datetime) -> None:
    """Takes a release off the Today board; nothing of it is published. A second time does nothing."""
    if row.was_released and row.noted_at is None:
        changed = bookings.change(session, row, now, noted_at=now)
        record_booking(session, actor, changed, "noted", Action.UPDATE)
