"""What the ladder brings up for people stays on the Today board until one of them has seen to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from referral.domain.errors import StaleVersion, TransitionRefused
from referral.domain.outgoing import MessageKind
from referral.domain.records import Referral
from referral.domain.reminders import Audience, Ladder, Rung, Step
from referral.services.attention import Reason
from referral.services.change_ladder import change_ladder
from referral.services.find_escalations import attend
from referral.services.find_today import find_today
from referral.services.send_reminders import send_reminders
from referral.storage import clinics, orders, outbox, referrals
from tests.database import NOW, ClinicFixture
from tests.services import people

TALL = Ladder(
    (
        Rung(1, Step.SUGGEST_ANOTHER),
        Rung(2, Step.ESCALATE, to=Audience.MEDICAL_DIRECTOR),
        Rung(3, Step.ESCALATE, to=Audience.CLINICIAN),
        Rung(9, Step.EXPIRE),
    )
)


@pytest.fixture
def referral(clinic: ClinicFixture) -> Referral:
    with clinic.transaction() as session:
        version = clinics.policy_in_force(session)[0].version
        why = "People first, letters later."
        change_ladder(session, people.director(clinic), TALL, based_on=version, reason=why, now=NOW)
    with clinic.transaction() as session:
        return people.asked_once(session, clinic)


def climb(clinic: ClinicFixture, now: datetime) -> None:
    with clinic.transaction() as session:
        send_reminders(session, now)


def board(clinic: ClinicFixture, now: datetime) -> list[tuple[Reason, Audience]]:
    with clinic.transaction() as session:
        found = find_today(session, clinic.actor, now.date(), now).attention
        return [(item.reason, item.escalation.to) for item in found if item.escalation]


def day(count: int) -> datetime:
    """9:05 in Denver, on a business day after Tuesday the 3rd."""
    return NOW.replace(hour=16, minute=5) + timedelta(days=count)


def test_each_rung_is_on_the_board_for_whom_it_is_until_somebody_has_seen_to_it(
    clinic: ClinicFixture, referral: Referral
) -> None:
    climb(clinic, day(1))
    assert board(clinic, day(1)) == [(Reason.SUGGEST_ANOTHER, Audience.FRONT_DESK)]
    climb(clinic, day(2))
    assert (Reason.ESCALATED, Audience.MEDICAL_DIRECTOR) in board(clinic, day(2))
    with clinic.transaction() as session:
        now = referrals.get(session, referral.id)
        attend(session, clinic.actor, referral.id, now.version, day(2))
        with pytest.raises(StaleVersion):
            attend(session, clinic.actor, referral.id, now.version, day(2))
    assert board(clinic, day(2)) == []
    climb(clinic, day(3))
    assert board(clinic, day(3)) == [(Reason.ESCALATED, Audience.CLINICIAN)]
    with clinic.transaction() as session:
        # Nobody outside was written to by any of it.
        sent = {message.kind for message in outbox.find(session, referral_id=referral.id)}
        assert sent == {MessageKind.REQUEST}


def test_a_second_clinician_who_was_asked_answers_the_suggestion(
    clinic: ClinicFixture, referral: Referral
) -> None:
    climb(clinic, day(1))
    with clinic.transaction() as session:
        other = people.clinician(session, clinic, given="Ines", family="Marsh", npi="9000000023")
        order = orders.get(session, referral.order_id)
        people.ask(session, clinic, order, other, now=day(1) + timedelta(minutes=5))
    assert board(clinic, day(1) + timedelta(hours=1)) == []


def test_what_people_were_to_do_in_an_outage_is_still_to_be_done(
    clinic: ClinicFixture, referral: Referral
) -> None:
    climb(clinic, day(3))
    assert {reason for reason, _ in board(clinic, day(3))} == {Reason.SUGGEST_ANOTHER, Reason.ESCALATED}
    with clinic.transaction() as session:
        assert referrals.get(session, referral.id).climbed == 3


def test_an_answer_takes_it_off_the_board(clinic: ClinicFixture, referral: Referral) -> None:
    climb(clinic, day(1))
    with clinic.transaction() as session:
        people.respond_with(session, clinic, replace(referral), now=day(1))
    assert board(clinic, day(1)) == []
    with clinic.transaction() as session:
        now = referrals.get(session, referral.id)
        with pytest.raises(TransitionRefused):
            attend(session, clinic.actor, referral.id, now.version, day(1))
