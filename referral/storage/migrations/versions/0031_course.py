"""A course of treatment: decisions, sessions, doses, vital signs, side effects and the end, as versions."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0031_course.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
