"""The language in which somebody reads."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0027_portal_language.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
