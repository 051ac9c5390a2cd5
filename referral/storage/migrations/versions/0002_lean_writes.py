"""Fewer locks and indexes on tables that are written much."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0002_lean_writes.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
