"""What providers tell about messages, and when they are asked."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, PrimaryKeyConstraint, Table, Uuid, text

from referral.storage.tables.columns import (
    clinic_column,
    column_of,
    count_column,
    metadata,
    text_column,
    time_column,
)


def _to_message() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["clinic_id", "message_id"], ["message.clinic_id", "message.id"])


provider_event = Table(
    "provider_event",
    metadata,
    clinic_column(),
    text_column("provider"),
    text_column("event_id"),
    column_of("message_id", Uuid, nullable=True),
    text_column("fate"),
    text_column("reason", nullable=True),
    time_column("at"),
    time_column("received_at"),
    column_of("call_id", Uuid, nullable=True),
    PrimaryKeyConstraint("clinic_id", "provider", "event_id"),
    _to_message(),
    ForeignKeyConstraint(["clinic_id", "call_id"], ["safety_call.clinic_id", "safety_call.id"]),
    CheckConstraint("fate IN ('delivered', 'failed')", name="fate"),
    # About a message, or about one to whoever is on call.
    CheckConstraint("num_nonnulls(message_id, call_id) = 1", name="about"),
    Index(None, "clinic_id", "message_id"),
    Index("ix_provider_event_call", "clinic_id", "call_id", postgresql_where=text("call_id IS NOT NULL")),
)

provider_poll = Table(
    "provider_poll",
    metadata,
    clinic_column(),
    column_of("message_id", Uuid),
    count_column("asked"),
    time_column("next_at"),
    PrimaryKeyConstraint("clinic_id", "message_id"),
    _to_message(),
)
