"""Connections that break, pools that are full, and text that no database takes."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from referral.domain.errors import InvalidInput, Unavailable
from referral.embedded import Engines
from referral.storage.db import Database
from referral.storage.vault import Vault
from tests.database import MASTER_KEY, ClinicFixture

NUMBER = text("SELECT 1")


@pytest.fixture
def small(engines: Engines, clinic: ClinicFixture) -> Iterator[Database]:
    """A pool of two connections to a migrated database."""
    assert clinic.id
    made = Database(engines.app_url, Vault(base64.b64decode(MASTER_KEY)), pool_size=2)
    yield made
    made.close()


def in_transaction(database: Database) -> Any:
    with database.transaction() as session:
        return session.connection.scalar(NUMBER)


def in_statement(database: Database) -> Any:
    with database.statement() as connection:
        return connection.scalar(NUMBER)


@pytest.mark.parametrize("use", [in_transaction, in_statement])
def test_the_first_use_after_the_server_hung_up_works(
    engines: Engines, small: Database, use: Callable[[Database], Any]
) -> None:
    with small.transaction() as one, small.transaction() as two:
        pids = [session.connection.scalar(text("SELECT pg_backend_pid()")) for session in (one, two)]
    with small.statement() as connection:
        pids.append(connection.scalar(text("SELECT pg_backend_pid()")))
    admin = create_engine(engines.admin_url, poolclass=NullPool)
    with admin.connect() as connection:
        # 5 s of patience: it returns when the backend is gone.
        ended = text("SELECT pg_terminate_backend(pid, 5000) FROM unnest(:pids) AS pid")
        assert all(connection.scalars(ended, {"pids": pids}))
    assert [use(small) for _ in range(3)] == [1, 1, 1]


@pytest.mark.parametrize("use", ["transaction", "statement"])
def test_a_connection_that_comes_back_after_closing_is_closed(small: Database, use: str) -> None:
    with getattr(small, use)() as used:
        connection = used.connection if use == "transaction" else used
        raw = connection.connection.dbapi_connection
        assert connection.scalar(NUMBER) == 1
        small.close()
        assert not raw.closed
    assert raw.closed
    # Nor does one stay open that is opened even later.
    with getattr(small, use)() as used:
        late = (used.connection if use == "transaction" else used).connection.dbapi_connection
        assert not late.closed
    assert late.closed
    assert in_transaction(small) == in_statement(small) == 1


def test_a_connection_that_breaks_in_the_middle_is_said_in_a_sentence(small: Database) -> None:
    with pytest.raises(Unavailable, match="nothing was changed"), small.transaction() as session:
        session.connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    assert in_transaction(small) == 1


def test_a_server_that_is_not_there_is_said_in_a_sentence(small: Database) -> None:
    nowhere = Database("postgresql+psycopg://referral_app@/referral?host=/nowhere", small.vault)
    with pytest.raises(Unavailable):
        in_transaction(nowhere)


def test_the_time_zone_of_the_server_does_not_matter(engines: Engines, small: Database) -> None:
    admin = create_engine(engines.admin_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("ALTER ROLE referral_app SET timezone = 'Asia/Kathmandu'"))
        try:
            with small.transaction() as session:
                zone = session.connection.scalar(text("SELECT current_setting('TimeZone')"))
        finally:
            connection.execute(text("ALTER ROLE referral_app RESET timezone"))
    assert zone == "UTC"


@pytest.mark.parametrize(
    "statement", ["SELECT CAST(:words AS text)", "SELECT to_jsonb(CAST(:escaped AS jsonb))"]
)
def test_text_with_a_nul_is_refused_and_no_bug(small: Database, statement: str) -> None:
    words = {"words": "a\x00b"} if ":words" in statement else {"escaped": '"a\\u0000b"'}
    with pytest.raises(InvalidInput), small.transaction() as session:
        session.connection.execute(text(statement), words)


def test_what_takes_too_long_is_given_up_and_said(engines: Engines) -> None:
    made = Database(
        engines.app_url,
        Vault(base64.b64decode(MASTER_KEY)),
        pool_size=1,
        longest_statement=timedelta(milliseconds=200),
    )
    for_ever = text("SELECT pg_sleep(3600)")
    with pytest.raises(Unavailable, match="took too long"), made.transaction() as session:
        session.connection.execute(for_ever)
    with pytest.raises(Unavailable, match="took too long"), made.statement() as connection:
        connection.execute(for_ever)
    assert in_transaction(made) == in_statement(made) == 1
    made.close()
