"""Chairs, and who sits in them when. The exclusion constraints need the extension btree_gist."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    column,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint

from referral.storage.tables.columns import (
    clinic_column,
    count_column,
    flag_column,
    metadata,
    text_column,
    time_column,
    to_clinic,
    to_order,
)

_HOLDING: Final = text("status IN ('pending', 'booked', 'arrived', 'checked-in', 'fulfilled')")
_TIME: Final = func.tstzrange(column("starts_at"), column("ends_at"))

chair = Table(
    "chair",
    metadata,
    clinic_column(),
    text_column("id"),
    text_column("name"),
    flag_column("active", "true"),
    time_column("created_at"),
    PrimaryKeyConstraint("clinic_id", "id"),
    UniqueConstraint("clinic_id", "name"),
    to_clinic(),
)

booking = Table(
    "booking",
    metadata,
    clinic_column(),
    text_column("id"),
    text_column("patient_id"),
    text_column("order_id"),
    text_column("chair_id", nullable=True),
    time_column("starts_at"),
    time_column("ends_at"),
    text_column("status"),
    time_column("release_at", nullable=True),
    text_column("reason", nullable=True),
    time_column("noted_at", nullable=True),
    text_column("created_by"),
    time_column("created_at"),
    time_column("changed_at"),
    count_column("version", 1),
    PrimaryKeyConstraint("clinic_id", "id"),
    to_order(),
    ForeignKeyConstraint(["clinic_id", "chair_id"], ["chair.clinic_id", "chair.id"]),
    CheckConstraint(
        "status IN ('pending', 'booked', 'arrived', 'checked-in', 'fulfilled', 'cancelled', 'noshow', "
        "'entered-in-error')",
        name="status",
    ),
    CheckConstraint("starts_at < ends_at AND ends_at <= starts_at + interval '12 hours'", name="times"),
    CheckConstraint("(status = 'pending') = (release_at IS NOT NULL)", name="release"),
    ExcludeConstraint(
        ("clinic_id", "="), ("chair_id", "="), (_TIME, "&&"), where=_HOLDING, name="ex_booking_chair"
    ),
    ExcludeConstraint(
        ("clinic_id", "="), ("patient_id", "="), (_TIME, "&&"), where=_HOLDING, name="ex_booking_patient"
    ),
    Index(None, "clinic_id", "starts_at", "id"),
    Index(None, "clinic_id", "order_id"),
    Index("ix_booking_release", "clinic_id", "release_at", postgresql_where=text("release_at IS NOT NULL")),
    Index(
        "ix_booking_unnoted",
        "clinic_id",
        "changed_at",
        postgresql_where=text("reason = 'released' AND noted_at IS NULL"),
    ),
)
