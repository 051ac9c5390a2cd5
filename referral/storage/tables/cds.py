"""Systems that call CDS Hooks, what they were shown, and what they answered."""

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
    text,
)

from referral.storage.tables.columns import (
    clinic_column,
    column_of,
    json_column,
    metadata,
    text_column,
    texts_column,
    time_column,
    to_clinic,
    to_order,
)

cds_client = Table(
    "cds_client",
    metadata,
    clinic_column(),
    text_column("id"),
    text_column("name"),
    text_column("issuer"),
    text_column("tenant", default=""),
    json_column("jwks"),
    text_column("jwks_url", nullable=True),
    texts_column("origins"),
    time_column("created_at", now=True),
    time_column("removed_at", nullable=True),
    PrimaryKeyConstraint("clinic_id", "id"),
    to_clinic(),
    Index(
        "uq_cds_client_issuer", "issuer", "tenant", unique=True, postgresql_where=text("removed_at IS NULL")
    ),
)

cds_token = Table(
    "cds_token",
    metadata,
    clinic_column(),
    text_column("client_id"),
    column_of("jti_digest", LargeBinary),
    time_column("expires_at"),
    PrimaryKeyConstraint("clinic_id", "client_id", "jti_digest"),
    ForeignKeyConstraint(["clinic_id", "client_id"], ["cds_client.clinic_id", "cds_client.id"]),
    Index("ix_cds_token_clinic_id_expires_at", "clinic_id", "expires_at"),
)

cds_card = Table(
    "cds_card",
    metadata,
    clinic_column(),
    column_of("id", Uuid(as_uuid=False)),
    text_column("hook"),
    text_column("topic"),
    text_column("patient_id", nullable=True),
    text_column("order_id", nullable=True),
    time_column("first_shown_at"),
    PrimaryKeyConstraint("clinic_id", "id"),
    to_clinic(),
    ForeignKeyConstraint(["clinic_id", "patient_id"], ["patient.clinic_id", "patient.id"]),
    to_order(),
    Index("ix_cds_card_clinic_id_order_id", "clinic_id", "order_id"),
)

cds_feedback = Table(
    "cds_feedback",
    metadata,
    clinic_column(),
    text_column("id"),
    column_of("card_id", Uuid(as_uuid=False)),
    text_column("client_id"),
    text_column("outcome"),
    texts_column("suggestions"),
    text_column("reason_system", nullable=True),
    text_column("reason_code", nullable=True),
    text_column("reason_text", nullable=True),
    text_column("comment", nullable=True),
    time_column("outcome_at"),
    time_column("received_at"),
    PrimaryKeyConstraint("clinic_id", "id"),
    UniqueConstraint(
        "clinic_id",
        "card_id",
        "client_id",
        "outcome",
        "outcome_at",
        # The naming convention would give a name longer than PostgreSQL keeps.
        name="uq_cds_feedback_once",
    ),
    ForeignKeyConstraint(["clinic_id", "card_id"], ["cds_card.clinic_id", "cds_card.id"]),
    CheckConstraint("outcome IN ('accepted', 'overridden')", name="outcome"),
)
