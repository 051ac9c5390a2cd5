"""What providers have told about messages, also those to whoever is on call: each event is taken once."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert

from referral.storage import tables
from referral.storage.db import Session

_TABLE: Final = tables.provider_event
_ADD: Final = (
    insert(_TABLE)
    .on_conflict_do_nothing(index_elements=["clinic_id", "provider", "event_id"])
    .returning(_TABLE.c.event_id)
)


def add(
    session: Session,
    *,
    provider: str,
    event_id: str,
    about: Mapping[str, uuid.UUID],
    fate: str,
    reason: str | None,
    at: datetime,
    now: datetime,
) -> bool:
    """False where this event has been taken before. `about` is a `message_id`, or the `call_id` of a call."""
    values = {
        "clinic_id": session.clinic,
        "provider": provider,
        "event_id": event_id,
        "message_id": about.get("message_id"),
        "call_id": about.get("call_id"),
        "fate": fate,
        "reason": reason,
        "at": at,
        "received_at": now,
    }
    return session.connection.scalar(_ADD, values) is not None


def count(session: Session, id: uuid.UUID) -> int:
    """How many events about this message, or call, have been kept."""
    about = or_(_TABLE.c.message_id == id, _TABLE.c.call_id == id)
    kept = select(func.count()).where(_TABLE.c.clinic_id == session.clinic, about)
    return int(session.connection.scalar(kept) or 0)


def last_told(session: Session, message_id: uuid.UUID, fate: str) -> datetime | None:
    """When it became `fate`, as its provider says; None where that was not told by one."""
    found: datetime | None = session.connection.scalar(
        select(func.max(_TABLE.c.at)).where(
            _TABLE.c.clinic_id == session.clinic, _TABLE.c.message_id == message_id, _TABLE.c.fate == fate
        )
    )
    return found
