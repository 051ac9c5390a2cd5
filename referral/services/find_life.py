"""What became of the answers about one order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from referral.domain.life import Conflict, Remark, Standing, find_conflicts
from referral.storage import standings
from referral.storage.db import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """The answers about one order with everything said about them, and what contradicts them."""

    answers: tuple[Standing, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    kept: dict[tuple[str, str], Remark]


def find_life(session: Session, order_id: str, now: datetime) -> Life:
    """For the page of the order, which records the look."""
    answers = standings.of_orders(session, [order_id])
    kept = standings.kept_pairs(session, [order_id]) if answers else {}
    return Life(answers=tuple(answers), conflicts=find_conflicts(answers, kept, now), kept=kept)
