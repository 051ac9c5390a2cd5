"""Questions and answers, late answers, assistants and uploaded letters at the portal."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0028_portal_conversation.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
