"""Answers that came after the first, as the page of the request shows them."""

from __future__ import annotations

from typing import Final

from referral.domain.late_answer import CameBy, LateAnswer
from referral.web.staff import present
from referral.web.staff.clock import Clock
from referral.web.staff.models import Badge
from referral.web.staff.request_models import LateRow

_BY: Final = {
    CameBy.LINK: "by the link",
    CameBy.CODE: "by the typed code",
    CameBy.FAX: "by fax, written down by staff",
    CameBy.CALL: "by telephone, written down by staff",
    CameBy.UPLOAD: "as a letter, written down by staff",
    CameBy.SYSTEM: "from the clinician\u2019s system",
}


def late_row(late: LateAnswer, clock: Clock) -> LateRow:
    """What differs waits for the medical director; what says the same needs nobody."""
    badge = Badge("open", "Says the same")
    if late.differs:
        badge = Badge("closed", "Says something else", "warning")
    if late.settled_at is not None:
        badge = Badge("neutral", "Read; the first stands")
    return LateRow(
        id=late.id,
        badge=badge,
        decision=present.DECISION[late.decision].text,
        words=f"Came {_BY[late.came_by]}.",
        when=clock.moment(late.received_at),
        waits=late.waits,
    )
