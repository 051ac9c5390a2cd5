"""Projections for people: written with the resource they come from."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Date,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)

from referral.storage.tables.columns import (
    clinic_column,
    column_of,
    flag_column,
    metadata,
    text_column,
    texts_column,
    time_column,
    to_clinic,
)

patient = Table(
    "patient",
    metadata,
    clinic_column(),
    text_column("id"),
    text_column("family"),
    text_column("given"),
    column_of("birth_date", Date, nullable=True),
    text_column("telephone", nullable=True),
    text_column("email", nullable=True),
    text_column("language", nullable=True),
    text_column("search_name"),
    flag_column("active", "true"),
    PrimaryKeyConstraint("clinic_id", "id"),
    to_clinic(),
    Index(
        "ix_patient_search_name",
        "clinic_id",
        "search_name",
        postgresql_ops={"search_name": "text_pattern_ops"},
    ),
)

clinician = Table(
    "clinician",
    metadata,
    clinic_column(),
    text_column("id"),
    text_column("practitioner_id", nullable=True),
    text_column("organization_id", nullable=True),
    text_column("name"),
    text_column("credentials", default=""),
    text_column("npi", nullable=True),
    text_column("taxonomy", nullable=True),
    text_column("kind"),
    text_column("practice", default=""),
    texts_column("address"),
    text_column("time_zone"),
    text_column("search_name"),
    flag_column("active", "true"),
    PrimaryKeyConstraint("clinic_id", "id"),
    to_clinic(),
    Index(None, "clinic_id", "practitioner_id"),
    Index(None, "clinic_id", "organization_id"),
    Index(None, "clinic_id", "npi"),
    Index(
        "ix_clinician_search_name",
        "clinic_id",
        "search_name",
        postgresql_ops={"search_name": "text_pattern_ops"},
    ),
)

contact = Table(
    "contact",
    metadata,
    clinic_column(),
    text_column("id"),
    text_column("clinician_id"),
    text_column("channel"),
    text_column("address"),
    text_column("source"),
    time_column("verified_at", nullable=True),
    text_column("verified_by", nullable=True),
    time_column("last_success_at", nullable=True),
    time_column("last_failure_at", nullable=True),
    flag_column("active", "true"),
    PrimaryKeyConstraint("clinic_id", "id"),
    UniqueConstraint("clinic_id", "clinician_id", "id"),
    UniqueConstraint("clinic_id", "clinician_id", "channel", "address"),
    ForeignKeyConstraint(["clinic_id", "clinician_id"], ["clinician.clinic_id", "clinician.id"]),
    CheckConstraint("channel IN ('email', 'fax', 'sms', 'post', 'phone')", name="channel"),
)
