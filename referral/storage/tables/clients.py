"""Systems that talk to /fhir: how each signs in, the tokens it was given, the assertions it used."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
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
)

api_client = Table(
    "api_client",
    metadata,
    clinic_column(),
    text_column("id"),
    text_column("name"),
    column_of("token_digest", LargeBinary, nullable=True),
    texts_column("scopes"),
    time_column("created_at", now=True),
    time_column("revoked_at", nullable=True),
    json_column("jwks", nullable=True),
    text_column("jwks_url", nullable=True),
    time_column("used_at", nullable=True),
    PrimaryKeyConstraint("clinic_id", "id"),
    UniqueConstraint("token_digest"),
    to_clinic(),
    Index("uq_api_client_id", "id", unique=True, postgresql_where=text("token_digest IS NULL")),
    CheckConstraint("num_nonnulls(token_digest, jwks, jwks_url) = 1", name="way"),
)

api_token = Table(
    "api_token",
    metadata,
    clinic_column(),
    column_of("token_digest", LargeBinary),
    text_column("client_id"),
    texts_column("scopes"),
    time_column("issued_at"),
    time_column("expires_at"),
    PrimaryKeyConstraint("clinic_id", "token_digest"),
    UniqueConstraint("token_digest"),
    ForeignKeyConstraint(["clinic_id", "client_id"], ["api_client.clinic_id", "api_client.id"]),
    Index("ix_api_token_clinic_id_client_id", "clinic_id", "client_id"),
)

api_assertion = Table(
    "api_assertion",
    metadata,
    clinic_column(),
    text_column("client_id"),
    column_of("jti_digest", LargeBinary),
    time_column("expires_at"),
    PrimaryKeyConstraint("clinic_id", "client_id", "jti_digest"),
    ForeignKeyConstraint(["clinic_id", "client_id"], ["api_client.clinic_id", "api_client.id"]),
    Index("ix_api_assertion_clinic_id_expires_at", "clinic_id", "expires_at"),
)
