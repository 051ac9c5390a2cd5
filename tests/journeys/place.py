"""An application of this process, a provider of fax on loopback, and people who sit before pages.

For journeys without supervisor, beat and worker: what these would do, a test does by its own hand.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

from referral.bootstrap import Runtime
from referral.domain.codes import Role
from referral.domain.credential import random_token
from referral.letters.render import Renderer
from referral.services.deliver_messages import Delivery, deliver_due
from referral.storage import accounts
from referral.storage.accounts import StaffUser
from referral.storage.db import Database
from referral.web.app import create_app
from tests.database import NOW, ClinicFixture, Clock, make_clinic
from tests.provider import FakeProvider, provider_server
from tests.web.client import runtime
from tests.web.desk import add_person
from tests.web.portal_case import serve

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody at a desk of their own."""

    user: StaffUser
    page: Page


@dataclass(frozen=True, slots=True)
class Server:
    """One for all clinics of a module: a session and a link say whose they are."""

    address: str
    runtime: Runtime
    provider: FakeProvider


@dataclass(slots=True)
class Place:
    """One clinic behind the server."""

    clinic: ClinicFixture
    server: Server
    browser: Browser
    opened: ExitStack = field(default_factory=ExitStack)

    def context(self, **options: Any) -> BrowserContext:
        settings = {"base_url": self.server.address, "viewport": {"width": 1440, "height": 900}}
        made = self.browser.new_context(**{**settings, **options})
        self.opened.callback(made.close)
        made.set_default_timeout(40_000)
        return made

    def sit(self, role: Role, name: str, **options: Any) -> Person:
        """Signed in, before an empty page."""
        user, token = add_person(self.clinic, role, name), random_token()
        with self.clinic.transaction() as session:
            accounts.open_session(session, token, user, random_token(size=18), NOW)
        context = self.context(**options)
        context.add_cookies([{"name": "referral_staff", "value": token, "url": self.server.address}])
        return Person(user, context.new_page())

    def rows(self, statement: str, *values: object) -> list[Row]:
        """What the clinic sees of its tables."""
        with self.clinic.transaction() as session:
            found = session.connection.exec_driver_sql(statement, values)
            return [tuple(row) for row in found]

    def one(self, statement: str, *values: object) -> Row:
        (row,) = self.rows(statement, *values)
        return row

    def deliver(self, renderer: Renderer) -> None:
        """What the worker does when it is rung for."""
        work = Delivery(
            database=self.clinic.database,
            channels=self.server.runtime.channels,
            renderer=renderer,
            base_url=self.server.address,
            now=self.server.runtime.now,
        )
        deliver_due(work, self.clinic.id)


@contextmanager
def serving(database: Database) -> Iterator[Server]:
    """Faxes go to a provider on loopback, which reports to this server."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with provider_server() as provider:
        made = runtime(make_clinic(database), Clock(), fax_url=provider.fax_url, base_url=address)
        with serve(create_app(made), listener) as listening:
            assert listening == address
            yield Server(address, made, provider)


@contextmanager
def opening(database: Database, server: Server, browser: Browser) -> Iterator[Place]:
    """A clinic of its own for one journey."""
    place = Place(make_clinic(database), server, browser)
    with place.opened:
        yield place
