"""Brings a database to the newest schema."""

from __future__ import annotations

from functools import cache
from typing import Final

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from referral.storage.db import APPLICATION_ROLE
from referral.storage.migrations import VERSIONS
from referral.storage.tables import metadata

# Two processes may start at once; the second waits here and then finds nothing to do.
_LOCK: Final = 0x7265666572
OLDEST_SERVER: Final = 150000


def upgrade(url: str, app_password: str | None = None) -> None:
    """Apply every missing migration, one transaction each. `url` belongs to a role that may create roles.

    `app_password` is set on the application's role where servers are reached over a network.
    Raises RuntimeError for a server older than PostgreSQL 15.
    """
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        version = int(connection.scalar(text("SHOW server_version_num")) or 0)
        if version < OLDEST_SERVER:
            raise RuntimeError(f"PostgreSQL 15 or newer is needed, this server is {version // 10000}.")
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        try:
            if applied(connection) != newest():
                connection.rollback()
                _run(connection)
            if app_password is not None:
                _set_password(connection, app_password)
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
            connection.commit()
    engine.dispose()


def _set_password(connection: Connection, password: str) -> None:
    literal = connection.scalar(text("SELECT quote_literal(:password)"), {"password": password})
    connection.exec_driver_sql(f"ALTER ROLE {APPLICATION_ROLE} PASSWORD {literal}".replace("%", "%%"))
    connection.commit()


def _run(connection: Connection) -> None:
    # Loads a template engine and more; whoever only asks where a database stands starts without it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@cache
def newest() -> str:
    """The last of the migrations that this program carries: they are numbered."""
    return max(file.name.partition("_")[0] for file in VERSIONS.glob("[0-9]*.py"))


def applied(connection: Connection) -> str | None:
    """The migration that the database stands at, None for an empty one."""
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def differences(connection: Connection) -> list[object]:
    """What the tables in code and in the database disagree on; empty when they agree."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    return list(compare_metadata(MigrationContext.configure(connection), metadata))
