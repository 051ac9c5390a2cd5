"""Closed days, and the requests whose plan has to follow them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Identity,
    Index,
    PrimaryKeyConstraint,
    Table,
    text,
)

from referral.storage.tables.columns import (
    clinic_column,
    column_of,
    count_column,
    metadata,
    text_column,
    time_column,
    to_clinic,
)

closure = Table(
    "closure",
    metadata,
    clinic_column(),
    text_column("id"),
    text_column("clinician_id", nullable=True),
    column_of("first_on", Date),
    column_of("last_on", Date),
    text_column("words", default=""),
    text_column("created_by"),
    time_column("created_at"),
    PrimaryKeyConstraint("clinic_id", "id"),
    to_clinic(),
    ForeignKeyConstraint(["clinic_id", "clinician_id"], ["clinician.clinic_id", "clinician.id"]),
    CheckConstraint("last_on >= first_on AND last_on - first_on <= 180", name="days"),
    Index(None, "clinic_id", "clinician_id"),
)

replanning = Table(
    "replanning",
    metadata,
    clinic_column(),
    Column("id", BigInteger, Identity(always=True), nullable=False),
    text_column("clinician_id", nullable=True),
    text_column("reached_order", default=""),
    text_column("reached_clinician", default=""),
    count_column("moved"),
    time_column("created_at"),
    time_column("finished_at", nullable=True),
    PrimaryKeyConstraint("clinic_id", "id"),
    to_clinic(),
    ForeignKeyConstraint(["clinic_id", "clinician_id"], ["clinician.clinic_id", "clinician.id"]),
    Index("ix_replanning_unfinished", "clinic_id", "id", postgresql_where=text("finished_at IS NULL")),
)
