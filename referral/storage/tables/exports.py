"""Exports of many resources: what was asked for, how far it is, and the bytes."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Uuid,
)

from referral.storage.tables.columns import (
    clinic_column,
    column_of,
    count_column,
    flag_column,
    metadata,
    text_column,
    texts_column,
    time_column,
)

bulk_export = Table(
    "bulk_export",
    metadata,
    clinic_column(),
    column_of("id", Uuid(as_uuid=False)),
    text_column("client_id"),
    texts_column("scopes"),
    text_column("request"),
    texts_column("types"),
    flag_column("only_patients"),
    texts_column("patients"),
    texts_column("elements"),
    time_column("since", nullable=True),
    text_column("address", nullable=True),
    text_column("request_id", nullable=True),
    text_column("state", default="queued"),
    count_column("attempts"),
    count_column("crashes"),
    count_column("resources"),
    count_column("polls"),
    time_column("lease_until", nullable=True),
    time_column("created_at"),
    time_column("transaction_time", nullable=True),
    time_column("expires_at"),
    text_column("error", nullable=True),
    PrimaryKeyConstraint("clinic_id", "id"),
    ForeignKeyConstraint(["clinic_id", "client_id"], ["api_client.clinic_id", "api_client.id"]),
    CheckConstraint("state IN ('queued', 'running', 'completed', 'failed')", name="state"),
    Index(None, "clinic_id", "client_id"),
    Index(None, "clinic_id", "state", "created_at"),
)


def _to_export() -> ForeignKeyConstraint:
    """What belongs to an export goes with it."""
    return ForeignKeyConstraint(
        ["clinic_id", "export_id"], ["bulk_export.clinic_id", "bulk_export.id"], ondelete="CASCADE"
    )


bulk_export_part = Table(
    "bulk_export_part",
    metadata,
    clinic_column(),
    column_of("export_id", Uuid(as_uuid=False)),
    column_of("attempt", Integer),
    column_of("file", Integer),
    column_of("part", Integer),
    text_column("type"),
    column_of("resources", Integer),
    column_of("size", Integer),
    column_of("sealed_content", LargeBinary),
    PrimaryKeyConstraint("clinic_id", "export_id", "attempt", "file", "part"),
    _to_export(),
)

bulk_export_patient = Table(
    "bulk_export_patient",
    metadata,
    clinic_column(),
    column_of("export_id", Uuid(as_uuid=False)),
    column_of("attempt", Integer),
    text_column("patient_id"),
    column_of("resources", Integer),
    PrimaryKeyConstraint("clinic_id", "export_id", "attempt", "patient_id"),
    _to_export(),
)
