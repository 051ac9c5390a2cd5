"""How a version of a resource was written, as histories say it."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0014_version_method.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
