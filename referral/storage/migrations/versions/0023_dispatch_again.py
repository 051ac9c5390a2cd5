"""Room for what the dispatcher learns."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0023_dispatch_again.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
