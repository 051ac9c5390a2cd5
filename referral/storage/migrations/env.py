"""Alembic's entry: the connection comes from `referral.storage.migrate`, never from a file."""

from __future__ import annotations

from alembic import context

from referral.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
