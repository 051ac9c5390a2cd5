"""View models of the pages about bookings: a day of every chair, a new booking, one booking."""

from __future__ import annotations

from dataclasses import dataclass

from referral.web.form import Form
from referral.web.staff.models import Badge, Choice, Fact, Gate, Link, When


@dataclass(frozen=True, slots=True)
class BookingRow:
    """One booking in a list. `hold` says until when a tentative one is held, empty for others."""

    when: When
    href: str
    title: str
    chair: str
    badge: Badge
    hold: str = ""
    action: Link | None = None


@dataclass(frozen=True, slots=True)
class DayRow:
    """A booking in the list of a day; `gate` and `reason` are those of its order."""

    row: BookingRow
    indication: str
    gate: Badge
    reason: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of the day's table, `rows` high; a free one may be chosen by `href`."""

    rows: int = 1
    booking: DayRow | None = None
    href: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class TimeRow:
    """`cells` are only those that begin here: a higher one above covers the rest."""

    when: When
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """`columns` are the names of the chairs; `note` says why the clinic is closed, empty where it is not."""

    title: When
    value: str
    zone: str
    columns: tuple[str, ...]
    times: tuple[TimeRow, ...]
    rows: tuple[DayRow, ...]
    previous_href: str
    next_href: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class ChairRow:
    """`step` takes it out of use or puts it back; empty where this person may not."""

    name: str
    href: str
    badge: Badge
    step: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class BookingsPage:
    """`order` keeps the choice of a time for one order through the days; empty otherwise."""

    day: Day
    chairs: tuple[ChairRow, ...]
    form: Form
    may_change: bool
    order: str = ""


@dataclass(frozen=True, slots=True)
class BookingFields:
    """What the form of a new or moved booking offers."""

    lengths: tuple[Choice, ...]
    chairs: tuple[Choice, ...]
    first_day: str


@dataclass(frozen=True, slots=True)
class NewBookingPage:
    """`kept` says what a booking would be now: firm, or tentative and until when it could be."""

    patient: str
    order: Link
    order_id: str
    gate: Gate
    kept: str
    is_firm: bool
    form: Form
    fields: BookingFields
    day: Day


@dataclass(frozen=True, slots=True)
class BookingPage:
    """`actions`: move, cancel, missed, noted. `failed` is the one whose form came back with errors."""

    href: str
    title: str
    patient: Link
    order: Link
    badge: Badge
    hold: str
    gate: Gate
    facts: tuple[Fact, ...]
    form: Form
    fields: BookingFields
    reasons: tuple[Choice, ...]
    actions: tuple[str, ...] = ()
    failed: str = ""


@dataclass(frozen=True, slots=True)
class OrderBookings:
    """The bookings of one order on its page; `book` leads to a new one, empty where none can be made."""

    rows: tuple[BookingRow, ...] = ()
    book: str = ""
