"""From the promise in the form to the visit: counted, reminded of, asked about, recorded."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from referral.domain.errors import InvalidInput, TransitionRefused
from referral.domain.follow_up import FollowUp, Outcome
from referral.domain.outgoing import MessageKind
from referral.domain.records import Referral
from referral.services.find_today import Reason, find_today
from referral.services.follow_up import follow_up_due, record_outcome
from referral.services.treat import record_consultation, start_treatment
from referral.storage import follow_ups, orders, outbox, resources
from tests.database import NOW, ClinicFixture
from tests.services import people

# A Tuesday, named by the office: what counts from a start counts from the time of the database.
DUE = date(2026, 12, 1)


@pytest.fixture
def treated(clinic: ClinicFixture) -> Referral:
    """Recommended with a visit within four weeks; one session given."""
    with clinic.transaction() as session:
        person = people.patient(session, clinic, email="maren@home.example")
        order = people.order(session, clinic, person)
        (asked,) = people.ask(session, clinic, order, people.clinician(session, clinic))
        people.respond_with(session, clinic, asked)
        assert follow_up_due(session, NOW) == 0
        record_consultation(session, clinic.actor, order.id, NOW, NOW)
        start_treatment(session, clinic.actor, order.id, person.id, NOW)
    return asked


def sweep(clinic: ClinicFixture, about: Referral, now: datetime) -> list[MessageKind]:
    """What this sweep has queued; a second one at the same time queues nothing."""
    with clinic.transaction() as session:
        before = {message.id for message in outbox.find(session, referral_id=about.id)}
        follow_up_due(session, now)
    with clinic.transaction() as session:
        assert follow_up_due(session, now) == 0
        return [
            message.kind for message in outbox.find(session, referral_id=about.id) if message.id not in before
        ]


def follow(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        follow_up_due(session, NOW)


def named(clinic: ClinicFixture, about: Referral) -> FollowUp:
    """The office has named the day."""
    with clinic.transaction() as session:
        record_outcome(session, clinic.actor, promise(clinic, about).id, "moved", DUE, NOW)
    return promise(clinic, about)


def promise(clinic: ClinicFixture, referral: Referral) -> FollowUp:
    with clinic.transaction() as session:
        found = follow_ups.of_referral(session, referral.id)
    assert found is not None
    return found


def task(clinic: ClinicFixture, id: str) -> dict[str, object]:
    with clinic.transaction() as session:
        return resources.read(session, "Task", id).document


def at(day: date) -> datetime:
    """Ten in the morning in Denver."""
    return NOW + (day - NOW.date())


def test_the_day_counts_from_the_last_session(clinic: ClinicFixture, treated: Referral) -> None:
    assert promise(clinic, treated).due_on is None
    with clinic.transaction() as session:
        (start,) = orders.starts(session, treated.order_id)
    follow(clinic)
    held = promise(clinic, treated)
    began = start.started_at.astimezone(ZoneInfo("America/Denver")).date()
    assert (held.due_on, held.within, held.adjuster) == (began + timedelta(days=28), "4-weeks", "we")


def test_each_is_told_once(clinic: ClinicFixture, treated: Referral) -> None:
    held = named(clinic, treated)
    assert task(clinic, held.id)["restriction"] == {"period": {"end": "2026-12-01"}}
    # Three business days ahead: Thanksgiving on November 26 does not count.
    assert sweep(clinic, treated, at(date(2026, 11, 24))) == []
    assert sweep(clinic, treated, at(date(2026, 11, 25))) == [MessageKind.PATIENT_VISIT]
    assert sweep(clinic, treated, at(date(2026, 12, 2))) == []
    assert sweep(clinic, treated, at(date(2026, 12, 3))) == [MessageKind.FOLLOW_UP]
    assert sweep(clinic, treated, at(date(2026, 12, 9))) == []


def overdue(clinic: ClinicFixture, day: date) -> bool:
    with clinic.transaction() as session:
        board = find_today(session, clinic.actor, day, at(day))
    return any(item.reason is Reason.FOLLOW_UP for item in board.attention)


def test_who_was_asked_in_vain_stands_in_nobodys_way(clinic: ClinicFixture, treated: Referral) -> None:
    held = named(clinic, treated)
    with clinic.transaction() as session:
        assert [one.id for one in follow_ups.unasked_until(session, DUE)] == [held.id]
    assert sweep(clinic, treated, at(date(2026, 12, 3))) == [MessageKind.FOLLOW_UP]
    with clinic.transaction() as session:
        assert follow_ups.unasked_until(session, DUE) == []
        assert [one.id for one in follow_ups.open_until(session, DUE, 1)] == [held.id]


def test_nobody_answers_and_the_front_desk_sees_to_it(clinic: ClinicFixture, treated: Referral) -> None:
    named(clinic, treated)
    sweep(clinic, treated, at(date(2026, 12, 3)))
    assert not overdue(clinic, date(2026, 12, 9))
    assert overdue(clinic, date(2026, 12, 10))
    held = promise(clinic, treated)
    with clinic.transaction() as session:
        record_outcome(session, clinic.actor, held.id, "seen", DUE, at(date(2026, 12, 10)))
    assert not overdue(clinic, date(2026, 12, 10))
    seen = promise(clinic, treated)
    assert (seen.outcome, seen.outcome_on, seen.settled_by) == (Outcome.SEEN, DUE, clinic.actor.id)
    told = task(clinic, held.id)
    assert (told["status"], told["executionPeriod"]) == (
        "completed",
        {"start": "2026-12-01", "end": "2026-12-01"},
    )
    with clinic.transaction() as session, pytest.raises(TransitionRefused):
        record_outcome(session, clinic.actor, held.id, "lost", None, at(date(2026, 12, 11)))
    assert sweep(clinic, treated, at(date(2026, 12, 20))) == []


def test_a_visit_that_is_moved_is_reminded_of_and_asked_about_again(
    clinic: ClinicFixture, treated: Referral
) -> None:
    held, moved = named(clinic, treated), date(2026, 12, 18)
    assert sweep(clinic, treated, at(date(2026, 12, 3))) == [MessageKind.FOLLOW_UP]
    for outcome, day in (("moved", None), ("moved", DUE), ("seen", moved), ("", moved)):
        with clinic.transaction() as session, pytest.raises(InvalidInput):
            record_outcome(session, clinic.actor, held.id, outcome, day, at(date(2026, 12, 3)))
    with clinic.transaction() as session:
        record_outcome(session, clinic.actor, held.id, "moved", moved, at(date(2026, 12, 3)))
    assert task(clinic, held.id)["status"] == "accepted"
    assert sweep(clinic, treated, at(date(2026, 12, 14))) == []
    assert sweep(clinic, treated, at(date(2026, 12, 15))) == [MessageKind.PATIENT_VISIT]
    assert sweep(clinic, treated, at(date(2026, 12, 22))) == [MessageKind.FOLLOW_UP]


def test_who_promises_nothing_is_not_asked(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        asked = people.asked_once(session, clinic)
        people.respond_with(session, clinic, asked, people.answers(next_visit="none"))
        assert follow_ups.of_referral(session, asked.id) is None
