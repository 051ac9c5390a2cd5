"""The resource store: every FHIR resource with all its versions, as the client sent it."""

from __future__ import annotations

from sqlalchemy import Index, Integer, Numeric, PrimaryKeyConstraint, Table, text

from referral.storage.tables.columns import (
    clinic_column,
    column_of,
    json_column,
    metadata,
    text_column,
    time_column,
)

resource = Table(
    "resource",
    metadata,
    clinic_column(),
    text_column("type"),
    text_column("id"),
    column_of("version", Integer),
    json_column("body"),
    time_column("last_updated"),
    text_column("patient_id", nullable=True),
    text_column("method", nullable=True),
    PrimaryKeyConstraint("clinic_id", "type", "id"),
    Index(None, "clinic_id", "type", "last_updated", "id"),
)

resource_history = Table(
    "resource_history",
    metadata,
    clinic_column(),
    text_column("type"),
    text_column("id"),
    column_of("version", Integer),
    json_column("body"),
    time_column("last_updated"),
    text_column("method", nullable=True),
    PrimaryKeyConstraint("clinic_id", "type", "id", "version"),
    Index(None, "clinic_id", "type", "last_updated", "id"),
)

search_entry = Table(
    "search_entry",
    metadata,
    clinic_column(),
    text_column("type"),
    text_column("id"),
    text_column("parameter"),
    text_column("system", nullable=True),
    text_column("value", nullable=True),
    time_column("low", nullable=True),
    time_column("high", nullable=True),
    column_of("number", Numeric, nullable=True),
    Index("ix_search_entry_owner", "clinic_id", "type", "id", "parameter"),
    Index(
        "ix_search_entry_value",
        "clinic_id",
        "type",
        "parameter",
        "value",
        "id",
        postgresql_ops={"value": "text_pattern_ops"},
        postgresql_where=text("value IS NOT NULL"),
    ),
    Index(
        "ix_search_entry_date",
        "clinic_id",
        "type",
        "parameter",
        "low",
        "high",
        "id",
        postgresql_where=text("low IS NOT NULL"),
    ),
    Index(
        "ix_search_entry_until",
        "clinic_id",
        "type",
        "parameter",
        "high",
        "id",
        postgresql_where=text("high IS NOT NULL"),
    ),
    Index(
        "ix_search_entry_number",
        "clinic_id",
        "type",
        "parameter",
        "number",
        "id",
        postgresql_where=text("number IS NOT NULL"),
    ),
)
