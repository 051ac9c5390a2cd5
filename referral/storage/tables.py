"""All tables. The clinic is in every key; row-level security and grants are in the migrations."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import TypeEngine

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _clinic() -> Column[Any]:
    return Column("clinic_id", Uuid, nullable=False)


def _text(name: str, *, nullable: bool = False, default: str | None = None) -> Column[Any]:
    return Column(name, Text, nullable=nullable, server_default=default)


def _time(name: str, *, nullable: bool = False, now: bool = False) -> Column[Any]:
    return Column(
        name, DateTime(timezone=True), nullable=nullable, server_default=func.now() if now else None
    )


def _flag(name: str, default: str = "false") -> Column[Any]:
    return Column(name, Boolean, nullable=False, server_default=text(default))


def _count(name: str, default: int = 0) -> Column[Any]:
    return Column(name, Integer, nullable=False, server_default=text(str(default)))


def _json(name: str, *, nullable: bool = False, default: str | None = None) -> Column[Any]:
    return Column(name, JSONB, nullable=nullable, server_default=text(f"'{default}'") if default else None)


def _of(name: str, kind: type[TypeEngine[Any]] | TypeEngine[Any], *, nullable: bool = False) -> Column[Any]:
    return Column(name, kind, nullable=nullable)


def _texts(name: str) -> Column[Any]:
    return Column(name, ARRAY(Text), nullable=False, server_default=text("'{}'"))


def _to_clinic() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["clinic_id"], ["clinic.clinic_id"])


# ---- The clinic and the people who work there

clinic = Table(
    "clinic",
    metadata,
    Column("clinic_id", Uuid, primary_key=True),
    _text("slug"),
    _text("name"),
    _text("time_zone"),
    _json("letterhead"),
    _json("settings", default="{}"),
    _of("wrapped_key", LargeBinary),
    _of("seal_key", LargeBinary),
    _time("created_at", now=True),
    UniqueConstraint("slug"),
)

policy_version = Table(
    "policy_version",
    metadata,
    _clinic(),
    _of("version", Integer),
    _texts("eligible"),
    _of("validity_days", Integer),
    _texts("counts_at_once"),
    _flag("allow_single_channel", "true"),
    _flag("red_flags_need_director", "true"),
    _flag("conditions_need_director", "true"),
    _json("ladder"),
    _text("created_by"),
    _time("created_at", now=True),
    PrimaryKeyConstraint("clinic_id", "version"),
    _to_clinic(),
    CheckConstraint("validity_days BETWEEN 1 AND 3660", name="validity"),
)

indication_rule = Table(
    "indication_rule",
    metadata,
    _clinic(),
    _of("version", Integer),
    _text("system"),
    _text("prefix"),
    _text("indication_class"),
    PrimaryKeyConstraint("clinic_id", "version", "system", "prefix"),
    ForeignKeyConstraint(["clinic_id", "version"], ["policy_version.clinic_id", "policy_version.version"]),
    CheckConstraint("indication_class IN ('mental-health', 'pain')", name="class"),
)

staff_user = Table(
    "staff_user",
    metadata,
    _clinic(),
    _text("id"),
    _text("email"),
    _text("name"),
    _text("role"),
    _text("password_hash"),
    _flag("active", "true"),
    _count("failed_sign_ins"),
    _time("locked_until", nullable=True),
    _time("created_at", now=True),
    PrimaryKeyConstraint("clinic_id", "id"),
    UniqueConstraint("email"),
    _to_clinic(),
    CheckConstraint(
        "role IN ('front-desk', 'clinician', 'medical-director', 'admin', 'auditor')", name="role"
    ),
)

staff_session = Table(
    "staff_session",
    metadata,
    _clinic(),
    _of("token_digest", LargeBinary),
    _text("user_id"),
    _text("csrf_token"),
    _time("created_at"),
    _time("seen_at"),
    _time("ended_at", nullable=True),
    PrimaryKeyConstraint("token_digest"),
    ForeignKeyConstraint(["clinic_id", "user_id"], ["staff_user.clinic_id", "staff_user.id"]),
)

api_client = Table(
    "api_client",
    metadata,
    _clinic(),
    _text("id"),
    _text("name"),
    _of("token_digest", LargeBinary),
    _texts("scopes"),
    _time("created_at", now=True),
    _time("revoked_at", nullable=True),
    PrimaryKeyConstraint("clinic_id", "id"),
    UniqueConstraint("token_digest"),
    _to_clinic(),
)

# ---- The resource store: every FHIR resource with all its versions, as the client sent it

resource = Table(
    "resource",
    metadata,
    _clinic(),
    _text("type"),
    _text("id"),
    _of("version", Integer),
    _json("body"),
    _time("last_updated"),
    _text("patient_id", nullable=True),
    PrimaryKeyConstraint("clinic_id", "type", "id"),
    _to_clinic(),
    Index(None, "clinic_id", "type", "last_updated", "id"),
)

resource_history = Table(
    "resource_history",
    metadata,
    _clinic(),
    _text("type"),
    _text("id"),
    _of("version", Integer),
    _json("body"),
    _time("last_updated"),
    PrimaryKeyConstraint("clinic_id", "type", "id", "version"),
    _to_clinic(),
)

search_entry = Table(
    "search_entry",
    metadata,
    _clinic(),
    _text("type"),
    _text("id"),
    _text("parameter"),
    _text("system", nullable=True),
    _text("value", nullable=True),
    _time("low", nullable=True),
    _time("high", nullable=True),
    _of("number", Numeric, nullable=True),
    Index("ix_search_entry_owner", "clinic_id", "type", "id", "parameter"),
    Index(
        "ix_search_entry_value",
        "clinic_id",
        "type",
        "parameter",
        "value",
        "id",
        postgresql_ops={"value": "text_pattern_ops"},
        postgresql_where=text("value IS NOT NULL"),
    ),
    Index(
        "ix_search_entry_date",
        "clinic_id",
        "type",
        "parameter",
        "low",
        "high",
        "id",
        postgresql_where=text("low IS NOT NULL"),
    ),
)

# ---- Projections for people: written with the resource they come from

patient = Table(
    "patient",
    metadata,
    _clinic(),
    _text("id"),
    _text("family"),
    _text("given"),
    _of("birth_date", Date, nullable=True),
    _text("telephone", nullable=True),
    _text("email", nullable=True),
    _text("language", nullable=True),
    _text("search_name"),
    _flag("active", "true"),
    PrimaryKeyConstraint("clinic_id", "id"),
    _to_clinic(),
    Index(
        "ix_patient_search_name",
        "clinic_id",
        "search_name",
        postgresql_ops={"search_name": "text_pattern_ops"},
    ),
)

clinician = Table(
    "clinician",
    metadata,
    _clinic(),
    _text("id"),
    _text("practitioner_id", nullable=True),
    _text("organization_id", nullable=True),
    _text("name"),
    _text("credentials", default=""),
    _text("npi", nullable=True),
    _text("taxonomy", nullable=True),
    _text("kind"),
    _text("practice", default=""),
    _texts("address"),
    _text("time_zone"),
    _text("search_name"),
    _flag("active", "true"),
    PrimaryKeyConstraint("clinic_id", "id"),
    _to_clinic(),
    Index(None, "clinic_id", "practitioner_id"),
    Index(None, "clinic_id", "organization_id"),
    Index(None, "clinic_id", "npi"),
    Index(
        "ix_clinician_search_name",
        "clinic_id",
        "search_name",
        postgresql_ops={"search_name": "text_pattern_ops"},
    ),
)

contact = Table(
    "contact",
    metadata,
    _clinic(),
    _text("id"),
    _text("clinician_id"),
    _text("channel"),
    _text("address"),
    _text("source"),
    _time("verified_at", nullable=True),
    _text("verified_by", nullable=True),
    _time("last_success_at", nullable=True),
    _time("last_failure_at", nullable=True),
    _flag("active", "true"),
    PrimaryKeyConstraint("clinic_id", "id"),
    UniqueConstraint("clinic_id", "clinician_id", "id"),
    UniqueConstraint("clinic_id", "clinician_id", "channel", "address"),
    ForeignKeyConstraint(["clinic_id", "clinician_id"], ["clinician.clinic_id", "clinician.id"]),
    CheckConstraint("channel IN ('email', 'fax', 'sms', 'post', 'phone')", name="channel"),
)

# ---- The gate

infusion_order = Table(
    "infusion_order",
    metadata,
    _clinic(),
    _text("id"),
    _text("patient_id"),
    _text("status"),
    _of("planned_sessions", Integer, nullable=True),
    _of("first_infusion_on", Date, nullable=True),
    _text("created_by"),
    _time("created_at"),
    PrimaryKeyConstraint("clinic_id", "id"),
    UniqueConstraint("clinic_id", "patient_id", "id"),
    ForeignKeyConstraint(["clinic_id", "patient_id"], ["patient.clinic_id", "patient.id"]),
    Index(None, "clinic_id", "status", "first_infusion_on"),
    CheckConstraint(
        "status IN ('on-hold', 'active', 'completed', 'revoked', 'entered-in-error')", name="status"
    ),
)

order_indication = Table(
    "order_indication",
    metadata,
    _clinic(),
    _text("order_id"),
    _text("system"),
    _text("code"),
    _text("display"),
    _of("position", Integer),
    PrimaryKeyConstraint("clinic_id", "order_id", "system", "code"),
    ForeignKeyConstraint(["clinic_id", "order_id"], ["infusion_order.clinic_id", "infusion_order.id"]),
)

gate = Table(
    "gate",
    metadata,
    _clinic(),
    _text("order_id"),
    _text("patient_id"),
    Column("version", BigInteger, nullable=False, server_default=text("1")),
    PrimaryKeyConstraint("clinic_id", "order_id"),
    UniqueConstraint("clinic_id", "patient_id", "order_id"),
    ForeignKeyConstraint(
        ["clinic_id", "patient_id", "order_id"],
        ["infusion_order.clinic_id", "infusion_order.patient_id", "infusion_order.id"],
    ),
)


def _to_order() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["clinic_id", "patient_id", "order_id"],
        ["infusion_order.clinic_id", "infusion_order.patient_id", "infusion_order.id"],
    )


consultation = Table(
    "consultation",
    metadata,
    _clinic(),
    _text("encounter_id"),
    _text("patient_id"),
    _text("order_id"),
    _time("held_at"),
    _text("recorded_by"),
    _time("recorded_at", now=True),
    PrimaryKeyConstraint("clinic_id", "encounter_id"),
    _to_order(),
    Index(None, "clinic_id", "order_id"),
)

recommendation = Table(
    "recommendation",
    metadata,
    _clinic(),
    _text("id"),
    _text("patient_id"),
    _text("order_id"),
    _text("referral_id"),
    _text("clinician_id"),
    _text("clinician_kind"),
    _text("decision"),
    _texts("covers"),
    _texts("red_flags"),
    _text("strength"),
    _time("answered_at"),
    _time("valid_until"),
    _text("response_id"),
    _text("document_id", nullable=True),
    _time("recorded_at", now=True),
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
    Index(None, "clinic_id", "order_id"),
    CheckConstraint(
        "decision IN ('recommended', 'recommended-with-conditions', 'not-recommended')", name="decision"
    ),
    CheckConstraint(
        "strength IN ('single-channel', 'recorded-by-staff', 'paper-to-verified-contact', 'two-channel')",
        name="strength",
    ),
)


def _about_recommendation(name: str, *columns: Column[Any]) -> Table:
    """An insert-only remark on one recommendation; the newest review counts, one void is for ever."""
    return Table(
        name,
        metadata,
        _clinic(),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        _text("patient_id"),
        _text("order_id"),
        _text("recommendation_id"),
        *columns,
        _text("made_by"),
        _text("reason"),
        _time("made_at", now=True),
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


recommendation_review = _about_recommendation("recommendation_review", _flag("accepted"))
recommendation_confirmation = _about_recommendation("recommendation_confirmation", _text("spoke_with"))
recommendation_void = _about_recommendation("recommendation_void", _text("cause"))

treatment_start = Table(
    "treatment_start",
    metadata,
    _clinic(),
    _text("id"),
    _text("patient_id"),
    _text("order_id"),
    _text("recommendation_id", nullable=True),
    _of("gate_version", BigInteger),
    _text("started_by"),
    _time("started_at"),
    PrimaryKeyConstraint("clinic_id", "id"),
    _to_order(),
    ForeignKeyConstraint(
        ["clinic_id", "patient_id", "order_id", "recommendation_id"],
        [
            "recommendation.clinic_id",
            "recommendation.patient_id",
            "recommendation.order_id",
            "recommendation.id",
        ],
    ),
    Index(None, "clinic_id", "order_id"),
)

# ---- Requests and what is sent for them

request_number = Table(
    "request_number",
    metadata,
    _clinic(),
    _of("year", Integer),
    _of("last", Integer),
    PrimaryKeyConstraint("clinic_id", "year"),
)

referral = Table(
    "referral",
    metadata,
    _clinic(),
    _text("id"),
    _text("number"),
    _text("requisition"),
    _text("task_id"),
    _text("patient_id"),
    _text("order_id"),
    _text("clinician_id"),
    _text("status"),
    _text("business_status", nullable=True),
    _text("status_reason", nullable=True),
    _count("version", 1),
    _text("created_by"),
    _time("created_at"),
    _time("started_at"),
    _time("due_at"),
    _time("delivered_at", nullable=True),
    _time("identified_at", nullable=True),
    _time("closed_at", nullable=True),
    _count("climbed"),
    _count("shifted_days"),
    _count("extended_days"),
    _time("held_at", nullable=True),
    _time("next_step_at", nullable=True),
    PrimaryKeyConstraint("clinic_id", "id"),
    UniqueConstraint("clinic_id", "number"),
    UniqueConstraint("clinic_id", "task_id"),
    UniqueConstraint("clinic_id", "patient_id", "order_id", "id", "clinician_id"),
    _to_order(),
    ForeignKeyConstraint(["clinic_id", "clinician_id"], ["clinician.clinic_id", "clinician.id"]),
    Index(None, "clinic_id", "order_id"),
    Index(None, "clinic_id", "patient_id"),
    Index(None, "clinic_id", "clinician_id"),
    Index(
        "ix_referral_next_step",
        "clinic_id",
        "next_step_at",
        postgresql_where=text("next_step_at IS NOT NULL"),
    ),
    # One open request per order and clinician: a double click cannot ask twice.
    Index(
        "uq_referral_open",
        "clinic_id",
        "order_id",
        "clinician_id",
        unique=True,
        postgresql_where=text("closed_at IS NULL"),
    ),
)

referral_event = Table(
    "referral_event",
    metadata,
    _clinic(),
    Column("id", BigInteger, Identity(always=True), nullable=False),
    _text("referral_id"),
    _text("event"),
    _text("actor"),
    _json("detail", default="{}"),
    _time("at"),
    PrimaryKeyConstraint("clinic_id", "id"),
    ForeignKeyConstraint(["clinic_id", "referral_id"], ["referral.clinic_id", "referral.id"]),
    Index(None, "clinic_id", "referral_id", "id"),
)

document = Table(
    "document",
    metadata,
    _clinic(),
    _text("id"),
    _text("kind"),
    _text("patient_id", nullable=True),
    _text("referral_id", nullable=True),
    _text("content_type"),
    _of("sha256", LargeBinary),
    _of("size", Integer),
    _of("sealed_content", LargeBinary),
    _time("created_at", now=True),
    PrimaryKeyConstraint("clinic_id", "id"),
    _to_clinic(),
    Index(None, "clinic_id", "referral_id"),
)

message = Table(
    "message",
    metadata,
    _clinic(),
    _of("id", Uuid),
    _text("referral_id"),
    _text("kind"),
    _of("ordinal", Integer),
    _text("channel"),
    _text("contact_id"),
    _text("state", default="queued"),
    _count("generation", 1),
    _count("attempts"),
    _count("tries"),
    _count("crashes"),
    _time("not_before"),
    _time("lease_until", nullable=True),
    _text("letter_id", nullable=True),
    _text("envelope_id", nullable=True),
    _text("provider_reference", nullable=True),
    _text("last_error", nullable=True),
    _text("secret_note", nullable=True),
    _flag("sent_for_real"),
    _time("created_at"),
    _time("finished_at", nullable=True),
    PrimaryKeyConstraint("clinic_id", "id"),
    UniqueConstraint("clinic_id", "referral_id", "kind", "ordinal"),
    ForeignKeyConstraint(["clinic_id", "referral_id"], ["referral.clinic_id", "referral.id"]),
    ForeignKeyConstraint(["clinic_id", "contact_id"], ["contact.clinic_id", "contact.id"]),
    CheckConstraint(
        "state IN ('queued', 'rendering', 'ready', 'sending', 'accepted', 'delivered', 'failed', 'unknown',"
        " 'cancelled', 'dead')",
        name="state",
    ),
    Index(
        "ix_message_due",
        "clinic_id",
        "not_before",
        postgresql_where=text("state IN ('queued', 'rendering', 'ready', 'sending')"),
    ),
)

# ---- The portal

portal_credential = Table(
    "portal_credential",
    metadata,
    _clinic(),
    _text("selector"),
    _text("referral_id"),
    _of("message_id", Uuid),
    _of("secret_digest", LargeBinary),
    _of("code_digest", LargeBinary),
    _text("channel"),
    _flag("contact_verified"),
    _time("created_at"),
    _time("expires_at"),
    _time("revoked_at", nullable=True),
    _text("revoked_for", nullable=True),
    _count("attempts"),
    _time("paused_until", nullable=True),
    _time("frozen_at", nullable=True),
    PrimaryKeyConstraint("clinic_id", "selector"),
    UniqueConstraint("selector"),
    UniqueConstraint("code_digest"),
    ForeignKeyConstraint(["clinic_id", "referral_id"], ["referral.clinic_id", "referral.id"]),
    Index(None, "clinic_id", "referral_id"),
)

portal_session = Table(
    "portal_session",
    metadata,
    _clinic(),
    _of("token_digest", LargeBinary),
    _text("selector"),
    _text("csrf_token"),
    _text("came_by"),
    _time("created_at"),
    _time("seen_at"),
    _time("ended_at", nullable=True),
    _of("one_time_digest", LargeBinary, nullable=True),
    _time("one_time_until", nullable=True),
    _text("one_time_channel", nullable=True),
    _time("second_factor_at", nullable=True),
    _time("identified_at", nullable=True),
    _text("strength", nullable=True),
    _of("sealed_draft", LargeBinary, nullable=True),
    PrimaryKeyConstraint("token_digest"),
    ForeignKeyConstraint(
        ["clinic_id", "selector"], ["portal_credential.clinic_id", "portal_credential.selector"]
    ),
    Index(None, "clinic_id", "selector"),
)

portal_throttle = Table(
    "portal_throttle",
    metadata,
    _text("source"),
    _time("window_start"),
    _count("misses"),
    PrimaryKeyConstraint("source", "window_start"),
)

# ---- The record of who did what

audit_event = Table(
    "audit_event",
    metadata,
    _clinic(),
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    _text("actor_kind"),
    _text("actor_id"),
    _text("actor_role", nullable=True),
    _text("address", nullable=True),
    _text("request_id", nullable=True),
    _text("action"),
    _text("subtype"),
    _text("entity", nullable=True),
    _text("patient_id", nullable=True),
    _text("outcome", default="0"),
    _json("detail", default="{}"),
    PrimaryKeyConstraint("clinic_id", "id"),
    _to_clinic(),
    Index(None, "clinic_id", "patient_id", "at"),
    Index(None, "clinic_id", "entity", "id"),
)

audit_chain = Table(
    "audit_chain",
    metadata,
    _clinic(),
    _of("position", BigInteger),
    _of("event_id", BigInteger),
    _of("hash", LargeBinary),
    PrimaryKeyConstraint("clinic_id", "position"),
    UniqueConstraint("clinic_id", "event_id"),
    ForeignKeyConstraint(["clinic_id", "event_id"], ["audit_event.clinic_id", "audit_event.id"]),
)
