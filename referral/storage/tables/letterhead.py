"""How a clinic's letters look, version by version, and what its seals can be looked up by."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
)

from referral.storage.tables.columns import (
    clinic_column,
    column_of,
    json_column,
    metadata,
    text_column,
    time_column,
    to_clinic,
)

letterhead_logo = Table(
    "letterhead_logo",
    metadata,
    clinic_column(),
    text_column("digest"),
    text_column("content_type"),
    column_of("content", LargeBinary),
    column_of("fax", LargeBinary, nullable=True),
    column_of("picture", LargeBinary),
    column_of("width", Integer),
    column_of("height", Integer),
    text_column("created_by"),
    time_column("created_at", now=True),
    PrimaryKeyConstraint("clinic_id", "digest"),
    to_clinic(),
    CheckConstraint("content_type IN ('image/png', 'image/jpeg', 'image/svg+xml')", name="type"),
    CheckConstraint("octet_length(content) <= 524288 AND octet_length(picture) <= 524288", name="size"),
)

letterhead_version = Table(
    "letterhead_version",
    metadata,
    clinic_column(),
    column_of("version", Integer),
    text_column("name"),
    json_column("body"),
    text_column("logo", nullable=True),
    text_column("created_by"),
    time_column("created_at", now=True),
    PrimaryKeyConstraint("clinic_id", "version"),
    to_clinic(),
    ForeignKeyConstraint(["clinic_id", "logo"], ["letterhead_logo.clinic_id", "letterhead_logo.digest"]),
)

sealed_record = Table(
    "sealed_record",
    metadata,
    clinic_column(),
    text_column("reference"),
    text_column("sha256"),
    time_column("sealed_at"),
    PrimaryKeyConstraint("clinic_id", "reference"),
    to_clinic(),
    Index(None, "reference"),
    Index(None, "sha256"),
)
