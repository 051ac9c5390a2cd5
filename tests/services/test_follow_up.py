"""From the promise in the form to the visit: counted, reminded of, asked about, recorded."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event

from referral.domain.course import Ended, Ending
from referral.domain.errors import InvalidInput, TransitionRefused
from referral.domain.follow_up import FollowUp, Outcome
from referral.domain.outgoing import MessageKind
from referral.domain.records import Referral
from referral.services.attention import Reason
from referral.services.find_today import find_today
from referral.services.follow_up import follow_up_due, record_outcome
from referral.services.keep_course import keep, stamp
from referral.services.treat import record_consultation, start_treatment
from referral.storage import directory, follow_ups, orders, outbox, referrals, resources
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


def days_after(clinic: ClinicFixture, about: Referral, moment: datetime) -> int:
    """Days from the clinic's day of a moment to that of the visit."""
    due = promise(clinic, about).due_on
    assert due is not None
    return (due - moment.astimezone(ZoneInfo("America/Denver")).date()).days


def test_the_day_counts_from_the_last_session_and_then_from_the_end(
    clinic: ClinicFixture, treated: Referral
) -> None:
    with clinic.transaction() as session:
        (start,) = orders.starts(session, treated.order_id)
    held = promise(clinic, treated)
    assert (days_after(clinic, treated, start.started_at), held.within, held.adjuster) == (
        28,
        "4-weeks",
        "we",
    )
    ended = start.started_at + timedelta(days=10)
    with clinic.transaction() as session:
        order = orders.get(session, treated.order_id)
        stamped = stamp(session, clinic.actor, order, ended)
        end = Ended(ending=Ending.COMPLETED, reason=None, ended_at=ended, stamp=stamped)
        keep(session, clinic.actor, order, [end], ended)
    assert days_after(clinic, treated, ended) == 28
    assert task(clinic, held.id)["restriction"] == {
        "period": {"end": str(promise(clinic, treated).due_on)},
    }


def test_what_is_promised_after_a_start_has_its_day_at_once(clinic: ClinicFixture, treated: Referral) -> None:
    """Another clinician has recommended as well, late."""
    with clinic.transaction() as session:
        lee = people.clinician(
            session, clinic, given="Hannah", family="Lee", npi="9000000023", email="l@lee.example"
        )
        (later,) = people.ask(session, clinic, orders.get(session, treated.order_id), lee)
        people.respond_with(session, clinic, later)
    assert promise(clinic, later).due_on == promise(clinic, treated).due_on is not None


def test_a_sweep_with_nothing_due_counts_nothing(clinic: ClinicFixture, treated: Referral) -> None:
    with clinic.transaction() as session:
        said_to: list[str] = []
        event.listen(
            session.connection, "before_cursor_execute", lambda *given: said_to.append(given[2].split()[0])
        )
        assert follow_up_due(session, NOW) == 0
    assert said_to
    assert set(said_to) == {"SELECT"}


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


def answer_anew(clinic: ClinicFixture, about: Referral, **changes: str) -> Referral:
    """Asked once more about the same order, the same clinician answers otherwise."""
    with clinic.transaction() as session:
        clinician = directory.get_clinician(session, about.clinician_id)
        (again,) = people.ask(session, clinic, orders.get(session, about.order_id), clinician)
        people.respond_with(session, clinic, again, people.answers(**changes))
    return again


def test_an_amended_answer_replaces_the_promise_that_is_open(
    clinic: ClinicFixture, treated: Referral
) -> None:
    old = named(clinic, treated)
    new = promise(clinic, answer_anew(clinic, treated, next_visit="2-weeks", medication_adjuster="other"))
    assert (new.within, new.adjuster, new.settled_at) == ("2-weeks", "other", None)
    assert new.due_on is not None
    replaced = promise(clinic, treated)
    assert (replaced.id, replaced.outcome, replaced.settled_at) == (old.id, Outcome.SUPERSEDED, NOW)
    told = task(clinic, old.id)
    assert (told["status"], told["statusReason"]["coding"][0]["code"]) == ("cancelled", "superseded")  # type: ignore[index]
    assert task(clinic, new.id)["status"] == "accepted"
    with clinic.transaction() as session:
        events = [one for one in referrals.events(session, treated.id) if one.event == "follow-up-outcome"]
        assert [one.detail["outcome"] for one in events] == ["moved", "superseded"]
        assert [one.id for one in follow_ups.unasked_until(session, date(2027, 12, 31))] == [new.id]
    # Nobody says so of a visit, neither on the portal nor at the desk.
    with clinic.transaction() as session, pytest.raises(InvalidInput):
        record_outcome(session, clinic.actor, new.id, "superseded", None, NOW)


def test_a_new_answer_that_promises_nothing_ends_it_and_another_clinicians_does_not(
    clinic: ClinicFixture, treated: Referral
) -> None:
    with clinic.transaction() as session:
        lee = people.clinician(
            session, clinic, given="Hannah", family="Lee", npi="9000000023", email="l@lee.example"
        )
        (other,) = people.ask(session, clinic, orders.get(session, treated.order_id), lee)
        people.respond_with(session, clinic, other)
    assert promise(clinic, treated).settled_at is None
    again = answer_anew(clinic, treated, next_visit="none")
    with clinic.transaction() as session:
        assert follow_ups.of_referral(session, again.id) is None
    assert promise(clinic, treated).outcome is Outcome.SUPERSEDED
    assert promise(clinic, other).settled_at is None
