"""The Today board: the next infusions, what waits for a person, whom to call. A look leaves audit rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from referral.domain.audit import Actor
from referral.services.attention import Attention
from referral.services.calendars import clinic_calendar
from referral.services.find_attention import find_attention
from referral.services.find_bookings import Seat, seats_of
from referral.services.find_calls import Call, find_calls
from referral.services.find_orders import OrderState, States, Watched
from referral.services.find_overrides import Emergency, emergencies
from referral.services.find_scales import Sign, signs_waiting
from referral.services.note_shown import note_shown
from referral.storage import bookings, orders, outbox, referrals, waiting
from referral.storage.db import Session
from referral.storage.waiting import Waiting

_CHAIRS: Final = 15
# Counting ends here; the board says "or more".
COUNTED: Final = 10_000
# More orders in use than this, and the board shows those with the nearest infusions.
_WATCHED: Final = 300


@dataclass(frozen=True, slots=True)
class Coming:
    """A booking of a chair, or an order that has none yet (`seat` None)."""

    state: OrderState
    seat: Seat | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    infusions: tuple[Coming, ...]
    attention: tuple[Attention, ...]
    calls: tuple[Call, ...]
    requests_open: int
    blocked: int
    ready: int
    messages_waiting: int
    waiting: Waiting
    emergencies: tuple[Emergency, ...] = ()
    signs: tuple[Sign, ...] = ()


def find_today(session: Session, actor: Actor, today: date, now: datetime) -> Today:
    """`today` is the clinic's date. Booked chairs and planned infusions from today on, nearest first, then
    orders without a date.

    The oldest trouble comes first.
    """
    states = States(session, now)
    watched = states.watch(orders.find(session, limit=_WATCHED))
    seats = seats_of(session, bookings.coming(session, now, _CHAIRS), states)
    calls = find_calls(session, states)
    calling = {call.followed.referral.id for call in calls}
    board = Today(
        infusions=_coming(session, states, watched, seats, today),
        attention=tuple(find_attention(session, states, watched, calling, now)),
        calls=tuple(call for call in calls if call.task.due_at <= now),
        waiting=waiting.read(session, now),
        requests_open=referrals.count_open(session, at_most=COUNTED),
        blocked=sum(not one.decision.open for one in watched),
        ready=sum(one.decision.open for one in watched),
        messages_waiting=outbox.count_on_their_way(session),
        emergencies=tuple(emergencies(session, actor, states, now)),
        signs=tuple(signs_waiting(session)),
    )
    _note(session, actor, board)
    return board


def _note(session: Session, actor: Actor, board: Today) -> None:
    shown: Iterable[OrderState] = (
        about.state
        for part in (board.infusions, board.attention, board.calls, board.emergencies)
        for about in part
    )
    about = [state.order.patient_id for state in shown] + [sign.patient.id for sign in board.signs]
    note_shown(session, actor, "today", about)


def _coming(
    session: Session, states: States, watched: list[Watched], seats: list[Seat], today: date
) -> tuple[Coming, ...]:
    """The next ones, nearest first; an order with an open booking is shown by its bookings alone."""
    calendar = clinic_calendar(session)
    booked = {seat.state.order.id for seat in seats}
    found: list[tuple[tuple[bool, date, datetime], str, Seat | None]] = [
        (
            (False, calendar.local_date(seat.booking.starts_at), seat.booking.starts_at),
            seat.booking.order_id,
            seat,
        )
        for seat in seats
    ]
    for order in (one.order for one in watched if one.order.id not in booked):
        day = order.first_infusion_on
        if day is None or day >= today:
            found.append(((day is None, day or date.max, _LAST), order.id, None))
    # Of one day, booked chairs come first; orders without a date keep their own order.
    nearest = sorted(found, key=lambda item: item[0])[:_CHAIRS]
    about = states.find(order_id for _, order_id, _ in nearest)
    return tuple(Coming(about[order_id], seat) for _, order_id, seat in nearest)


_LAST: Final = datetime.max.replace(tzinfo=UTC)
