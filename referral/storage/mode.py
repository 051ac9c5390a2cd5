"""Restore mode of the clinics: insert-only rows whose order the database enforces (migration 0008)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, insert, select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.exc import DBAPIError

from referral.domain.errors import TransitionRefused
from referral.storage.db import Session, sql_state
from referral.storage.tables import operating_mode

_OPEN: Final = ("installed", "reopened")
_TABLE: Final = operating_mode


@dataclass(frozen=True, slots=True)
class ModeEvent:
    """`event` is installed, entered, reconciled, approved or reopened; `made_by` a user's id or a program."""

    event: str
    made_by: str
    reason: str
    detail: dict[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class Mode:
    """How the entered clinic stands. `events` are those since restore mode was last entered, oldest first."""

    restoring: bool
    events: tuple[ModeEvent, ...]

    @property
    def entered(self) -> ModeEvent | None:
        """The first reason."""
        return next((event for event in self.events if event.event == "entered"), None)

    @property
    def reconciled(self) -> ModeEvent | None:
        """The newest run of `referral reconcile`, None where the mode was entered again after it."""
        last = next((e for e in reversed(self.events) if e.event in ("entered", "reconciled")), None)
        return last if last is not None and last.event == "reconciled" else None

    @property
    def approved_by(self) -> tuple[str, ...]:
        """Who has approved since then, by id."""
        found: list[str] = []
        for event in self.events:
            found = [] if event.event in ("entered", "reconciled") else [*found, event.made_by]
        return tuple(found)


def current(session: Session) -> Mode:
    """Of the entered clinic; without any row it is restoring, as the gate says too."""
    rows = session.connection.execute(
        select(_TABLE.c.event, _TABLE.c.made_by, _TABLE.c.reason, _TABLE.c.detail, _TABLE.c.at)
        .where(
            _TABLE.c.clinic_id == session.clinic,
            _TABLE.c.id
            > select(func.coalesce(func.max(_TABLE.c.id), 0))
            .where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.event.in_(_OPEN))
            .scalar_subquery(),
        )
        .order_by(_TABLE.c.id)
    )
    events = tuple(ModeEvent(*row) for row in rows)
    return Mode(is_restoring(session), events)


def is_restoring(session: Session) -> bool:
    """Whether the entered clinic is closed; as the gate sees it."""
    return bool(session.connection.scalar(text("SELECT is_restoring()")))


_NEWEST: Final = (
    select(_TABLE.c.clinic_id, _TABLE.c.event)
    .order_by(_TABLE.c.clinic_id, _TABLE.c.id.desc())
    .ext(distinct_on(_TABLE.c.clinic_id))
    .subquery()
)
# Made once: it is asked for every page of the portal.
_RESTORING: Final = select(_NEWEST.c.clinic_id).where(_NEWEST.c.event.not_in(_OPEN))


def restoring(session: Session) -> frozenset[str]:
    """The ids of the clinics that are; needs no clinic to have been entered."""
    return frozenset(str(id) for id in session.connection.scalars(_RESTORING))


def is_elsewhere(session: Session) -> bool:
    """Whether this is not the database that the clinic was installed or last reopened in."""
    known = session.connection.scalar(
        select(_TABLE.c.detail["place"].astext)
        .where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.event.in_(_OPEN))
        .order_by(_TABLE.c.id.desc())
        .limit(1)
    )
    return known is not None and known != session.connection.scalar(text("SELECT database_place()"))


def add(session: Session, event: str, made_by: str, reason: str = "", **detail: Any) -> None:
    """Raises TransitionRefused where the database does not let this event follow."""
    row = {"clinic_id": session.clinic, "event": event, "made_by": made_by, "reason": reason}
    try:
        with session.connection.begin_nested():
            session.connection.execute(insert(_TABLE).inline(), row | {"detail": detail})
    except DBAPIError as error:
        if sql_state(error) != "RG003":
            raise
        text_of = getattr(getattr(error.orig, "diag", None), "message_primary", None) or "not now"
        raise TransitionRefused(f"This is not possible: {text_of}.", "operating-mode") from error
