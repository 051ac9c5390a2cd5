"""A migrated database with one clinic, for tests that need rows. Each test gets a clinic of its own."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, update

from referral.domain.audit import Actor
from referral.domain.codes import Role
from referral.services.set_up_clinic import NewClinic, set_up_clinic
from referral.storage import migrate, tables
from referral.storage.db import Database, Session
from referral.storage.vault import Vault

# A Tuesday, 10:00 in Denver: business hours for everybody in these tests.
NOW = datetime(2026, 11, 3, 17, 0, tzinfo=UTC)
MASTER_KEY = base64.b64encode(bytes(range(32))).decode()


@dataclass(slots=True)
class Clock:
    """Stands still until a test moves it."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: int = 60) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class ClinicFixture:
    """One clinic in a real database; `transaction()` commits."""

    database: Database
    id: str
    actor: Actor

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        with self.database.transaction(self.id) as session:
            yield session


@pytest.fixture(scope="session")
def database(engines: object) -> Iterator[Database]:
    """Migrated once per xdist worker."""
    migrate.upgrade(engines.admin_url)  # type: ignore[attr-defined]
    made = Database(engines.app_url, Vault(base64.b64decode(MASTER_KEY)), pool_size=60)  # type: ignore[attr-defined]
    yield made
    # A closed one still works and keeps no connection: everything after that takes far longer.
    with made.transaction():
        pass
    assert made.engine.pool.checkedin(), "a test has closed what all share"  # type: ignore[attr-defined]
    made.close()


def forget_provider(session: Session, name: str) -> None:
    """As if it had never been called: its circuit is closed and all its places are free."""
    session.connection.execute(delete(tables.provider).where(tables.provider.c.name == name))


def make_clinic(database: Database) -> ClinicFixture:
    """A new clinic with the default policy in the time zone of Denver."""
    slug = f"clinic-{os.urandom(6).hex()}"
    with database.transaction() as session:
        new = NewClinic(
            slug=slug,
            name="Harbor Light Clinic",
            time_zone="America/Denver",
            letterhead={
                "address_lines": ["1480 Example Avenue", "Denver, CO 80205"],
                "telephone": "303-555-0142",
                "fax": "303-555-0143",
                "website": "harborlight.example",
                "signer_name": "Elena R. Whitcombe, MD",
            },
        )
        clinic_id = set_up_clinic(session, new, NOW)
        # Providers belong to the installation: what one test has found out about one is not another's.
        session.connection.execute(delete(tables.provider))
        # Refusals are counted by network address and hour, which all tests share.
        missed = tables.portal_throttle.c.misses > 0
        session.connection.execute(update(tables.portal_throttle).where(missed).values(misses=0))
    return ClinicFixture(database, clinic_id, Actor(clinic_id, "staff", "user-1", Role.FRONT_DESK))


@pytest.fixture
def clinic(database: Database) -> ClinicFixture:
    return make_clinic(database)


@pytest.fixture
def other_clinic(database: Database) -> ClinicFixture:
    return make_clinic(database)
