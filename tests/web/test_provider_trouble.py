"""A provider that takes nothing is in the way of everybody: whoever can see to it is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from referral.domain.codes import Role
from referral.letters.render import Renderer
from referral.services.deliver_messages import Delivery, deliver_due
from tests.database import NOW, ClinicFixture, Clock, forget_provider
from tests.provider import PASSWORD, provider_server
from tests.services.conftest import renderer  # noqa: F401 - the fixture
from tests.services.test_dispatch import notices
from tests.web.client import application, runtime
from tests.web.desk import desk
from tests.web.portal_case import serve

SENTENCE = "The provider takes nothing: the SMS provider answered 401, code 20003 to our request."
TITLE = "Sending by text message stands still"


@pytest.fixture
def server(clinic: ClinicFixture, renderer: Renderer) -> Iterator[str]:  # noqa: F811
    """Five texts are due, and the password in the settings is not that of the account."""
    notices(clinic, 5)
    with provider_server() as provider:
        url = provider.sms_url.replace(PASSWORD, "mistyped")
        made = runtime(clinic, Clock(NOW), sms_url=url)
        work = Delivery(
            database=clinic.database, channels=made.channels, renderer=renderer, base_url="", now=Clock(NOW)
        )
        deliver_due(work, clinic.id)
        assert provider.unauthorized >= 5
        with serve(application(clinic, sms_url=url)) as address:
            yield address
    with clinic.transaction() as session:
        forget_provider(session, "sms")


def test_the_front_desk_and_who_runs_the_service_are_told(server: str, clinic: ClinicFixture) -> None:
    robin, admin = desk(server, clinic, Role.FRONT_DESK), desk(server, clinic, Role.ADMIN)
    auditor = desk(server, clinic, Role.AUDITOR)
    with robin.client, admin.client, auditor.client:
        board = robin.get("/")
        assert SENTENCE in board
        assert TITLE in board
        assert "/outbox?state=waiting&amp;channel=sms" in robin.page
        assert SENTENCE in admin.get("/")
        assert "REFERRAL_SMS_URL" in admin.text
        # It is nobody else's to mend.
        assert SENTENCE not in auditor.get("/")
        with clinic.transaction() as session:
            forget_provider(session, "sms")
        assert SENTENCE not in robin.get("/")
        assert SENTENCE not in admin.get("/")


def test_a_provider_that_is_used_no_more_is_nobodys_trouble(
    server: str,
    clinic: ClinicFixture,
) -> None:
    with serve(application(clinic)) as address:
        robin = desk(address, clinic, Role.FRONT_DESK)
        with robin.client:
            assert SENTENCE not in robin.get("/")
