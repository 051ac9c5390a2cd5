"""Bookings of an infusion chair: what may follow what, and until when a tentative one is held.

Two different questions (product.md, "The rule", 6): may this be treated? is the gate's; may this be booked?
is answered here. While the gate is closed a booking is tentative. It confirms itself when the gate opens, and
is released two business days before the infusion if it does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from referral.domain.calendar import BusinessCalendar
from referral.domain.errors import InvalidInput, Issue, TransitionRefused


class BookingStatus(StrEnum):
    """Appointment.status of FHIR, as far as a booking can have it. `pending` waits for the gate."""

    PENDING = "pending"
    BOOKED = "booked"
    ARRIVED = "arrived"
    CHECKED_IN = "checked-in"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"
    NO_SHOW = "noshow"
    ENTERED_IN_ERROR = "entered-in-error"


# What keeps the chair and the patient from being booked twice; the exclusion constraints say the same.
HOLDS_CHAIR: Final = frozenset(
    {
        BookingStatus.PENDING,
        BookingStatus.BOOKED,
        BookingStatus.ARRIVED,
        BookingStatus.CHECKED_IN,
        BookingStatus.FULFILLED,
    }
)
# What can still be moved, cancelled or missed.
OPEN: Final = HOLDS_CHAIR - {BookingStatus.FULFILLED}

RELEASE_DAYS: Final = 2
LONGEST: Final = timedelta(hours=12)
FURTHEST: Final = timedelta(days=730)

# Why a booking ended; anything else is in the words of whoever ended it.
RELEASED: Final = "released"
ORDER_ENDED: Final = "order-ended"
REASONS: Final = {
    "patient-cancelled": "The patient cannot or does not want to come",
    "clinic-cancelled": "The clinic cannot keep the time",
    "booked-in-error": "Booked in error",
    RELEASED: "Released: the gate did not open in time",
    ORDER_ENDED: "The infusion order has ended",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chair:
    """`id` is its Location. An inactive chair keeps its bookings and takes no new ones."""

    id: str
    name: str
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """`id` is its Appointment; times are UTC. `chair_id` is None where the clinic keeps no chairs.

    `release_at` is set while it is pending. `reason` is a code of REASONS, or words. `noted_at` is when a
    person of the clinic has taken note of a release.
    """

    id: str
    patient_id: str
    order_id: str
    chair_id: str | None
    starts_at: datetime
    ends_at: datetime
    status: BookingStatus
    release_at: datetime | None
    reason: str | None
    noted_at: datetime | None
    created_by: str
    created_at: datetime
    changed_at: datetime
    version: int

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def was_released(self) -> bool:
        return self.status is BookingStatus.CANCELLED and self.reason == RELEASED


# What may happen next. A step that is missing here is refused.
_NEXT: Final = {
    BookingStatus.PENDING: {
        BookingStatus.BOOKED,
        # By an override, which lets one infusion start although nothing has confirmed the booking.
        BookingStatus.ARRIVED,
        BookingStatus.CHECKED_IN,
        BookingStatus.FULFILLED,
        BookingStatus.CANCELLED,
        BookingStatus.NO_SHOW,
        BookingStatus.ENTERED_IN_ERROR,
    },
    BookingStatus.BOOKED: {
        BookingStatus.PENDING,
        BookingStatus.ARRIVED,
        BookingStatus.CHECKED_IN,
        BookingStatus.FULFILLED,
        BookingStatus.CANCELLED,
        BookingStatus.NO_SHOW,
        BookingStatus.ENTERED_IN_ERROR,
    },
    BookingStatus.ARRIVED: {
        BookingStatus.BOOKED,
        BookingStatus.CHECKED_IN,
        BookingStatus.FULFILLED,
        BookingStatus.CANCELLED,
        BookingStatus.NO_SHOW,
        BookingStatus.ENTERED_IN_ERROR,
    },
    BookingStatus.CHECKED_IN: {
        BookingStatus.ARRIVED,
        BookingStatus.FULFILLED,
        BookingStatus.CANCELLED,
        BookingStatus.ENTERED_IN_ERROR,
    },
    BookingStatus.FULFILLED: {BookingStatus.ENTERED_IN_ERROR},
    BookingStatus.CANCELLED: {BookingStatus.ENTERED_IN_ERROR},
    BookingStatus.NO_SHOW: {BookingStatus.ENTERED_IN_ERROR},
    BookingStatus.ENTERED_IN_ERROR: set[BookingStatus](),
}
_SPOKEN: Final = {
    BookingStatus.PENDING: "it waits for the gate",
    BookingStatus.FULFILLED: "treatment has begun",
    BookingStatus.CANCELLED: "it has been cancelled",
    BookingStatus.NO_SHOW: "the patient did not come",
    BookingStatus.ENTERED_IN_ERROR: "it was entered in error",
}


def require_step(before: BookingStatus, after: BookingStatus) -> None:
    """Raises TransitionRefused where a booking cannot go from one state to the other."""
    if after not in _NEXT[before]:
        why = _SPOKEN.get(before, f"it is {before}")
        raise TransitionRefused(
            f"This booking cannot become {after}: {why}. Make a new booking instead.", "Appointment.status"
        )


def check_times(starts_at: datetime, ends_at: datetime, now: datetime) -> None:
    """Raises InvalidInput for a time that has passed, ends before it begins, or is absurdly long or far."""
    if ends_at <= starts_at:
        raise InvalidInput(Issue("The end has to come after the start.", ("Appointment.end",), "value"))
    if ends_at - starts_at > LONGEST:
        raise InvalidInput(Issue("A booking is at most 12 hours long.", ("Appointment.end",), "value"))
    if starts_at <= now:
        text = "This time has passed; choose one that lies ahead."
        raise InvalidInput(Issue(text, ("Appointment.start",), "value"))
    if starts_at - now > FURTHEST:
        text = "This is more than two years ahead; choose an earlier day."
        raise InvalidInput(Issue(text, ("Appointment.start",), "value"))


def release_time(calendar: BusinessCalendar, starts_at: datetime) -> datetime:
    """Close of business two business days before the clinic's local day of the infusion; UTC.

    For a Monday it is Thursday at 17:00, if no holiday lies between.
    """
    return calendar.business_day_before(starts_at, RELEASE_DAYS)


def hold_until(calendar: BusinessCalendar, starts_at: datetime, now: datetime) -> datetime:
    """As `release_time`, for a confirmed booking whose gate closes again.

    Where those two days have begun already, the chair is kept until the next close of business, at most
    until the infusion: what closed the gate may be mended within the day, and the chair would be gone.
    """
    planned = release_time(calendar, starts_at)
    return planned if planned > now else min(calendar.next_closing(now), starts_at)
