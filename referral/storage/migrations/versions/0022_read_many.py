"""Reads by id that wait at the same moment, in one statement."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0022_read_many.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
