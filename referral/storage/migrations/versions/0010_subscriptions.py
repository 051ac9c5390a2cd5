"""Subscriptions and what was sent to them."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0010_subscriptions.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
