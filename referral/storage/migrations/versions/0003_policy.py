"""Policy: who may change it, and what it says."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0003_policy.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
