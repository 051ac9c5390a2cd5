"""Exports of many resources."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0012_bulk_export.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
