"""Mail that came back."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0021_bounces.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
