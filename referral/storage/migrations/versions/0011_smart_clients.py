"""Systems that sign in with their own key."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0011_smart_clients.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
