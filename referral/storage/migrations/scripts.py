"""Migrations that are written in SQL."""

from __future__ import annotations

from alembic import op

from referral.storage.migrations import VERSIONS


def run_as_owner(name: str) -> None:
    """Run a script of `versions/` as the role that owns the tables."""
    script = (VERSIONS / name).read_text(encoding="utf-8")
    # Straight to the driver: a script holds several statements, colons and percent signs.
    cursor = op.get_bind().connection.cursor()
    cursor.execute("SET LOCAL ROLE referral_owner")
    cursor.execute(script)
    cursor.execute("RESET ROLE")
