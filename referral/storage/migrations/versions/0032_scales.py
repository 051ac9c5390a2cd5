"""Filled scales, and signs of self-harm that wait for a person."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0032_scales.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
