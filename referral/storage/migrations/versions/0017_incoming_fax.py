"""Faxes that come in, and the requests that they belong to."""

from __future__ import annotations

from referral.storage.migrations.scripts import run_as_owner

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner("0017_incoming_fax.sql")


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
