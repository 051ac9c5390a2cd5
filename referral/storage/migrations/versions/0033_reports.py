"""Reports of a course to whoever recommended it."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0033_reports.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
