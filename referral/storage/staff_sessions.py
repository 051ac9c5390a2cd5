"""The sessions of one member of staff: listed, locked, unlocked, ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from referral.domain.credential import digest
from referral.storage.accounts import SESSIONS, change_session
from referral.storage.db import Session
from referral.storage.tables import staff_session


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One that has not ended; whether it is too old is for the caller to say."""

    token_digest: bytes
    device: str
    created_at: datetime
    seen_at: datetime
    idle_seconds: int
    locked_at: datetime | None


def of_user(session: Session, user_id: str, since: datetime) -> Sequence[OpenSession]:
    """Those that were begun after `since` and have come all the way in, the last used first."""
    fields = ("token_digest", "device", "created_at", "seen_at", "idle_seconds", "locked_at")
    rows = session.connection.execute(
        select(*(staff_session.c[name] for name in fields))
        .where(
            staff_session.c.clinic_id == session.clinic,
            staff_session.c.user_id == user_id,
            staff_session.c.stage == "in",
            staff_session.c.ended_at.is_(None),
            staff_session.c.created_at > since,
        )
        .order_by(staff_session.c.seen_at.desc(), staff_session.c.token_digest)
    )
    return [OpenSession(*row) for row in rows]


def end_of_user(
    session: Session, user_id: str, now: datetime, *, only: bytes | None = None, but: bytes | None = None
) -> int:
    """End all sessions of somebody, or one of them, or all but one; how many had not ended before.

    Those whose second step is missing end with the others.
    """
    own = update(staff_session).where(
        staff_session.c.clinic_id == session.clinic,
        staff_session.c.user_id == user_id,
        staff_session.c.ended_at.is_(None),
    )
    if only is not None:
        own = own.where(staff_session.c.token_digest == only)
    if but is not None:
        own = own.where(staff_session.c.token_digest != but)
    session.late.changed.add(SESSIONS)
    return session.connection.execute(own.values(ended_at=now)).rowcount


def lock(session: Session, token_digest: bytes, now: datetime) -> None:
    """A second call only moves the time."""
    session.late.changed.add(SESSIONS)
    change_session(session, token_digest, locked_at=now)


def unlock(session: Session, token_digest: bytes, new_token: str, now: datetime) -> bool:
    """The same session goes on under another token; False where it was unlocked or ended meanwhile."""
    changed = session.connection.execute(
        update(staff_session)
        .where(
            staff_session.c.clinic_id == session.clinic,
            staff_session.c.token_digest == token_digest,
            staff_session.c.ended_at.is_(None),
        )
        .values(token_digest=digest(new_token), seen_at=now, locked_at=None)
    )
    return changed.rowcount == 1


def change_idle(session: Session, seconds: int) -> None:
    """A rule of the clinic holds for who is signed in already, too."""
    session.connection.execute(
        update(staff_session)
        .where(staff_session.c.clinic_id == session.clinic, staff_session.c.ended_at.is_(None))
        .values(idle_seconds=seconds)
    )
