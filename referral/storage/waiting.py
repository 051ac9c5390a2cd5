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


@dataclass(frozen=True, slots=True)
class Waiting:
    """Faxes without a request, calls that are due, letters to print; `restoring` as the gate sees it."""

    restoring: bool
    faxes: int
    calls: int
    letters: int


_WAITING: Final = select(
    func.is_restoring(),
    COUNT_INBOX.scalar_subquery(),
    COUNT_DUE.scalar_subquery(),
    COUNT_WAITING.scalar_subquery(),
)


def read(session: Session, now: datetime) -> Waiting:
    """Of the entered clinic."""
    given = {"clinic": session.clinic, "now": now}
    return Waiting(*session.connection.execute(_WAITING, given).one())
