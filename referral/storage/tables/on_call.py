"""Who is on call for safety tasks, and the messages that were sent to them."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    Uuid,
    text,
)

from referral.storage.tables.columns import (
    clinic_column,
    column_of,
    count_column,
    flag_column,
    metadata,
    text_column,
    time_column,
    to_clinic,
)

on_call_contact = Table(
    "on_call_contact",
    metadata,
    clinic_column(),
    text_column("id"),
    column_of("place", Integer),
    text_column("name"),
    text_column("channel"),
    text_column("address"),
    time_column("created_at"),
    time_column("ended_at", nullable=True),
    PrimaryKeyConstraint("clinic_id", "id"),
    to_clinic(),
    CheckConstraint("channel IN ('sms', 'email')", name="channel"),
    Index(
        "uq_on_call_contact_address",
        "clinic_id",
        "channel",
        "address",
        unique=True,
        postgresql_where=text("ended_at IS NULL"),
    ),
)

safety_call = Table(
    "safety_call",
    metadata,
    clinic_column(),
    column_of("id", Uuid),
    text_column("task_id"),
    column_of("step", Integer),
    text_column("contact_id"),
    text_column("state", default="queued"),
    count_column("attempts"),
    count_column("tries"),
    count_column("crashes"),
    flag_column("in_doubt"),
    time_column("not_before"),
    time_column("lease_until", nullable=True),
    time_column("sending_since", nullable=True),
    text_column("envelope_id", nullable=True),
    text_column("provider_reference", nullable=True),
    text_column("last_error", nullable=True),
    flag_column("sent_for_real"),
    time_column("created_at"),
    time_column("finished_at", nullable=True),
    count_column("asked"),
    time_column("ask_at", nullable=True),
    PrimaryKeyConstraint("clinic_id", "id"),
    # A second sweep queues nothing.
    UniqueConstraint("clinic_id", "task_id", "step"),
    ForeignKeyConstraint(["clinic_id", "task_id"], ["safety_task.clinic_id", "safety_task.id"]),
    ForeignKeyConstraint(["clinic_id", "contact_id"], ["on_call_contact.clinic_id", "on_call_contact.id"]),
    ForeignKeyConstraint(["clinic_id", "envelope_id"], ["document.clinic_id", "document.id"]),
    CheckConstraint(
        "state IN ('queued', 'sending', 'accepted', 'delivered', 'failed', 'unknown', 'cancelled', 'dead')",
        name="state",
    ),
    CheckConstraint("(state IN ('queued', 'sending')) = (finished_at IS NULL)", name="finished"),
    CheckConstraint(
        "state NOT IN ('sending', 'accepted', 'delivered') OR envelope_id IS NOT NULL", name="bytes"
    ),
    Index(
        "ix_safety_call_due",
        "clinic_id",
        "not_before",
        postgresql_where=text("state IN ('queued', 'sending')"),
    ),
    Index(
        "ix_safety_call_no_news",
        "clinic_id",
        "finished_at",
        postgresql_where=text("state = 'accepted' AND sent_for_real"),
    ),
)
