"""Messages by the batch: providers, their caps and circuit breakers."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0015_dispatch.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
