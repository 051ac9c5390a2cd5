"""Settings whose servers answer, for commands that are typed beside a running service or without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn
from urllib.parse import unquote, urlsplit

import typer

from referral import logs
from referral.config import Settings, SettingsError, load_settings
from referral.domain.errors import ReferralError
from referral.embedded import Addresses, DataDirectoryInUse, EngineError, Engines, running_addresses
from referral.embedded.binaries import find_binaries


def make_engines(settings: Settings) -> Engines:
    """The bundled engines of the data directory, not started yet."""
    return Engines(settings.data_dir, find_binaries(settings.postgres_bin, settings.valkey_server))


def at(settings: Settings, addresses: Addresses) -> Settings:
    """The same settings, pointing at engines that run."""
    return settings.model_copy(
        update={
            "database_url": addresses.app_url,
            "migration_database_url": addresses.admin_url,
            "redis_url": addresses.redis_url,
        }
    )


@contextmanager
def attached() -> Iterator[Settings]:
    """Settings for one command, with servers that answer.

    Those of the instance that runs on the data directory; real ones where they are configured; or else
    the bundled engines for as long as the block lasts, with the newest schema.
    """
    with plain_errors():
        settings = load_settings()
        logs.configure(settings.log_format)
        if settings.database_url is not None:
            yield settings
            return
        engines = make_engines(settings)
        try:
            engines.start()
        except DataDirectoryInUse:
            yield at(settings, running_addresses(settings.data_dir))
            return
        try:
            settings = at(settings, engines.addresses)
            upgrade(settings)
            yield settings
        finally:
            engines.stop()


def upgrade(settings: Settings) -> None:
    """Bring the database to the newest schema.

    Where the owner's address is given as well, the service's role gets the password of its own address.
    """
    from referral.storage import migrate

    app_url = settings.database_url or ""
    password = urlsplit(app_url).password if settings.migration_database_url else None
    migrate.upgrade(settings.migration_database_url or app_url, unquote(password) if password else None)


@contextmanager
def plain_errors() -> Iterator[None]:
    """What a person can mend becomes one sentence and an exit code; bugs keep their traceback."""
    try:
        yield
    except SettingsError as error:
        fail(
            "Cannot start; these settings are missing or wrong:\n  " + str(error).replace("\n", "\n  "),
            code=2,
        )
    except (EngineError, ReferralError) as error:
        fail(f"Cannot go on: {error}")


def fail(text: str, code: int = 1) -> NoReturn:
    """Say why on standard error and end: 1 for a refusal, 2 for wrong settings."""
    typer.echo(text, err=True)
    raise typer.Exit(code)
