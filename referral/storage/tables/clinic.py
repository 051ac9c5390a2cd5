"""The clinic, its policy, and who may work there."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
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
    count_column,
    flag_column,
    json_column,
    metadata,
    text_column,
    texts_column,
    time_column,
    to_clinic,
)

clinic = Table(
    "clinic",
    metadata,
    Column("clinic_id", Uuid, primary_key=True),
    text_column("slug"),
    text_column("name"),
    text_column("time_zone"),
    json_column("letterhead"),
    json_column("settings", default="{}"),
    column_of("wrapped_key", LargeBinary),
    column_of("seal_key", LargeBinary),
    time_column("created_at", now=True),
    UniqueConstraint("slug"),
)

policy_version = Table(
    "policy_version",
    metadata,
    clinic_column(),
    column_of("version", Integer),
    texts_column("eligible"),
    column_of("validity_days", Integer),
    texts_column("counts_at_once"),
    flag_column("allow_single_channel", "true"),
    flag_column("red_flags_need_director", "true"),
    flag_column("conditions_need_director", "true"),
    json_column("ladder"),
    text_column("created_by"),
    time_column("created_at", now=True),
    flag_column("allow_override"),
    count_column("longest_gap_days", 90),
    text_column("reason", default=""),
    PrimaryKeyConstraint("clinic_id", "version"),
    to_clinic(),
    CheckConstraint("validity_days BETWEEN 1 AND 3660", name="validity"),
    CheckConstraint("longest_gap_days BETWEEN 1 AND 3660", name="gap"),
    CheckConstraint("cardinality(eligible) > 0", name="eligible"),
    CheckConstraint("NOT 'single-channel' = ANY (counts_at_once)", name="strength"),
)

indication_rule = Table(
    "indication_rule",
    metadata,
    clinic_column(),
    column_of("version", Integer),
    text_column("system"),
    text_column("prefix"),
    text_column("indication_class"),
    PrimaryKeyConstraint("clinic_id", "version", "system", "prefix"),
    ForeignKeyConstraint(["clinic_id", "version"], ["policy_version.clinic_id", "policy_version.version"]),
    CheckConstraint("indication_class IN ('mental-health', 'pain')", name="class"),
    CheckConstraint(
        "prefix <> '' AND prefix = btrim(prefix)"
        " AND (system <> 'http://hl7.org/fhir/sid/icd-10-cm' OR length(prefix) >= 3)",
        name="prefix",
    ),
)

policy_rollout = Table(
    "policy_rollout",
    metadata,
    clinic_column(),
    column_of("version", Integer),
    text_column("reached", default=""),
    count_column("closed"),
    count_column("opened"),
    time_column("finished_at", nullable=True),
    PrimaryKeyConstraint("clinic_id", "version"),
    ForeignKeyConstraint(["clinic_id", "version"], ["policy_version.clinic_id", "policy_version.version"]),
    Index(
        "ix_policy_rollout_unfinished", "clinic_id", "version", postgresql_where=text("finished_at IS NULL")
    ),
)

staff_user = Table(
    "staff_user",
    metadata,
    clinic_column(),
    text_column("id"),
    text_column("email"),
    text_column("name"),
    text_column("role"),
    text_column("password_hash"),
    flag_column("active", "true"),
    count_column("failed_sign_ins"),
    time_column("locked_until", nullable=True),
    time_column("created_at", now=True),
    time_column("last_sign_in_at", nullable=True),
    column_of("set_up_digest", LargeBinary, nullable=True),
    time_column("set_up_expires_at", nullable=True),
    column_of("second_factor_secret", LargeBinary, nullable=True),
    time_column("second_factor_at", nullable=True),
    column_of("second_factor_step", BigInteger, nullable=True),
    texts_column("recovery_codes"),
    PrimaryKeyConstraint("clinic_id", "id"),
    UniqueConstraint("email"),
    UniqueConstraint("set_up_digest"),
    to_clinic(),
    CheckConstraint("(set_up_digest IS NULL) = (set_up_expires_at IS NULL)", name="set_up"),
    CheckConstraint(
        "second_factor_secret IS NOT NULL OR"
        " (second_factor_at IS NULL AND second_factor_step IS NULL AND recovery_codes = '{}')",
        name="second_factor",
    ),
    CheckConstraint(
        "role IN ('front-desk', 'clinician', 'medical-director', 'admin', 'auditor')", name="role"
    ),
)

staff_session = Table(
    "staff_session",
    metadata,
    clinic_column(),
    column_of("token_digest", LargeBinary),
    text_column("user_id"),
    text_column("csrf_token"),
    time_column("created_at"),
    time_column("seen_at"),
    time_column("ended_at", nullable=True),
    time_column("reauthenticated_at", nullable=True),
    text_column("stage", default="in"),
    text_column("device", default=""),
    count_column("idle_seconds", default=900),
    time_column("locked_at", nullable=True),
    PrimaryKeyConstraint("token_digest"),
    ForeignKeyConstraint(["clinic_id", "user_id"], ["staff_user.clinic_id", "staff_user.id"]),
    CheckConstraint("stage IN ('code', 'enrol', 'in')", name="stage"),
    Index("ix_staff_session_clinic_id_user_id", "clinic_id", "user_id"),
)

kept_form = Table(
    "kept_form",
    metadata,
    clinic_column(),
    text_column("id"),
    text_column("user_id"),
    text_column("path"),
    column_of("sealed_fields", LargeBinary),
    time_column("kept_at"),
    PrimaryKeyConstraint("clinic_id", "id"),
    ForeignKeyConstraint(["clinic_id", "user_id"], ["staff_user.clinic_id", "staff_user.id"]),
    Index("ix_kept_form_clinic_id_user_id_kept_at", "clinic_id", "user_id", "kept_at"),
)
