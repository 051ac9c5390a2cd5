"""Bookings of chairs."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

from referral.storage.migrations.scripts import run_as_owner

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The extension by whoever migrates, everything else as the owner of the tables.

    btree_gist, a part of PostgreSQL, lets one exclusion constraint look at a chair and at a time. Its functions
    are for anybody to call, so they stay out of the schema whose functions are counted.
    """
    op.execute(text("CREATE SCHEMA IF NOT EXISTS extensions"))
    op.execute(text("CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA extensions"))
    run_as_owner("0005_booking.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
