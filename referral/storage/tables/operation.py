"""Restore mode and the events that must survive a restore (migration 0008, docs/adr/0008)."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    PrimaryKeyConstraint,
    Table,
    Uuid,
    func,
    text,
)

from referral.storage.tables.columns import clinic_column, json_column, metadata, text_column, to_clinic

operating_mode = Table(
    "operating_mode",
    metadata,
    clinic_column(),
    Column("id", BigInteger, Identity(always=True), nullable=False),
    text_column("event"),
    text_column("made_by"),
    text_column("reason", default=""),
    json_column("detail", default="{}"),
    Column("at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    PrimaryKeyConstraint("clinic_id", "id"),
    to_clinic(),
    CheckConstraint("event IN ('installed', 'entered', 'reconciled', 'approved', 'reopened')", name="event"),
)

safety_event = Table(
    "safety_event",
    metadata,
    clinic_column(),
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("event_id", Uuid, nullable=False, server_default=func.gen_random_uuid()),
    text_column("kind"),
    text_column("subject"),
    json_column("detail", default="{}"),
    Column("at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Column("position", BigInteger),
    PrimaryKeyConstraint("clinic_id", "id"),
    Index(
        "uq_safety_event_position",
        "clinic_id",
        "position",
        unique=True,
        postgresql_where=text("position IS NOT NULL"),
    ),
    Index("ix_safety_event_waiting", "clinic_id", "id", postgresql_where=text("position IS NULL")),
)
