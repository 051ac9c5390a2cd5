"""A clinic's letterhead, and what seals can be checked by."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0026"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0026_letterhead.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
