"""Restore mode."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0008_restore.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
