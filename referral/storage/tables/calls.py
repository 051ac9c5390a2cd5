"""Calls that people of the clinic make, with what came of them."""

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

call_task = Table(
    "call_task",
    metadata,
    clinic_column(),
    column_of("id", Uuid(as_uuid=False)),
    text_column("why"),
    text_column("referral_id", nullable=True),
    text_column("contact_id", nullable=True),
    text_column("state", default="open"),
    time_column("due_at"),
    count_column("tries"),
    text_column("outcome", nullable=True),
    time_column("created_at"),
    text_column("done_by", nullable=True),
    time_column("done_at", nullable=True),
    count_column("version", 1),
    PrimaryKeyConstraint("clinic_id", "id"),
    ForeignKeyConstraint(["clinic_id", "referral_id"], ["referral.clinic_id", "referral.id"]),
    ForeignKeyConstraint(["clinic_id", "contact_id"], ["contact.clinic_id", "contact.id"]),
    CheckConstraint("state IN ('open', 'done', 'cancelled')", name="state"),
    CheckConstraint("referral_id IS NOT NULL OR contact_id IS NOT NULL", name="about"),
    CheckConstraint("(state = 'open') = (done_at IS NULL)", name="done"),
    Index("ix_call_task_due", "clinic_id", "due_at", postgresql_where=text("state = 'open'")),
    Index(None, "clinic_id", "referral_id"),
    # Asked for twice, called once.
    Index(
        "uq_call_task_once",
        "clinic_id",
        "why",
        "referral_id",
        "contact_id",
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=text("state = 'open'"),
    ),
)
