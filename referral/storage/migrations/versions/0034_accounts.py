"""Second factors, set-up links, sessions that lock, and what was typed in them."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0034_accounts.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
