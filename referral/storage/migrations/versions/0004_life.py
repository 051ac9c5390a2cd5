"""The life of a recommendation."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0004_life.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
