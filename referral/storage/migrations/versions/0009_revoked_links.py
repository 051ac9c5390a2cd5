"""What has ended stays ended; what is long dead may be removed."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0009_revoked_links.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
