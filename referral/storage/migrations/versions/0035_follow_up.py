"""Follow-up visits that clinicians have promised."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0035_follow_up.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
