"""A report that turned out to be wrong is followed by another version of it."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0038_corrected_reports.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
