"""Letters that people print and mail: batches, and what is in them."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    Uuid,
    text,
)

from referral.storage.tables.columns import (
    clinic_column,
    column_of,
    metadata,
    text_column,
    time_column,
    to_clinic,
)

print_batch = Table(
    "print_batch",
    metadata,
    clinic_column(),
    column_of("id", Uuid(as_uuid=False)),
    column_of("number", Integer),
    text_column("created_by"),
    time_column("created_at"),
    time_column("printed_at", nullable=True),
    time_column("closed_at", nullable=True),
    PrimaryKeyConstraint("clinic_id", "id"),
    UniqueConstraint("clinic_id", "number"),
    to_clinic(),
)

print_item = Table(
    "print_item",
    metadata,
    clinic_column(),
    column_of("batch_id", Uuid(as_uuid=False)),
    column_of("message_id", Uuid),
    column_of("place", Integer),
    text_column("document_id"),
    column_of("sha256", LargeBinary),
    column_of("pages", Integer),
    text_column("postal_code"),
    text_column("fate", default="waiting"),
    text_column("decided_by", nullable=True),
    time_column("decided_at", nullable=True),
    PrimaryKeyConstraint("clinic_id", "batch_id", "message_id"),
    UniqueConstraint("clinic_id", "batch_id", "place"),
    ForeignKeyConstraint(["clinic_id", "batch_id"], ["print_batch.clinic_id", "print_batch.id"]),
    ForeignKeyConstraint(["clinic_id", "message_id"], ["message.clinic_id", "message.id"]),
    CheckConstraint("fate IN ('waiting', 'mailed', 'put-back', 'taken-out')", name="fate"),
    CheckConstraint("(fate = 'waiting') = (decided_at IS NULL)", name="decided"),
    # A letter is in one batch at a time, and is mailed once.
    Index(
        "uq_print_item_once",
        "clinic_id",
        "message_id",
        unique=True,
        postgresql_where=text("fate IN ('waiting', 'mailed')"),
    ),
)
