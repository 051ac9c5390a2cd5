"""What a provider has answered is not lost because the database is away when it is to be written down."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from referral.channels.base import Outcome
from referral.domain.errors import Unavailable
from referral.domain.outgoing import MessageState
from referral.embedded import Engines
from referral.letters.render import Renderer
from referral.services.deliver_messages import deliver_due
from referral.storage import providers
from referral.storage.db import Database
from tests.database import ClinicFixture
from tests.faults.fleet import database_socket, through
from tests.faults.proxy import FaultProxy, fault_proxy
from tests.services.sending import Provider, asked, delivery, only_message


@pytest.fixture
def proxy(engines: Engines) -> Iterator[FaultProxy]:
    with fault_proxy(database_socket(engines)) as made:
        yield made


@pytest.fixture
def remote(clinic: ClinicFixture, engines: Engines, proxy: FaultProxy) -> Iterator[ClinicFixture]:
    """The clinic as a worker sees it whose database is behind the proxy."""
    database = Database(through(proxy, engines.app_url), clinic.database.vault, pool_size=4)
    yield replace(clinic, database=database)
    database.close()


def test_an_answer_that_comes_while_the_database_restarts_is_written_down_afterwards(
    clinic: ClinicFixture, remote: ClinicFixture, proxy: FaultProxy, renderer: Renderer
) -> None:
    referrals = [asked(clinic), asked(clinic)]
    back = threading.Timer(1.5, lambda: setattr(proxy, "refusing", False))

    def go_away() -> None:
        if not proxy.refusing and not back.is_alive():
            proxy.refusing = True
            proxy.cut()
            back.start()

    # Mail cannot be asked about: without a record, a person would have to find out whether it left.
    mail = Provider(Outcome.ACCEPTED, then=go_away)
    mail.at_once = 2
    with suppress(Unavailable):  # whoever asks for more work meanwhile is told so
        deliver_due(delivery(remote, renderer, email=mail), clinic.id)
    back.join()
    assert len(mail.sent) == 2
    with clinic.transaction() as session:
        for referral in referrals:
            assert only_message(session, referral).state is MessageState.ACCEPTED
        # Nor do the places of these calls stay taken: others would wait for them in vain.
        (row,) = [one for one in providers.every(session) if one.name == mail.name]
        assert dict(row.uses) == {}


def test_places_that_could_not_be_given_back_are_when_the_next_batch_is_opened(
    clinic: ClinicFixture,
    remote: ClinicFixture,
    proxy: FaultProxy,
    renderer: Renderer,
) -> None:
    asked(clinic)

    def go_away() -> None:
        proxy.refusing = True
        proxy.cut()

    mail = Provider(Outcome.ACCEPTED, then=go_away)
    work = replace(delivery(remote, renderer, email=mail), restart_seconds=0.1)
    with pytest.raises(Unavailable):
        deliver_due(work, clinic.id)
    with clinic.transaction() as session:
        (row,) = [one for one in providers.every(session) if one.name == mail.name]
        assert len(row.uses) == 1
    proxy.refusing = False
    mail.then = list
    asked(clinic)
    deliver_due(work, clinic.id)
    assert len(mail.sent) == 2
    with clinic.transaction() as session:
        (row,) = [one for one in providers.every(session) if one.name == mail.name]
        assert dict(row.uses) == {}
