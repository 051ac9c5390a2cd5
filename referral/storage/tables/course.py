"""The course of treatment: decisions, sessions, doses, vital signs, side effects; each row is a version."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    Table,
)
from sqlalchemy.schema import SchemaItem

from referral.storage.tables.columns import (
    clinic_column,
    column_of,
    count_column,
    flag_column,
    metadata,
    text_column,
    time_column,
    to_order,
)

_WHY = "why IN ('typing-error', 'later-known', 'wrong-place', 'reviewed', 'sent-anew')"


def _versions(name: str, *own: SchemaItem, session: bool = True, sessions_required: bool = True) -> Table:
    """A table of versions that belong to an order, and to one of its sessions."""
    more: list[SchemaItem] = []
    if session:
        more = [
            text_column("session_id", nullable=not sessions_required),
            ForeignKeyConstraint(
                ["clinic_id", "session_id"], ["treatment_start.clinic_id", "treatment_start.id"]
            ),
        ]
    return Table(
        name,
        metadata,
        clinic_column(),
        text_column("id"),
        count_column("version", 1),
        text_column("patient_id"),
        text_column("order_id"),
        *more,
        *own,
        flag_column("in_error"),
        text_column("words_id", nullable=True),
        text_column("why", nullable=True),
        text_column("recorded_by"),
        time_column("recorded_at"),
        PrimaryKeyConstraint("clinic_id", "id", "version"),
        to_order(),
        ForeignKeyConstraint(["clinic_id", "words_id"], ["document.clinic_id", "document.id"]),
        CheckConstraint("version > 0", name="version"),
        CheckConstraint(_WHY, name="why"),
        CheckConstraint("version > 1 OR why IS NULL", name="first"),
        Index(None, "clinic_id", "order_id"),
    )


def _yes_or_no(name: str) -> Column[Any]:
    return column_of(name, Boolean, nullable=True)


course_plan = _versions(
    "course_plan",
    column_of("planned_sessions", Integer),
    column_of("spacing_days", Integer),
    CheckConstraint("planned_sessions BETWEEN 1 AND 60", name="sessions"),
    CheckConstraint("spacing_days BETWEEN 1 AND 90", name="spacing"),
    session=False,
)

course_decision = _versions(
    "course_decision",
    text_column("decision"),
    text_column("reason", nullable=True),
    flag_column("risks_discussed"),
    flag_column("benefits_discussed"),
    flag_column("self_pay_notice"),
    time_column("decided_at"),
    CheckConstraint("decision IN ('candidate', 'not-candidate', 'deferred')", name="decision"),
    CheckConstraint(
        "reason IN ('medical-risk', 'mental-risk', 'substance-use', 'pregnancy', 'other-treatment-first',"
        " 'information-missing', 'patient-wish', 'other')",
        name="reason",
    ),
    CheckConstraint("(decision = 'candidate') = (reason IS NULL)", name="reasoned"),
    session=False,
)

# `id` is that of the treatment start.
course_session = _versions(
    "course_session",
    text_column("state", default="in-progress"),
    time_column("ended_at", nullable=True),
    text_column("abort_reason", nullable=True),
    text_column("supervisor", default=""),
    _yes_or_no("physician_present"),
    _yes_or_no("discharge_met"),
    _yes_or_no("ride_home"),
    ForeignKeyConstraint(["clinic_id", "id"], ["treatment_start.clinic_id", "treatment_start.id"]),
    CheckConstraint("state IN ('in-progress', 'completed', 'aborted')", name="state"),
    CheckConstraint(
        "abort_reason IN ('patient-wish', 'adverse-event', 'vitals-out-of-range', 'access-lost', 'other')",
        name="abort_reason",
    ),
    CheckConstraint("(state = 'in-progress') = (ended_at IS NULL)", name="ended"),
    CheckConstraint("(state = 'aborted') = (abort_reason IS NOT NULL)", name="aborted"),
    session=False,
)

course_dose = _versions(
    "course_dose",
    text_column("drug"),
    column_of("milligrams", Numeric(8, 3)),
    column_of("per_kilogram", Numeric(8, 3), nullable=True),
    time_column("started_at"),
    time_column("stopped_at", nullable=True),
    CheckConstraint("milligrams > 0", name="milligrams"),
    CheckConstraint("per_kilogram > 0", name="per_kilogram"),
    CheckConstraint("stopped_at >= started_at", name="stopped"),
)

course_vital = _versions(
    "course_vital",
    text_column("kind"),
    column_of("value", Integer),
    column_of("diastolic", Integer, nullable=True),
    text_column("phase"),
    time_column("taken_at"),
    CheckConstraint(
        "kind IN ('blood-pressure', 'heart-rate', 'oxygen-saturation', 'respiratory-rate')", name="kind"
    ),
    CheckConstraint("phase IN ('before', 'during', 'after')", name="phase"),
    CheckConstraint("value BETWEEN 0 AND 300", name="value"),
    CheckConstraint("(kind = 'blood-pressure') = (diastolic IS NOT NULL)", name="two"),
    CheckConstraint("diastolic BETWEEN 0 AND value", name="diastolic"),
)

course_effect = _versions(
    "course_effect",
    text_column("code"),
    text_column("severity"),
    flag_column("serious"),
    time_column("noticed_at"),
    CheckConstraint("severity IN ('mild', 'moderate', 'severe')", name="severity"),
    sessions_required=False,
)

# What it was is the words.
course_medicine = _versions(
    "course_medicine",
    column_of("changed_on", Date),
    CheckConstraint("words_id IS NOT NULL", name="worded"),
    session=False,
)

# `id` is that of the order: a course ends once, and what is said of it can be corrected.
course_end = _versions(
    "course_end",
    text_column("ending"),
    text_column("reason", nullable=True),
    time_column("ended_at"),
    CheckConstraint("ending IN ('completed', 'stopped-early')", name="ending"),
    CheckConstraint(
        "reason IN ('patient-wish', 'no-response', 'adverse-event', 'other')",
        name="reason",
    ),
    CheckConstraint("(ending = 'completed') = (reason IS NULL)", name="reasoned"),
    CheckConstraint("id = order_id", name="once"),
    session=False,
)
