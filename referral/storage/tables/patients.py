"""What is the patient's own: links to their page, and what they have agreed to."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    Uuid,
)

from referral.storage.tables.columns import (
    clinic_column,
    column_of,
    count_column,
    metadata,
    text_column,
    time_column,
)


def _to_patient() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["clinic_id", "patient_id"], ["patient.clinic_id", "patient.id"])


patient_link = Table(
    "patient_link",
    metadata,
    clinic_column(),
    text_column("selector"),
    text_column("patient_id"),
    column_of("message_id", Uuid),
    column_of("secret_digest", LargeBinary),
    time_column("created_at"),
    time_column("expires_at"),
    time_column("revoked_at", nullable=True),
    text_column("revoked_for", nullable=True),
    count_column("attempts"),
    time_column("paused_until", nullable=True),
    time_column("frozen_at", nullable=True),
    PrimaryKeyConstraint("clinic_id", "selector"),
    UniqueConstraint("selector"),
    _to_patient(),
    ForeignKeyConstraint(["clinic_id", "message_id"], ["message.clinic_id", "message.id"]),
    Index(None, "clinic_id", "patient_id"),
)

patient_visit = Table(
    "patient_visit",
    metadata,
    clinic_column(),
    column_of("token_digest", LargeBinary),
    text_column("selector"),
    text_column("csrf_token"),
    time_column("created_at"),
    time_column("seen_at"),
    time_column("identified_at", nullable=True),
    time_column("ended_at", nullable=True),
    PrimaryKeyConstraint("token_digest"),
    ForeignKeyConstraint(["clinic_id", "selector"], ["patient_link.clinic_id", "patient_link.selector"]),
    Index(None, "clinic_id", "selector"),
)

consent_decision = Table(
    "consent_decision",
    metadata,
    clinic_column(),
    Column("id", BigInteger, Identity(always=True), nullable=False),
    text_column("consent_id"),
    text_column("patient_id"),
    text_column("scope"),
    text_column("decision"),
    text_column("made_by"),
    time_column("at"),
    PrimaryKeyConstraint("clinic_id", "id"),
    _to_patient(),
    CheckConstraint("scope IN ('treatment-disclosure', 'patient-messages')", name="scope"),
    CheckConstraint("decision IN ('granted', 'withdrawn', 'undone')", name="decision"),
    Index("ix_consent_decision_clinic_id_patient_id", "clinic_id", "patient_id", "id"),
)
