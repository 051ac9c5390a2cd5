"""What providers tell about messages to whoever is on call, replaced promises, changes of medication."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0037_return_leg.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
