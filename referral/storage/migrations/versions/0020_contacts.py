"""What contacts have taught: successes, failures, times to an answer."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0020_contacts.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
