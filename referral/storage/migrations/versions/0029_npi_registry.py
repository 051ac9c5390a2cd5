"""Clinicians as the national register knows them."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0029_npi_registry.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
