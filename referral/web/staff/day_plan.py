"""One day of every chair as a table of times, and as a list for narrow screens."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from referral.domain.booking import HOLDS_CHAIR
from referral.services.find_bookings import DayPlan, Seat
from referral.web.staff import present, story
from referral.web.staff.booking_models import Cell, Day, DayRow, TimeRow
from referral.web.staff.booking_view import booking_row
from referral.web.staff.clock import Clock

_STEP: Final = timedelta(hours=1)
_NO_CHAIR: Final = "No chair"


def day_of(plan: DayPlan, clock: Clock, order_id: str = "", path: str = "/bookings") -> Day:
    """With an `order_id`, free places of the future can be chosen for that order."""
    rows = {seat.booking.id: _row(seat, clock) for seat in plan.seats}
    columns: list[tuple[str | None, str]] = [(chair.id, chair.name) for chair in plan.chairs]
    if any(seat.booking.chair_id is None for seat in plan.seats):
        columns.append((None, _NO_CHAIR))
    marks = _marks(plan)
    by_column = [
        list(_column([s for s in plan.seats if s.booking.chair_id == id], marks, rows)) for id, _ in columns
    ]
    times = []
    for place, mark in enumerate(marks[:-1]):
        cells = []
        for (id, name), column in zip(columns, by_column, strict=True):
            cell = column[place]
            if cell is not None:
                cells.append(_choosable(cell, mark, id, name, clock, order_id))
        times.append(TimeRow(clock.hour(mark), tuple(cells)))
    return Day(
        title=clock.day(plan.day),
        value=plan.day.isoformat(),
        zone=clock.zone_name(plan.opens),
        columns=tuple(name for _, name in columns),
        times=tuple(times) if columns else (),
        rows=tuple(rows[seat.booking.id] for seat in plan.seats),
        previous_href=_href(path, plan.day - timedelta(days=1), order_id),
        next_href=_href(path, plan.day + timedelta(days=1), order_id),
        note="" if plan.is_business_day else "The clinic is closed on this day: a weekend or a holiday.",
    )


def _href(path: str, day: date, order_id: str) -> str:
    query = {"day": day.isoformat(), **({"order": order_id} if order_id else {})}
    return f"{path}?{urlencode(query)}"


def _row(seat: Seat, clock: Clock) -> DayRow:
    return DayRow(
        row=booking_row(seat, clock, title=present.named(seat.state.patient)),
        indication=present.indications(seat.state.order),
        gate=present.gate_badge(seat.state),
        reason=story.reason(seat.state, clock),
    )


def _holding(seats: Iterable[Seat]) -> list[Seat]:
    """Who did not come keeps no place in the table."""
    return [seat for seat in seats if seat.booking.status in HOLDS_CHAIR]


def _marks(plan: DayPlan) -> list[datetime]:
    """Every hour from opening to closing, further where bookings are, and where each begins and ends."""
    held = _holding(plan.seats)
    edges = {edge for seat in held for edge in (seat.booking.starts_at, seat.booking.ends_at)}
    marks = {plan.opens, plan.closes, *edges}
    hour = plan.opens
    while hour < plan.closes:
        marks.add(hour)
        hour += _STEP
    return sorted(marks)


def _column(seats: list[Seat], marks: list[datetime], rows: dict[str, DayRow]) -> Iterable[Cell | None]:
    """A cell where one begins, None where one from above covers the place."""
    held = _holding(seats)
    for place, mark in enumerate(marks[:-1]):
        here = next((s.booking for s in held if s.booking.starts_at <= mark < s.booking.ends_at), None)
        if here is None:
            yield Cell()
        elif here.starts_at == mark or place == 0:
            height = sum(mark <= other < here.ends_at for other in marks[:-1])
            yield Cell(rows=max(1, height), booking=rows[here.id])
        else:
            yield None


def _choosable(
    cell: Cell, mark: datetime, chair_id: str | None, chair: str, clock: Clock, order_id: str
) -> Cell:
    if cell.booking is not None or not order_id or chair_id is None or mark <= clock.now:
        return cell
    local = mark.astimezone(clock.zone)
    query = {
        "order": order_id,
        "day": local.date().isoformat(),
        "at": local.strftime("%H:%M"),
        "chair": chair_id,
    }
    return Cell(href=f"/bookings/new?{urlencode(query)}#form", label=f"{chair}, {clock.hour(mark).text}")
