"""What clinicians and the clinic say to each other, and answers that come after the first."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Identity,
    Index,
    PrimaryKeyConstraint,
    Table,
    text,
)

from referral.storage.tables.columns import clinic_column, flag_column, metadata, text_column, time_column

conversation_turn = Table(
    "conversation_turn",
    metadata,
    clinic_column(),
    text_column("id"),
    Column("place", BigInteger, Identity(always=True), nullable=False),
    text_column("referral_id"),
    text_column("speaker"),
    text_column("about"),
    text_column("words_id", nullable=True),
    text_column("reach_id", nullable=True),
    flag_column("had_seen"),
    text_column("said_by"),
    time_column("said_at"),
    time_column("settled_at", nullable=True),
    text_column("settled_by", nullable=True),
    PrimaryKeyConstraint("clinic_id", "id"),
    ForeignKeyConstraint(["clinic_id", "referral_id"], ["referral.clinic_id", "referral.id"]),
    ForeignKeyConstraint(["clinic_id", "words_id"], ["document.clinic_id", "document.id"]),
    ForeignKeyConstraint(["clinic_id", "reach_id"], ["document.clinic_id", "document.id"]),
    CheckConstraint("speaker IN ('clinician', 'clinic')", name="speaker"),
    CheckConstraint(
        "about IN ('question', 'reply', 'call', 'colleague', 'left', 'wrong-address')", name="about"
    ),
    CheckConstraint("(settled_at IS NULL) = (settled_by IS NULL)", name="settled"),
    Index(None, "clinic_id", "referral_id", "place"),
    Index(
        "ix_conversation_turn_waiting",
        "clinic_id",
        "place",
        postgresql_where=text("speaker = 'clinician' AND settled_at IS NULL"),
    ),
)

late_answer = Table(
    "late_answer",
    metadata,
    clinic_column(),
    text_column("id"),
    text_column("referral_id"),
    text_column("response_id"),
    text_column("first_id"),
    text_column("decision"),
    flag_column("differs"),
    text_column("came_by"),
    time_column("received_at"),
    text_column("recorded_by"),
    time_column("settled_at", nullable=True),
    text_column("settled_by", nullable=True),
    PrimaryKeyConstraint("clinic_id", "id"),
    ForeignKeyConstraint(["clinic_id", "referral_id"], ["referral.clinic_id", "referral.id"]),
    CheckConstraint("came_by IN ('link', 'code', 'fax', 'call', 'upload', 'system')", name="came_by"),
    CheckConstraint("(settled_at IS NULL) = (settled_by IS NULL)", name="settled"),
    Index(None, "clinic_id", "referral_id"),
    Index(
        "ix_late_answer_waiting",
        "clinic_id",
        "received_at",
        postgresql_where=text("differs AND settled_at IS NULL"),
    ),
)
