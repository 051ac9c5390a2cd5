"""What the gate looks at, and the starts that it allowed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    text,
)

from referral.storage.tables.columns import (
    clinic_column,
    column_of,
    flag_column,
    metadata,
    text_column,
    texts_column,
    time_column,
    to_order,
)

infusion_order = Table(
    "infusion_order",
    metadata,
    clinic_column(),
    text_column("id"),
    text_column("patient_id"),
    text_column("status"),
    column_of("planned_sessions", Integer, nullable=True),
    column_of("first_infusion_on", Date, nullable=True),
    text_column("created_by"),
    time_column("created_at"),
    PrimaryKeyConstraint("clinic_id", "id"),
    UniqueConstraint("clinic_id", "patient_id", "id"),
    ForeignKeyConstraint(["clinic_id", "patient_id"], ["patient.clinic_id", "patient.id"]),
    Index(None, "clinic_id", "status", "first_infusion_on"),
    Index(
        "ix_infusion_order_usable",
        "clinic_id",
        # Those without a date come last; the lists have the same expression (storage/lists/orders.py).
        text("COALESCE(first_infusion_on, '9999-12-31'::date)"),
        "created_at",
        "id",
        postgresql_where=text("status IN ('on-hold', 'active')"),
    ),
    CheckConstraint(
        "status IN ('on-hold', 'active', 'completed', 'revoked', 'entered-in-error')", name="status"
    ),
)

order_indication = Table(
    "order_indication",
    metadata,
    clinic_column(),
    text_column("order_id"),
    text_column("system"),
    text_column("code"),
    text_column("display"),
    column_of("position", Integer),
    PrimaryKeyConstraint("clinic_id", "order_id", "system", "code"),
    Index(None, "clinic_id", "system", "code"),
    ForeignKeyConstraint(["clinic_id", "order_id"], ["infusion_order.clinic_id", "infusion_order.id"]),
)

gate = Table(
    "gate",
    metadata,
    clinic_column(),
    text_column("order_id"),
    text_column("patient_id"),
    Column("version", BigInteger, nullable=False, server_default=text("1")),
    PrimaryKeyConstraint("clinic_id", "order_id"),
    UniqueConstraint("clinic_id", "patient_id", "order_id"),
    ForeignKeyConstraint(
        ["clinic_id", "patient_id", "order_id"],
        ["infusion_order.clinic_id", "infusion_order.patient_id", "infusion_order.id"],
    ),
)


consultation = Table(
    "consultation",
    metadata,
    clinic_column(),
    text_column("encounter_id"),
    text_column("patient_id"),
    text_column("order_id"),
    time_column("held_at"),
    text_column("recorded_by"),
    time_column("recorded_at", now=True),
    PrimaryKeyConstraint("clinic_id", "encounter_id"),
    to_order(),
    Index(None, "clinic_id", "order_id"),
)

recommendation = Table(
    "recommendation",
    metadata,
    clinic_column(),
    text_column("id"),
    text_column("patient_id"),
    text_column("order_id"),
    text_column("referral_id"),
    text_column("clinician_id"),
    text_column("clinician_kind"),
    text_column("decision"),
    texts_column("covers"),
    texts_column("red_flags"),
    text_column("strength"),
    time_column("answered_at"),
    time_column("valid_until"),
    text_column("response_id"),
    text_column("document_id", nullable=True),
    time_column("recorded_at", now=True),
    text_column("renews", nullable=True),
    PrimaryKeyConstraint("clinic_id", "id"),
    UniqueConstraint("clinic_id", "patient_id", "order_id", "id"),
    UniqueConstraint("clinic_id", "referral_id", "response_id"),
    # The answer is that of the clinician who was asked about this order of this patient, and nobody else's.
    ForeignKeyConstraint(
        ["clinic_id", "patient_id", "order_id", "referral_id", "clinician_id"],
        [
            "referral.clinic_id",
            "referral.patient_id",
            "referral.order_id",
            "referral.id",
            "referral.clinician_id",
        ],
    ),
    ForeignKeyConstraint(
        ["clinic_id", "patient_id", "order_id", "renews"],
        [
            "recommendation.clinic_id",
            "recommendation.patient_id",
            "recommendation.order_id",
            "recommendation.id",
        ],
        name="fk_recommendation_renews",
    ),
    Index(None, "clinic_id", "order_id"),
    Index(None, "clinic_id", "valid_until"),
    CheckConstraint(
        "decision IN ('recommended', 'recommended-with-conditions', 'not-recommended')", name="decision"
    ),
    CheckConstraint(
        "strength IN ('single-channel', 'recorded-by-staff', 'paper-to-verified-contact', 'two-channel')",
        name="strength",
    ),
)


def _about_recommendation(name: str, *columns: Column[Any] | CheckConstraint) -> Table:
    """An insert-only remark on one recommendation; the newest review counts, one void is for ever."""
    return Table(
        name,
        metadata,
        clinic_column(),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        text_column("patient_id"),
        text_column("order_id"),
        text_column("recommendation_id"),
        *columns,
        text_column("made_by"),
        text_column("reason"),
        time_column("made_at", now=True),
        PrimaryKeyConstraint("clinic_id", "id"),
        ForeignKeyConstraint(
            ["clinic_id", "patient_id", "order_id", "recommendation_id"],
            [
                "recommendation.clinic_id",
                "recommendation.patient_id",
                "recommendation.order_id",
                "recommendation.id",
            ],
        ),
        Index(None, "clinic_id", "recommendation_id"),
    )


recommendation_review = _about_recommendation("recommendation_review", flag_column("accepted"))
recommendation_confirmation = _about_recommendation("recommendation_confirmation", text_column("spoke_with"))
recommendation_void = _about_recommendation(
    "recommendation_void",
    text_column("cause"),
    CheckConstraint(
        "cause IN ('revoked', 'denied', 'withdrawn', 'amended', 'conflict', 'entered-in-error',"
        " 'consent-withdrawn', 'new-indication', 'psychosis', 'pregnancy', 'hospitalisation',"
        " 'treatment-gap')",
        name="cause",
    ),
)

treatment_start = Table(
    "treatment_start",
    metadata,
    clinic_column(),
    text_column("id"),
    text_column("patient_id"),
    text_column("order_id"),
    text_column("recommendation_id", nullable=True),
    text_column("override_id", nullable=True),
    column_of("gate_version", BigInteger),
    text_column("started_by"),
    time_column("started_at"),
    PrimaryKeyConstraint("clinic_id", "id"),
    to_order(),
    ForeignKeyConstraint(
        ["clinic_id", "patient_id", "order_id", "recommendation_id"],
        [
            "recommendation.clinic_id",
            "recommendation.patient_id",
            "recommendation.order_id",
            "recommendation.id",
        ],
    ),
    ForeignKeyConstraint(
        ["clinic_id", "patient_id", "order_id", "override_id"],
        [
            "override_decision.clinic_id",
            "override_decision.patient_id",
            "override_decision.order_id",
            "override_decision.request_id",
        ],
        name="fk_treatment_start_override",
    ),
    CheckConstraint("recommendation_id IS NULL OR override_id IS NULL", name="one_basis"),
    Index(None, "clinic_id", "order_id"),
    # One override, one start.
    Index(
        "uq_treatment_start_override",
        "clinic_id",
        "override_id",
        unique=True,
        postgresql_where=text("override_id IS NOT NULL"),
    ),
)
