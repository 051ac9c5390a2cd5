"""The national register in tests: filled by the command itself, and empty again after each such test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool
from typer.testing import CliRunner

from referral.cli import app
from referral.embedded import Engines
from referral.storage.db import Database
from tests.database import MASTER_KEY

# (exit code, what it said, what it complained about)
Import = Callable[..., tuple[int, str, str]]


@pytest.fixture
def environment(database: Database) -> dict[str, str]:
    """What the command needs to know to find the database of these tests."""
    return {
        "REFERRAL_DATABASE_URL": database.url,
        "REFERRAL_REDIS_URL": "redis://127.0.0.1:1/0",
        "REFERRAL_MASTER_KEY": MASTER_KEY,
        "REFERRAL_LOG_FORMAT": "json",
    }


@pytest.fixture
def empty_register(engines: Engines) -> Iterator[None]:
    """It belongs to the installation, so what one test imports another one would find."""
    yield
    admin = create_engine(engines.admin_url, poolclass=NullPool)
    with admin.begin() as connection:
        connection.execute(text("TRUNCATE npi_record, npi_key, npi_import"))
    admin.dispose()


@pytest.fixture
def import_nppes(
    environment: dict[str, str], empty_register: None, monkeypatch: pytest.MonkeyPatch
) -> Import:
    """`referral import-nppes`, in this process."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def run(path: Path, *options: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(app, ["import-nppes", str(path), *options], catch_exceptions=False)
        return done.exit_code, done.stdout, done.stderr

    return run
