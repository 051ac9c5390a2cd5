"""Second factors, set-up links, sessions that lock, and what was typed in them."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0031"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0031_accounts.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
