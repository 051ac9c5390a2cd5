"""What the frame of every staff page tells, read in one statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select

from referral.storage.calls import COUNT_DUE
from referral.storage.db import Session
from referral.storage.faxes import COUNT_INBOX
from referral.storage.print_batches import COUNT_WAITING
from referral.storage.safety_tasks import COUNT_SIGNS


@dataclass(frozen=True, slots=True)
class Waiting:
    """Faxes without a request, calls that are due, letters to print, signs of self-harm.

    `answers` are letters, too, with narrative: for who may read answers. `restoring` as the gate sees it.
    """

    restoring: bool
    faxes: int
    calls: int
    letters: int
    answers: int = 0
    signs: int = 0


_WAITING: Final = select(
    func.is_restoring(),
    COUNT_INBOX.scalar_subquery(),
    COUNT_DUE.scalar_subquery(),
    COUNT_WAITING[False].scalar_subquery(),
    COUNT_WAITING[True].scalar_subquery(),
    COUNT_SIGNS.scalar_subquery(),
)


def read(session: Session, now: datetime) -> Waiting:
    """Of the entered clinic."""
    given = {"clinic": session.clinic, "now": now}
    return Waiting(*session.connection.execute(_WAITING, given).one())
