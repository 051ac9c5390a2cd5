"""What the medical director said of a recommendation that stands beside another clinician's refusal."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Identity,
    Index,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)

from referral.storage.tables.columns import clinic_column, flag_column, metadata, text_column, time_column

_ANSWER = [
    "recommendation.clinic_id",
    "recommendation.patient_id",
    "recommendation.order_id",
    "recommendation.id",
]

conflict_decision = Table(
    "conflict_decision",
    metadata,
    clinic_column(),
    Column("id", BigInteger, Identity(always=True), nullable=False),
    text_column("patient_id"),
    text_column("order_id"),
    text_column("recommendation_id"),
    text_column("refusal_id"),
    flag_column("kept"),
    text_column("made_by"),
    text_column("reason"),
    time_column("made_at"),
    PrimaryKeyConstraint("clinic_id", "id"),
    # Two people who decide at once: the second is told.
    UniqueConstraint("clinic_id", "recommendation_id", "refusal_id"),
    ForeignKeyConstraint(
        ["clinic_id", "patient_id", "order_id", "recommendation_id"],
        _ANSWER,
        name="fk_conflict_decision_recommendation",
    ),
    ForeignKeyConstraint(
        ["clinic_id", "patient_id", "order_id", "refusal_id"], _ANSWER, name="fk_conflict_decision_refusal"
    ),
    Index(None, "clinic_id", "order_id"),
)
