"""What providers tell about messages that they have taken."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0016_delivery_reports.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
