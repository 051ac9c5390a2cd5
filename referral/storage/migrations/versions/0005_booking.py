"""Bookings of chairs."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0005_booking.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
