"""A letter carries what answers a request; nobody of the clinic reads it out of the files meanwhile."""

from __future__ import annotations

import pytest

from referral.domain.codes import Channel, Role
from referral.domain.credential import Minted
from referral.services.close_referral import cancel_referral
from tests.database import NOW, ClinicFixture
from tests.web.client import application
from tests.web.desk import OpenDesk, desk
from tests.web.portal_case import Case, make_case, serve

LETTER = b"%PDF-1.7 link and code"


@pytest.fixture
def case(clinic: ClinicFixture) -> Case:
    return make_case(clinic)


def letter_of(case: Case, minted: Minted, *, really_sent: bool) -> str:
    case.attach_letter(minted, LETTER)
    with case.clinic.transaction() as session:
        return str(
            session.connection.exec_driver_sql(
                "UPDATE message SET sent_for_real = %s WHERE id = %s RETURNING letter_id",
                (really_sent, case.credential(minted).message_id),
            ).scalar_one()
        )


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.MEDICAL_DIRECTOR])
def test_a_letter_that_has_left_is_closed_until_its_link_is_dead(
    case: Case, open_desk: OpenDesk, role: Role
) -> None:
    letter = letter_of(case, case.link(Channel.EMAIL), really_sent=True)
    robin = open_desk(case.clinic, role)
    assert "carries the clinician" in robin.get(f"/documents/{letter}")
    assert robin.status == 403
    with case.clinic.transaction() as session:
        version = case.state().version
        cancel_referral(session, case.clinic.actor, case.referral.id, version, "cancelled-by-clinic", NOW)
    assert robin.client.get(f"/documents/{letter}").content == LETTER


def test_a_letter_that_people_have_to_send_themselves_is_open(case: Case, open_desk: OpenDesk) -> None:
    letter = letter_of(case, case.link(Channel.FAX), really_sent=False)
    robin = open_desk(case.clinic, Role.FRONT_DESK)
    assert robin.client.get(f"/documents/{letter}").content == LETTER


def test_a_letter_that_is_going_to_leave_is_closed_before_it_does(case: Case) -> None:
    """Over a weekend a letter waits for days; who reads here must not be able to answer meanwhile."""
    letter = letter_of(case, case.link(Channel.EMAIL), really_sent=False)
    provider = {"smtp_url": "smtp://127.0.0.1:1", "mail_from": "requests@clinic.example"}
    with serve(application(case.clinic, case.clock, **provider)) as address:
        robin = desk(address, case.clinic, Role.FRONT_DESK)
        with robin.client:
            robin.get(f"/documents/{letter}")
            assert robin.status == 403
            assert letter not in robin.get(f"/requests/{case.referral.id}")
            assert robin.status == 200
