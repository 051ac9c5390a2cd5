"""Tables, roles, row-level security, grants, and the gate."""

from __future__ import annotations

from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Roles first (by whoever migrates), then everything else as their owner."""
    for name in ("0001_roles.sql", "0001_tables.sql", "0001_security.sql", "0001_gate.sql"):
        script = Path(__file__).with_name(name).read_text(encoding="utf-8")
        # Straight to the driver: the scripts hold several statements, colons and percent signs.
        op.get_bind().connection.cursor().execute(script)
    op.execute(text("RESET ROLE"))


def downgrade() -> None:
    raise RuntimeError("Migrations go forward only: restore a backup instead.")
