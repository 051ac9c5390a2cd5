"""One server for all tests of staff pages in a process: a session says to which clinic it belongs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from referral.domain.codes import Role
from referral.storage.db import Database
from tests.database import ClinicFixture, make_clinic
from tests.web.client import application
from tests.web.desk import Desk, OpenDesk, desk
from tests.web.portal_case import PORTAL, serve


@pytest.fixture(scope="session", autouse=True)
def _portal_ends(database: Database) -> Iterator[None]:
    """Before its database does."""
    del database
    yield
    PORTAL.close()


@pytest.fixture(scope="session")
def staff_server(database: Database) -> Iterator[str]:
    with serve(application(make_clinic(database))) as address:
        yield address


@pytest.fixture
def open_desk(staff_server: str) -> Iterator[OpenDesk]:
    """Signs somebody of a role in; all are closed after the test."""
    with ExitStack() as opened:

        def sit_down(clinic: ClinicFixture, role: Role = Role.FRONT_DESK) -> Desk:
            made = desk(staff_server, clinic, role)
            opened.enter_context(made.client)
            return made

        yield sit_down
