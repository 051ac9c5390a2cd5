"""Emergency access: who asked, who approved or declined, and what was found afterwards. All insert-only."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)

from referral.storage.tables.columns import clinic_column, column_of, metadata, text_column, time_column

_FRESH = "BETWEEN interval '0' AND interval '5 minutes'"


def _by(column: str, name: str) -> ForeignKeyConstraint:
    """A member of staff."""
    return ForeignKeyConstraint(["clinic_id", column], ["staff_user.clinic_id", "staff_user.id"], name=name)


override_request = Table(
    "override_request",
    metadata,
    clinic_column(),
    text_column("id"),
    text_column("patient_id"),
    text_column("order_id"),
    text_column("reason_code"),
    column_of("sealed_reason", LargeBinary),
    text_column("requested_by"),
    time_column("reauthenticated_at"),
    time_column("requested_at"),
    PrimaryKeyConstraint("clinic_id", "id"),
    UniqueConstraint(
        "clinic_id", "patient_id", "order_id", "id", "requested_by", name="uq_override_request_whole"
    ),
    ForeignKeyConstraint(
        ["clinic_id", "patient_id", "order_id"],
        ["infusion_order.clinic_id", "infusion_order.patient_id", "infusion_order.id"],
        name="fk_override_request_order",
    ),
    _by("requested_by", "fk_override_request_requested_by"),
    Index(None, "clinic_id", "order_id"),
    Index(None, "clinic_id", "requested_at"),
    CheckConstraint(
        "reason_code IN"
        " ('paper-recommendation-on-file', 'pain-indication-only', 'emergency-clinician-decision')",
        name="reason",
    ),
    # A sealed text is 28 bytes longer than itself: nonce and tag.
    CheckConstraint("octet_length(sealed_reason) >= 28 + 30", name="words"),
    CheckConstraint(f"requested_at - reauthenticated_at {_FRESH}", name="fresh"),
)

# `requested_by` is that of the request (composite key), so that a CHECK can compare the two people.
override_decision = Table(
    "override_decision",
    metadata,
    clinic_column(),
    text_column("request_id"),
    text_column("patient_id"),
    text_column("order_id"),
    text_column("requested_by"),
    text_column("decided_by"),
    text_column("outcome"),
    time_column("reauthenticated_at"),
    time_column("decided_at"),
    time_column("expires_at", nullable=True),
    PrimaryKeyConstraint("clinic_id", "request_id"),
    UniqueConstraint("clinic_id", "patient_id", "order_id", "request_id", name="uq_override_decision_whole"),
    UniqueConstraint("clinic_id", "request_id", "requested_by", name="uq_override_decision_asked"),
    ForeignKeyConstraint(
        ["clinic_id", "patient_id", "order_id", "request_id", "requested_by"],
        [
            "override_request.clinic_id",
            "override_request.patient_id",
            "override_request.order_id",
            "override_request.id",
            "override_request.requested_by",
        ],
        name="fk_override_decision_request",
    ),
    _by("decided_by", "fk_override_decision_decided_by"),
    Index(None, "clinic_id", "order_id"),
    Index(None, "clinic_id", "decided_at"),
    CheckConstraint("decided_by <> requested_by", name="two_people"),
    CheckConstraint("outcome IN ('approved', 'declined')", name="outcome"),
    CheckConstraint(f"decided_at - reauthenticated_at {_FRESH}", name="fresh"),
    CheckConstraint(
        "CASE outcome WHEN 'approved'"
        " THEN expires_at IS NOT NULL AND expires_at - decided_at = interval '60 minutes'"
        " ELSE expires_at IS NULL END",
        name="life",
    ),
)

override_review = Table(
    "override_review",
    metadata,
    clinic_column(),
    text_column("request_id"),
    text_column("requested_by"),
    column_of("justified", Boolean),
    column_of("sealed_note", LargeBinary),
    text_column("reviewed_by"),
    time_column("reviewed_at"),
    PrimaryKeyConstraint("clinic_id", "request_id"),
    ForeignKeyConstraint(
        ["clinic_id", "request_id", "requested_by"],
        ["override_decision.clinic_id", "override_decision.request_id", "override_decision.requested_by"],
        name="fk_override_review_decision",
    ),
    _by("reviewed_by", "fk_override_review_reviewed_by"),
    CheckConstraint("reviewed_by <> requested_by", name="two_people"),
)
