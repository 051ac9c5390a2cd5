"""What is typed to book or move a chair: a day and a time on the clinic's wall, a length, a chair."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from referral.domain.booking import Booking, Chair
from referral.domain.errors import InvalidInput, Issue
from referral.services.book_chair import Slot
from referral.web.staff.booking_models import BookingFields
from referral.web.staff.clock import Clock
from referral.web.staff.models import Choice

# Minutes; an infusion of forty to sixty and the hours of observation after it.
_LENGTHS: Final = {
    "60": "1 hour",
    "90": "1½ hours",
    "120": "2 hours",
    "150": "2½ hours",
    "180": "3 hours",
    "240": "4 hours",
}
_USUAL: Final = "120"
# Where a refusal of the service is shown.
FIELD_OF: Final = {
    "Appointment.start": "booked_at",
    "Appointment.end": "minutes",
    "Appointment.participant": "chair",
    "Appointment.cancelationReason": "reason",
}


def slot_of(typed: Mapping[str, str], zone: ZoneInfo) -> Slot:
    """Raises InvalidInput with an issue per field; the first hour of a doubled one is meant."""
    issues = []
    day, clock = day_of(typed.get("booked_on", "")), _time(typed.get("booked_at", ""))
    minutes = typed.get("minutes", "")
    if day is None:
        issues.append(Issue("On which day?", ("booked_on",), "required"))
    if clock is None:
        issues.append(Issue("At what time? For example 9:30 AM.", ("booked_at",), "required"))
    if not (minutes.isdecimal() and len(minutes) < 5):
        issues.append(Issue("How long is it?", ("minutes",), "required"))
    if issues or day is None or clock is None:
        raise InvalidInput(*issues)
    wall = datetime.combine(day, clock, zone)
    start = wall.astimezone(UTC)
    if start.astimezone(zone).replace(tzinfo=None) != wall.replace(tzinfo=None):
        text = "The clocks change over this time on that day; choose another one."
        raise InvalidInput(Issue(text, ("booked_at",), "value"))
    return Slot(
        starts_at=start,
        ends_at=start + timedelta(minutes=int(minutes)),
        chair_id=typed.get("chair") or None,
    )


def day_of(text: str) -> date | None:
    """A day as browsers send it; None for anything else, and for years that no calendar reaches."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 2000 <= day.year < 2200 else None


def _time(text: str) -> time | None:
    try:
        return time.fromisoformat(text).replace(second=0, microsecond=0, tzinfo=None)
    except ValueError:
        return None


def typed_of(row: Booking, clock: Clock) -> dict[str, str]:
    """A booking as its form shows it."""
    local = row.starts_at.astimezone(clock.zone)
    minutes = (row.ends_at - row.starts_at) // timedelta(minutes=1)
    return {
        "booked_on": local.date().isoformat(),
        "booked_at": local.strftime("%H:%M"),
        "minutes": str(minutes),
        "chair": row.chair_id or "",
    }


def fields(
    chairs: tuple[Chair, ...], clock: Clock, *, minutes: str = _USUAL, keep: str | None = None
) -> BookingFields:
    """`minutes` is offered even where it is none of the usual lengths, `keep` even out of use."""
    lengths = dict(_LENGTHS)
    lengths.setdefault(minutes, f"{minutes} minutes")
    return BookingFields(
        lengths=tuple(Choice(value, label) for value, label in sorted(lengths.items(), key=_number)),
        chairs=tuple(Choice(chair.id, chair.name) for chair in chairs if chair.active or chair.id == keep),
        first_day=clock.today.isoformat(),
    )


def _number(item: tuple[str, str]) -> int:
    return int(item[0]) if item[0].isdecimal() else 0


def first_typed(query: Mapping[str, str], chairs: tuple[Chair, ...]) -> dict[str, str]:
    """What a link from the day's table has chosen, as far as it can be used."""
    day = day_of(query.get("day", ""))
    clock = _time(query.get("at", ""))
    known = {chair.id for chair in chairs if chair.active}
    return {
        "booked_on": day.isoformat() if day else "",
        "booked_at": clock.strftime("%H:%M") if clock else "",
        "minutes": _USUAL,
        "chair": query.get("chair", "") if query.get("chair", "") in known else "",
    }
