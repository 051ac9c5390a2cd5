"""Mail that came back: each counts once, and is counted by what became of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from referral.storage.db import Session
from referral.storage.tables import returned_mail


def add(session: Session, digest: str, outcome: str, now: datetime) -> bool:
    """False where this mail was taken before. Whoever comes second waits for the first to commit."""
    values = {"digest": digest, "outcome": outcome, "received_at": now}
    made = session.connection.execute(
        insert(returned_mail).values(values).on_conflict_do_nothing().returning(returned_mail.c.digest)
    )
    return made.first() is not None


def counts(session: Session, since: datetime) -> dict[str, int]:
    """How many of each outcome since then."""
    rows = session.connection.execute(
        select(returned_mail.c.outcome, func.count())
        .where(returned_mail.c.received_at >= since)
        .group_by(returned_mail.c.outcome)
    )
    return {outcome: int(count) for outcome, count in rows}


def forget(session: Session, before: datetime) -> None:
    """Their files were moved long ago and are not taken again."""
    session.connection.execute(delete(returned_mail).where(returned_mail.c.received_at < before))
