"""Faxes that come in."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    text,
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
    to_clinic,
)

_WAITING: Final = "state IN ('announced', 'received', 'unreadable', 'unmatched', 'matched', 'differs')"

incoming_fax = Table(
    "incoming_fax",
    metadata,
    clinic_column(),
    text_column("id"),
    count_column("version", 1),
    text_column("source"),
    text_column("provider_reference", nullable=True),
    time_column("received_at"),
    text_column("from_number", nullable=True),
    column_of("sha256", LargeBinary, nullable=True),
    count_column("pages"),
    text_column("document_id", nullable=True),
    text_column("state", default="received"),
    text_column("problem", nullable=True),
    count_column("attempts"),
    time_column("not_before"),
    texts_column("suggested"),
    text_column("referral_id", nullable=True),
    text_column("record_id", nullable=True),
    text_column("matched_by", nullable=True),
    time_column("matched_at", nullable=True),
    flag_column("is_late"),
    text_column("reason", nullable=True),
    text_column("handled_by", nullable=True),
    time_column("handled_at", nullable=True),
    text_column("meant_for", nullable=True),
    PrimaryKeyConstraint("clinic_id", "id"),
    to_clinic(),
    ForeignKeyConstraint(["clinic_id", "document_id"], ["document.clinic_id", "document.id"]),
    ForeignKeyConstraint(["clinic_id", "referral_id"], ["referral.clinic_id", "referral.id"]),
    ForeignKeyConstraint(["clinic_id", "meant_for"], ["referral.clinic_id", "referral.id"]),
    CheckConstraint("source IN ('webhook', 'folder', 'upload', 'portal')", name="source"),
    CheckConstraint("(meant_for IS NOT NULL) = (source IN ('upload', 'portal'))", name="meant"),
    CheckConstraint(
        "state IN ('announced', 'received', 'unreadable', 'unmatched', 'matched', 'differs', 'transcribed',"
        " 'filed', 'dismissed')",
        name="state",
    ),
    CheckConstraint(
        "(referral_id IS NOT NULL) = (state IN ('matched', 'differs', 'transcribed', 'filed'))",
        name="placed",
    ),
    Index(
        "uq_incoming_fax_reference",
        "clinic_id",
        "source",
        "provider_reference",
        unique=True,
        postgresql_where=text("provider_reference IS NOT NULL"),
    ),
    Index(
        "uq_incoming_fax_bytes",
        "clinic_id",
        "source",
        "sha256",
        "meant_for",
        unique=True,
        postgresql_where=text("sha256 IS NOT NULL"),
        postgresql_nulls_not_distinct=True,
    ),
    Index(None, "clinic_id", "received_at"),
    Index(None, "clinic_id", "referral_id"),
    Index("ix_incoming_fax_waiting", "clinic_id", "state", "received_at", postgresql_where=text(_WAITING)),
)
