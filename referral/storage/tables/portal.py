"""Links to the portal."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
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
    flag_column,
    metadata,
    text_column,
    time_column,
)

portal_credential = Table(
    "portal_credential",
    metadata,
    clinic_column(),
    text_column("selector"),
    text_column("referral_id"),
    column_of("message_id", Uuid),
    column_of("secret_digest", LargeBinary),
    column_of("code_digest", LargeBinary),
    text_column("channel"),
    flag_column("contact_verified"),
    time_column("created_at"),
    time_column("expires_at"),
    time_column("revoked_at", nullable=True),
    text_column("revoked_for", nullable=True),
    count_column("attempts"),
    time_column("paused_until", nullable=True),
    time_column("frozen_at", nullable=True),
    text_column("purpose", default="answer"),
    PrimaryKeyConstraint("clinic_id", "selector"),
    UniqueConstraint("selector"),
    UniqueConstraint("code_digest"),
    ForeignKeyConstraint(["clinic_id", "referral_id"], ["referral.clinic_id", "referral.id"]),
    Index(None, "clinic_id", "referral_id"),
    CheckConstraint("purpose IN ('answer', 'standing')", name="purpose"),
)

portal_session = Table(
    "portal_session",
    metadata,
    clinic_column(),
    column_of("token_digest", LargeBinary),
    text_column("selector"),
    text_column("csrf_token"),
    text_column("came_by"),
    time_column("created_at"),
    time_column("seen_at"),
    time_column("ended_at", nullable=True),
    column_of("one_time_digest", LargeBinary, nullable=True),
    time_column("one_time_until", nullable=True),
    text_column("one_time_channel", nullable=True),
    time_column("second_factor_at", nullable=True),
    time_column("identified_at", nullable=True),
    text_column("strength", nullable=True),
    column_of("sealed_draft", LargeBinary, nullable=True),
    flag_column("is_assistant"),
    PrimaryKeyConstraint("token_digest"),
    ForeignKeyConstraint(
        ["clinic_id", "selector"], ["portal_credential.clinic_id", "portal_credential.selector"]
    ),
    Index(None, "clinic_id", "selector"),
)

portal_throttle = Table(
    "portal_throttle",
    metadata,
    text_column("source"),
    time_column("window_start"),
    count_column("misses"),
    PrimaryKeyConstraint("source", "window_start"),
)
