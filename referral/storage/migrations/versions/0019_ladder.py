"""The ladder as data: closures, quiet hours, pauses, escalations."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0019_ladder.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
