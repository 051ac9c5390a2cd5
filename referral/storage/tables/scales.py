"""Filled scales, what was asked to be filled in, and signs of self-harm that wait for a person."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
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
)

_SCALES = "scale IN ('phq-9', 'gad-7', 'pcl-5', 'pain-nrs')"


def _to_patient() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["clinic_id", "patient_id"], ["patient.clinic_id", "patient.id"])


def _to_order() -> ForeignKeyConstraint:
    """Where there is an order, it is this patient's."""
    return ForeignKeyConstraint(
        ["clinic_id", "patient_id", "order_id"],
        ["infusion_order.clinic_id", "infusion_order.patient_id", "infusion_order.id"],
    )


scale_score = Table(
    "scale_score",
    metadata,
    clinic_column(),
    text_column("id"),
    text_column("patient_id"),
    text_column("order_id", nullable=True),
    text_column("scale"),
    column_of("total", Integer, nullable=True),
    count_column("missing"),
    column_of("self_harm", Integer, nullable=True),
    text_column("source"),
    time_column("taken_at"),
    text_column("recorded_by"),
    text_column("observation_id", nullable=True),
    time_column("voided_at", nullable=True),
    PrimaryKeyConstraint("clinic_id", "id"),
    _to_patient(),
    _to_order(),
    CheckConstraint(_SCALES, name="scale"),
    CheckConstraint("source IN ('patient', 'staff', 'system')", name="source"),
    CheckConstraint("total BETWEEN 0 AND 80", name="total"),
    Index(None, "clinic_id", "order_id", "taken_at"),
    # A response and an Observation of its total are one filling.
    Index(
        "uq_scale_score_taken",
        "clinic_id",
        "patient_id",
        "scale",
        "taken_at",
        unique=True,
        postgresql_where=text("voided_at IS NULL"),
    ),
)

scale_request = Table(
    "scale_request",
    metadata,
    clinic_column(),
    text_column("id"),
    text_column("patient_id"),
    text_column("order_id"),
    text_column("scale"),
    time_column("asked_at"),
    text_column("asked_by"),
    time_column("ended_at", nullable=True),
    text_column("score_id", nullable=True),
    PrimaryKeyConstraint("clinic_id", "id"),
    _to_patient(),
    _to_order(),
    ForeignKeyConstraint(["clinic_id", "score_id"], ["scale_score.clinic_id", "scale_score.id"]),
    CheckConstraint(_SCALES, name="scale"),
    # Asking twice for the same is asking once.
    Index(
        "uq_scale_request_open",
        "clinic_id",
        "patient_id",
        "scale",
        unique=True,
        postgresql_where=text("ended_at IS NULL"),
    ),
)

safety_task = Table(
    "safety_task",
    metadata,
    clinic_column(),
    text_column("id"),
    text_column("patient_id"),
    text_column("order_id", nullable=True),
    text_column("source"),
    column_of("answer", Integer, nullable=True),
    time_column("raised_at"),
    time_column("settled_at", nullable=True),
    text_column("settled_by", nullable=True),
    text_column("action", nullable=True),
    text_column("note_id", nullable=True),
    PrimaryKeyConstraint("clinic_id", "id"),
    _to_patient(),
    _to_order(),
    ForeignKeyConstraint(["clinic_id", "note_id"], ["document.clinic_id", "document.id"]),
    CheckConstraint(
        "action IN ('spoke-safe', 'safety-plan', 'emergency', 'care-team', 'mistake', 'examined')",
        name="action",
    ),
    # Nothing is settled without who did what, in words.
    CheckConstraint("num_nulls(settled_at, settled_by, action, note_id) IN (0, 4)", name="settled"),
    # The same source raises it once while somebody is to see to it.
    Index(
        "uq_safety_task_open",
        "clinic_id",
        "source",
        unique=True,
        postgresql_where=text("settled_at IS NULL"),
    ),
    Index(None, "clinic_id", "patient_id"),
    Index("ix_safety_task_waiting", "clinic_id", "raised_at", postgresql_where=text("settled_at IS NULL")),
)
