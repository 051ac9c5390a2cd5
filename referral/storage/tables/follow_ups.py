"""Who sees the patient next and when, as clinicians have promised, and what became of it."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Date, ForeignKeyConstraint, Index, PrimaryKeyConstraint, Table, text

from referral.storage.tables.columns import (
    clinic_column,
    column_of,
    metadata,
    text_column,
    time_column,
    to_order,
)

follow_up = Table(
    "follow_up",
    metadata,
    clinic_column(),
    text_column("id"),
    text_column("recommendation_id"),
    text_column("referral_id"),
    text_column("patient_id"),
    text_column("order_id"),
    text_column("clinician_id"),
    text_column("within"),
    text_column("adjuster", nullable=True),
    time_column("promised_at"),
    column_of("due_on", Date, nullable=True),
    column_of("moved_to", Date, nullable=True),
    time_column("reminded_at", nullable=True),
    time_column("asked_at", nullable=True),
    text_column("outcome", nullable=True),
    column_of("outcome_on", Date, nullable=True),
    time_column("settled_at", nullable=True),
    text_column("settled_by", nullable=True),
    PrimaryKeyConstraint("clinic_id", "id"),
    to_order(),
    ForeignKeyConstraint(
        ["clinic_id", "patient_id", "referral_id"],
        ["referral.clinic_id", "referral.patient_id", "referral.id"],
    ),
    ForeignKeyConstraint(["clinic_id", "clinician_id"], ["clinician.clinic_id", "clinician.id"]),
    CheckConstraint("within IN ('2-weeks', '4-weeks', '3-months')", name="within"),
    CheckConstraint("outcome IN ('seen', 'lost', 'not-ours', 'superseded')", name="outcome"),
    CheckConstraint("num_nulls(outcome, settled_at, settled_by) IN (0, 3)", name="settled"),
    CheckConstraint("(outcome_on IS NOT NULL) = (outcome IS NOT DISTINCT FROM 'seen')", name="seen_on"),
    # One promise for a request: a renewal repeats it, an amended answer replaces it.
    Index(
        "uq_follow_up_referral",
        "clinic_id",
        "referral_id",
        unique=True,
        postgresql_where=text("outcome IS DISTINCT FROM 'superseded'"),
    ),
    Index("ix_follow_up_order", "clinic_id", "order_id"),
    Index("ix_follow_up_open", "clinic_id", "due_on", postgresql_where=text("settled_at IS NULL")),
)
