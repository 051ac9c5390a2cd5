"""Who is on call for safety tasks, the messages to them, and reports that somebody has told by voice."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0036_on_call.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
