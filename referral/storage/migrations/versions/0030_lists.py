"""Orders in which lists are read."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0030_lists.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
