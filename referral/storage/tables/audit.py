"""The record of who did what."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    text,
)

from referral.storage.tables.columns import (
    clinic_column,
    column_of,
    json_column,
    metadata,
    text_column,
)

audit_event = Table(
    "audit_event",
    metadata,
    clinic_column(),
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    text_column("actor_kind"),
    text_column("actor_id"),
    text_column("actor_role", nullable=True),
    text_column("address", nullable=True),
    text_column("request_id", nullable=True),
    text_column("action"),
    text_column("subtype"),
    text_column("entity", nullable=True),
    text_column("patient_id", nullable=True),
    text_column("outcome", default="0"),
    json_column("detail", default="{}"),
    PrimaryKeyConstraint("clinic_id", "id"),
    Index(None, "clinic_id", "patient_id", "at"),
    Index(None, "clinic_id", "entity", "id"),
    Index("ix_audit_event_actor", "clinic_id", "actor_id", "id"),
    Index("ix_audit_event_at", "at", postgresql_using="brin"),
)

audit_chain = Table(
    "audit_chain",
    metadata,
    clinic_column(),
    column_of("position", BigInteger),
    column_of("event_id", BigInteger),
    column_of("hash", LargeBinary),
    PrimaryKeyConstraint("clinic_id", "position"),
    UniqueConstraint("clinic_id", "event_id"),
    ForeignKeyConstraint(["clinic_id", "event_id"], ["audit_event.clinic_id", "audit_event.id"]),
)
