"""Messages to patients, and their consent."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0024_patients_and_consent.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
