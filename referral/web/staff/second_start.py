"""A second infusion on the same day: after Back, the button of the first looks as if nothing had happened."""

from __future__ import annotations

from collections.abc import Iterable

from referral.domain.errors import InvalidInput, Issue
from referral.storage import orders
from referral.storage.orders import TreatmentStart
from referral.web.dependencies import Visitor
from referral.web.staff.clock import Clock
from referral.web.staff.frame import clock_of
from referral.web.staff.steps import Typed

FIELD = "another"


def started_today(starts: Iterable[TreatmentStart], clock: Clock) -> str:
    """'An infusion was started today at 10:00 AM.', or nothing where none was, by the clinic's calendar."""
    # The time of a start is the database's, which may be ahead of this process.
    latest = max((s.started_at for s in starts if clock.local(s.started_at) >= clock.today), default=None)
    return f"An infusion was started today at {clock.hour(latest).text}." if latest else ""


def is_known(visitor: Visitor, order_id: str, start_id: str, typed: Typed) -> bool:
    """Whether this start is there already, as after a second click.

    Raises InvalidInput where another one of the same day is, and nobody has said that a second is meant.
    The order stays locked, so that two who press at once do not both see none.
    """
    orders.get(visitor.session, order_id, lock=True)
    starts = orders.starts(visitor.session, order_id)
    if any(start.id == start_id for start in starts):
        return True
    said = started_today(starts, clock_of(visitor))
    if said and not typed.get(FIELD):
        raise InvalidInput(Issue(f"{said} Tick this if a second one is meant.", (FIELD,), "required"))
    return False
