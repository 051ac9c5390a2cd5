"""Alembic migrations; committed with the change that needs them, never edited afterwards."""
