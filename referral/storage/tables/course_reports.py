"""Reports of a course to whoever recommended it: what is owed, and what became of it."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    Uuid,
    text,
)

from referral.storage.tables.columns import (
    clinic_column,
    column_of,
    count_column,
    metadata,
    text_column,
    time_column,
    to_order,
)

course_report = Table(
    "course_report",
    metadata,
    clinic_column(),
    text_column("id"),
    text_column("patient_id"),
    text_column("order_id"),
    text_column("referral_id"),
    text_column("occasion"),
    text_column("about", default=""),
    column_of("treats", Boolean, nullable=True),
    time_column("happened_at"),
    time_column("queue_at"),
    time_column("due_at"),
    text_column("state"),
    text_column("withheld_for", nullable=True),
    column_of("message_id", Uuid, nullable=True),
    text_column("bundle_id", nullable=True),
    text_column("created_by"),
    time_column("created_at"),
    time_column("told_at", nullable=True),
    text_column("told_by", nullable=True),
    count_column("version", 1),
    text_column("corrects", nullable=True),
    PrimaryKeyConstraint("clinic_id", "id"),
    UniqueConstraint("clinic_id", "referral_id", "occasion", "about", "version"),
    to_order(),
    ForeignKeyConstraint(
        ["clinic_id", "patient_id", "referral_id"],
        ["referral.clinic_id", "referral.patient_id", "referral.id"],
    ),
    ForeignKeyConstraint(["clinic_id", "message_id"], ["message.clinic_id", "message.id"]),
    ForeignKeyConstraint(["clinic_id", "bundle_id"], ["document.clinic_id", "document.id"]),
    ForeignKeyConstraint(["clinic_id", "corrects"], ["course_report.clinic_id", "course_report.id"]),
    CheckConstraint(
        "occasion IN ('decision', 'mid-course', 'end-of-course', 'adverse-event', 'closure')",
        name="occasion",
    ),
    CheckConstraint("(told_at IS NULL) = (told_by IS NULL)", name="told"),
    CheckConstraint("state IN ('planned', 'queued', 'withheld')", name="state"),
    CheckConstraint("(state = 'withheld') = (withheld_for IS NOT NULL)", name="withheld"),
    CheckConstraint(
        "withheld_for IN ('consent', 'not-wanted', 'no-contact', 'in-error')", name="withheld_for"
    ),
    CheckConstraint("version > 0 AND (version > 1 OR corrects IS NULL)", name="version"),
    CheckConstraint("state <> 'queued' OR message_id IS NOT NULL", name="queued"),
    CheckConstraint("(occasion = 'decision') = (treats IS NOT NULL)", name="treats"),
    Index("ix_course_report_planned", "clinic_id", "queue_at", postgresql_where=text("state = 'planned'")),
    Index(
        "ix_course_report_message",
        "clinic_id",
        "message_id",
        postgresql_where=text("message_id IS NOT NULL"),
    ),
    Index(None, "clinic_id", "order_id"),
    Index("ix_course_report_due", "clinic_id", "due_at", postgresql_where=text("state <> 'withheld'")),
    Index(
        "ix_course_report_no_contact",
        "clinic_id",
        "due_at",
        postgresql_where=text("withheld_for = 'no-contact'"),
    ),
)
