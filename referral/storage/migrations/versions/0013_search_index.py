"""Indexes for every search that is served."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0013_search_index.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
