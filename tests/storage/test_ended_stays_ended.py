"""By SQL as the service's role: nothing brings back a link, a session or a client that has ended."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from referral.domain.codes import Channel
from referral.domain.credential import Minted
from referral.storage import api_clients, credentials
from tests.database import NOW, ClinicFixture
from tests.web.portal_case import make_case

ENDED = "what has ended stays ended"


@pytest.fixture
def link(clinic: ClinicFixture) -> Minted:
    """Revoked, with a session that has ended."""
    case = make_case(clinic)
    minted = case.link(Channel.FAX)
    with clinic.transaction() as session:
        credentials.open_session(
            session, minted.secret, selector=minted.selector, csrf_token="c", came_by="link", now=NOW
        )
        found = credentials.find_session(session, minted.secret)
        assert found is not None
        credentials.change_session(session, found.token_digest, ended_at=NOW)
        assert credentials.revoke_all(session, case.referral.id, "answer", NOW) == 1
    return minted


def as_the_service(clinic: ClinicFixture, statement: str, **values: object) -> int:
    with clinic.transaction() as session:
        return session.connection.execute(text(statement), values).rowcount


@pytest.mark.parametrize(
    "change",
    [
        "revoked_at = NULL",
        "revoked_at = NULL, revoked_for = NULL",
        "revoked_at = revoked_at + interval '1 day'",
        "revoked_for = 'something else'",
        "expires_at = expires_at + interval '1 day'",
    ],
)
def test_a_revoked_link_stays_revoked(clinic: ClinicFixture, link: Minted, change: str) -> None:
    statement = f"UPDATE portal_credential SET {change} WHERE selector = :selector"
    with pytest.raises(IntegrityError, match=ENDED):
        as_the_service(clinic, statement, selector=link.selector)
    counted = "UPDATE portal_credential SET attempts = attempts + 1 WHERE selector = :selector"
    assert as_the_service(clinic, counted, selector=link.selector) == 1


@pytest.mark.parametrize(
    "change",
    [
        "secret_digest = :other",
        "code_digest = :other",
        "contact_verified = true",
        "channel = 'fax'",
        "purpose = 'standing'",
        "created_at = now()",
        "referral_id = referral_id",
    ],
)
def test_what_a_link_is_is_said_once(clinic: ClinicFixture, link: Minted, change: str) -> None:
    statement = f"UPDATE portal_credential SET {change} WHERE selector = :selector"
    values = {"other": b"x" * 32} if ":other" in change else {}
    with pytest.raises(ProgrammingError, match="permission denied"):
        as_the_service(clinic, statement, selector=link.selector, **values)


def test_a_link_that_runs_out_can_only_do_so_sooner(clinic: ClinicFixture) -> None:
    minted = make_case(clinic).link(Channel.FAX)
    change = "UPDATE portal_credential SET expires_at = expires_at + :by WHERE selector = :selector"
    assert as_the_service(clinic, change, by=-timedelta(days=1), selector=minted.selector) == 1
    with pytest.raises(IntegrityError, match=ENDED):
        as_the_service(clinic, change, by=timedelta(days=1), selector=minted.selector)


def test_an_ended_session_of_the_portal_stays_ended(clinic: ClinicFixture, link: Minted) -> None:
    with pytest.raises(IntegrityError, match=ENDED):
        as_the_service(
            clinic, "UPDATE portal_session SET ended_at = NULL WHERE selector = :key", key=link.selector
        )


def test_a_client_that_was_removed_stays_removed(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        client = api_clients.ApiClient(clinic_id=clinic.id, id="script-1", name="a script", scopes=())
        api_clients.add_client(session, client, "token of " + clinic.id, NOW)
    remove = "UPDATE api_client SET revoked_at = now() WHERE id = 'script-1'"
    assert as_the_service(clinic, remove) == 1
    with pytest.raises(IntegrityError, match=ENDED):
        as_the_service(clinic, "UPDATE api_client SET revoked_at = NULL WHERE id = 'script-1'")
