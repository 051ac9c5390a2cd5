"""What has happened in a course, told once to everybody who has to follow it.

Each function is called in the transaction that recorded the event, after its rows, by the one service that
records it, whoever did it and by whichever door. A correction is no event. To refuse, raise: then nothing
of it has happened.
"""

from __future__ import annotations

from datetime import datetime

from referral.domain.audit import Actor
from referral.domain.course import Decided, Ended, SideEffect, TreatmentSession
from referral.domain.records import Order
from referral.storage.db import Session


def decided(session: Session, actor: Actor, order: Order, decision: Decided, now: datetime) -> None:
    """The clinic has decided whether the patient is a candidate."""


def session_done(session: Session, actor: Actor, order: Order, done: TreatmentSession, now: datetime) -> None:
    """A session was finished or aborted; `done` says which."""


def serious_event(session: Session, actor: Actor, order: Order, event: SideEffect, now: datetime) -> None:
    """A serious adverse event was recorded. `event.noticed_at` is when it was noticed, not recorded."""


def ended(session: Session, actor: Actor, order: Order, end: Ended, now: datetime) -> None:
    """The course was completed, or stopped early."""
