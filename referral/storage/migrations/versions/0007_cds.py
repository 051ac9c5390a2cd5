"""Who may call CDS Hooks, and what they answered."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0007_cds.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
