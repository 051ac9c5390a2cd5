"""Letters on paper by the batch, and calls that people make."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0018_paper_and_calls.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
