"""A database of its own that is backed up and put back, for tests of what a restore must not undo."""

from __future__ import annotations

import base64
import itertools
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from referral.domain.codes import Role
from referral.embedded import Engines
from referral.services.export_stream import export
from referral.services.reconcile import Newer, Report, reconcile
from referral.services.restore_mode import approve, detect
from referral.storage import accounts, migrate, mode
from referral.storage.accounts import StaffUser
from referral.storage.db import Database
from referral.storage.stream import Stream
from referral.storage.vault import Vault
from tests.database import MASTER_KEY, NOW, ClinicFixture, make_clinic

_numbers = itertools.count(1)
# An empty database with all tables, made once per test process.
_migrated: set[str] = set()


class Installation:
    """One clinic, its database and its exported stream. A backup is a copy that the server itself makes."""

    def __init__(self, engines: Engines, stream_dir: Path) -> None:
        self._engines = engines
        self.stream_dir = stream_dir
        self._name = f"restoring_{os.getpid()}"
        if self._name not in _migrated:
            self._admin(f"CREATE DATABASE {self._name}")
            migrate.upgrade(self._url(engines.admin_url))
            _migrated.add(self._name)
        empty, self._name = self._name, self._new_name()
        self._admin(f"CREATE DATABASE {self._name} TEMPLATE {empty}")
        self.clinic = make_clinic(self._connect())

    def _new_name(self) -> str:
        return f"restoring_{os.getpid()}_{next(_numbers)}"

    def _url(self, url: str) -> str:
        return url.replace("/referral?", f"/{self._name}?")

    def _admin(self, statement: str) -> None:
        address = self._engines.admin_url.replace("postgresql+psycopg", "postgresql")
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement.encode())

    def _connect(self) -> Database:
        return Database(self._url(self._engines.app_url), Vault(base64.b64decode(MASTER_KEY)), pool_size=4)

    def close(self) -> None:
        self.clinic.database.close()

    def backup(self) -> str:
        """Copy the database as it is; returns what restore() wants."""
        self.close()
        copy = self._new_name()
        self._admin(f"CREATE DATABASE {copy} TEMPLATE {self._name}")
        self.clinic = replace(self.clinic, database=self._connect())
        return copy

    def restore(self, copy: str) -> None:
        """Go on with a copy of the backup, which can be restored again."""
        self.close()
        self._name = self._new_name()
        self._admin(f"CREATE DATABASE {self._name} TEMPLATE {copy}")
        self.clinic = replace(self.clinic, database=self._connect())

    def export(self) -> int:
        return export(self.clinic.database, self.stream_dir, self.clinic.id)

    def detect(self) -> str | None:
        return detect(self.clinic.database, self.stream_dir, keeps_stream=True)

    def reconcile(self, newer: Newer = Newer.ASK) -> Report:
        """As the command does it: one transaction, then the export that goes on behind it."""
        with self.clinic.transaction() as session:
            report = reconcile(session, Stream(self.stream_dir, self.clinic.id).read(), newer, NOW)
        self.export()
        return report

    def person(self, role: Role) -> StaffUser:
        return person(self.clinic, role)

    def approve(self, user: StaffUser) -> bool:
        actor = replace(self.clinic.actor, id=user.id, role=user.role)
        with self.clinic.transaction() as session:
            return approve(session, actor, user, NOW)

    def reopen(self) -> None:
        self.approve(self.person(Role.ADMIN))
        assert self.approve(self.person(Role.MEDICAL_DIRECTOR))


@pytest.fixture
def installation(engines: Engines, data_dir: Path) -> Iterator[Installation]:
    made = Installation(engines, data_dir / "stream")
    yield made
    made.close()


def person(clinic: ClinicFixture, role: Role) -> StaffUser:
    user = StaffUser(
        clinic_id=clinic.id,
        id=str(uuid.uuid4()),
        email=f"{uuid.uuid4().hex}@clinic.example",
        name="Robin Desk",
        role=role,
        password_hash="!",
        active=True,
        failed_sign_ins=0,
        locked_until=None,
    )
    with clinic.transaction() as session:
        accounts.add_user(session, user)
    return user


@contextmanager
def closed(clinic: ClinicFixture) -> Iterator[None]:
    """Restore mode of this clinic alone; it is opened again, as other tests share the database."""
    with clinic.transaction() as session:
        mode.add(session, "entered", "system", "a test")
    try:
        yield
    finally:
        people = person(clinic, Role.ADMIN), person(clinic, Role.MEDICAL_DIRECTOR)
        with clinic.transaction() as session:
            mode.add(session, "reconciled", "system")
            for one in people:
                mode.add(session, "approved", one.id)
            mode.add(session, "reopened", people[1].id)


def restored(installation: Installation, copy: str) -> ClinicFixture:
    """Everything so far is exported; then the backup is put back, and noticed."""
    installation.export()
    installation.restore(copy)
    assert installation.detect() is not None
    return installation.clinic
