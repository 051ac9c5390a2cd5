"""Pauses, holds, extensions and “back on”: the plan moves, the timeline says how, and it can be undone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import update

from referral.domain.codes import Channel
from referral.domain.errors import InvalidInput, StaleVersion, TransitionRefused
from referral.domain.outgoing import MessageKind, MessageState
from referral.domain.records import Referral
from referral.services import note_delivery
from referral.services.ask_clinic import ask_clinic
from referral.services.keep_calendar import close_days, open_days, set_hours
from referral.services.move_ladder import (
    extend_request,
    hold_request,
    last_move,
    note_back_on,
    pause_request,
    resume_request,
    undo_move,
)
from referral.services.replan import AT_ONCE, replan_open
from referral.services.send_reminders import send_reminders
from referral.storage import closures, outbox, referrals, tables
from referral.storage.db import Session
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.services.sending import asked, reached

# NOW is Tuesday, November 3. Wednesday the 11th is Veterans Day.
FRIDAY = date(2026, 11, 6)
Move = Callable[[Session, ClinicFixture, Referral], Referral]


def at(day: int, hour: int = 16) -> datetime:
    """9:00 in Denver, unless said otherwise."""
    return datetime(2026, 11, day, hour, 0, tzinfo=UTC)


def plan(referral: Referral) -> tuple[datetime | None, datetime]:
    return referral.next_step_at, referral.due_at


def pauses(session: Session, clinic: ClinicFixture, referral: Referral) -> Referral:
    return pause_request(session, clinic.actor, referral.id, referral.version, FRIDAY, NOW)


def holds(session: Session, clinic: ClinicFixture, referral: Referral) -> Referral:
    return hold_request(session, clinic.actor, referral.id, referral.version, NOW)


def extends(session: Session, clinic: ClinicFixture, referral: Referral) -> Referral:
    return extend_request(session, clinic.actor, referral.id, referral.version, 3, NOW)


def is_away(session: Session, clinic: ClinicFixture, referral: Referral) -> Referral:
    return note_back_on(session, clinic.actor, referral.id, referral.version, date(2026, 11, 9), NOW)


def test_a_request_is_planned_around_the_holiday(clinic: ClinicFixture) -> None:
    assert plan(asked(clinic)) == (at(5), at(18))


@pytest.mark.parametrize(
    ("move", "expected"),
    [
        (pauses, (at(12), at(24))),
        (holds, (None, at(18))),
        (extends, (at(5), at(23))),
        # Back on Monday the 9th, which is day 0 then.
        (is_away, (at(12), at(24))),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_move_changes_the_plan_and_an_undo_puts_it_back(
    clinic: ClinicFixture, move: Move, expected: tuple[datetime | None, datetime]
) -> None:
    referral = asked(clinic)
    with clinic.transaction() as session:
        moved = move(session, clinic, referral)
    assert plan(moved) == expected
    with clinic.transaction() as session:
        event = last_move(session, referrals.get(session, referral.id))
        assert event is not None
        assert event.detail["before"] == {
            "step": "remind",
            "at": at(5).isoformat(),
            "due": at(18).isoformat(),
        }
        assert event.detail["after"]["due"] == expected[1].isoformat()
        moment = NOW + timedelta(hours=1)
        undone = undo_move(session, clinic.actor, referral.id, moved.version, moment)
    assert plan(undone) == plan(referral)
    assert undone.held_at is None
    assert undone.paused_until is None
    with clinic.transaction() as session:
        assert last_move(session, undone) is None
        with pytest.raises(TransitionRefused, match="nothing to undo"):
            undo_move(session, clinic.actor, referral.id, undone.version, NOW)


def test_a_pause_and_a_hold_end_when_somebody_says_so(clinic: ClinicFixture) -> None:
    referral = asked(clinic)
    with clinic.transaction() as session:
        paused = pauses(session, clinic, referral)
        assert paused.paused_until == FRIDAY
        resumed = resume_request(session, clinic.actor, referral.id, paused.version, at(4))
        # One business day has gone by.
        assert plan(resumed) == (at(6), at(19))
        assert resumed.paused_until is None
        held = hold_request(session, clinic.actor, referral.id, resumed.version, at(4))
        gone_on = resume_request(session, clinic.actor, referral.id, held.version, at(9))
        assert plan(gone_on) == (at(12), at(24))
        with pytest.raises(TransitionRefused, match="neither on hold nor paused"):
            resume_request(session, clinic.actor, referral.id, gone_on.version, at(9))


def test_a_move_is_refused_on_an_old_page_on_a_closed_request_and_with_odd_input(
    clinic: ClinicFixture,
) -> None:
    referral = asked(clinic)
    with clinic.transaction() as session:
        for days in (0, 21, -1):
            with pytest.raises(InvalidInput, match="from 1 to 20"):
                extend_request(session, clinic.actor, referral.id, referral.version, days, NOW)
        for day in (NOW.date(), NOW.date() + timedelta(days=181)):
            with pytest.raises(InvalidInput, match="half a year"):
                pause_request(session, clinic.actor, referral.id, referral.version, day, NOW)
            with pytest.raises(InvalidInput, match="half a year"):
                note_back_on(session, clinic.actor, referral.id, referral.version, day, NOW)
        held = holds(session, clinic, referral)
        with pytest.raises(TransitionRefused, match="on hold already"):
            holds(session, clinic, held)
        with pytest.raises(StaleVersion):
            extends(session, clinic, referral)
        people.respond_with(session, clinic, held)
        with pytest.raises(TransitionRefused, match="closed request"):
            extends(session, clinic, referrals.get(session, referral.id))


def test_an_undo_is_not_offered_once_the_plan_has_gone_on(clinic: ClinicFixture) -> None:
    referral = reached(clinic, asked(clinic))
    with clinic.transaction() as session:
        extends(session, clinic, referral)
    with clinic.transaction() as session:
        assert send_reminders(session, at(5)) == 1
    with clinic.transaction() as session:
        changed = referrals.get(session, referral.id)
        assert last_move(session, changed) is None
        with pytest.raises(TransitionRefused):
            undo_move(session, clinic.actor, referral.id, changed.version, at(5))


def _reminders(session: Session, referral: Referral) -> list[tuple[int, MessageState]]:
    found = outbox.find(session, referral_id=referral.id)
    return sorted((m.ordinal, m.state) for m in found if m.kind is MessageKind.REMINDER)


@pytest.mark.parametrize("back", ["pause over", "undone", "question answered"])
def test_a_reminder_that_was_stopped_before_it_left_comes_later_and_only_once(
    clinic: ClinicFixture, back: str
) -> None:
    referral = reached(clinic, asked(clinic))
    with clinic.transaction() as session:
        assert send_reminders(session, at(5)) == 1
    with clinic.transaction() as session:
        changed = referrals.get(session, referral.id)
        if back == "question answered":
            ask_clinic(session, people.portal_actor(clinic), referral.id, "question", "Which dose?", at(5))
            held = referrals.get(session, referral.id)
            resume_request(session, clinic.actor, referral.id, held.version, at(6))
        else:
            until = date(2026, 11, 9)
            paused = pause_request(session, clinic.actor, referral.id, changed.version, until, at(5))
            if back == "undone":
                undo_move(session, clinic.actor, referral.id, paused.version, at(5, 18))
        assert _reminders(session, referral) == [(1, MessageState.CANCELLED)]
        again = referrals.get(session, referral.id)
        assert again.climbed == 0
        assert again.next_step_at is not None
        assert send_reminders(session, max(again.next_step_at, at(5, 18))) == 1
        assert _reminders(session, referral) == [(1, MessageState.CANCELLED), (1001, MessageState.QUEUED)]
        assert referrals.get(session, referral.id).climbed == 1


# ---- Closed days and hours that come later


def test_closed_days_of_an_office_move_its_requests_and_tell_why(clinic: ClinicFixture) -> None:
    referral = asked(clinic)
    typed = ("2026-11-05", "2026-11-06", "Conference")
    with clinic.transaction() as session:
        made = close_days(session, clinic.actor, referral.clinician_id, typed, NOW)
        moved = referrals.get(session, referral.id)
        assert plan(moved) == (at(9), at(20))
        (event,) = (e for e in referrals.events(session, referral.id) if e.event == "replanned")
        assert event.detail["why"] == "closed-days"
        assert event.detail["before"]["at"] == at(5).isoformat()
        assert event.detail["after"]["at"] == at(9).isoformat()
    with clinic.transaction() as session:
        open_days(session, clinic.actor, made.id, NOW)
        assert plan(referrals.get(session, referral.id)) == plan(referral)


def test_closed_days_that_are_over_stay_when_the_rest_is_taken_back(clinic: ClinicFixture) -> None:
    referral = asked(clinic)
    with clinic.transaction() as session:
        made = close_days(session, clinic.actor, referral.clinician_id, ("2026-11-05", "2026-11-20", ""), NOW)
    with clinic.transaction() as session:
        open_days(session, clinic.actor, made.id, at(9))
        (left,) = closures.of(session, [referral.clinician_id])[referral.clinician_id]
        assert (left.first_on, left.last_on) == (date(2026, 11, 5), date(2026, 11, 8))
        assert referrals.get(session, referral.id).next_step_at == at(9)


def test_closed_days_of_the_clinic_move_everybody_the_first_at_once_the_others_by_the_sweep(
    clinic: ClinicFixture,
) -> None:
    with clinic.transaction() as session:
        clinician = people.clinician(session, clinic)
        patient = people.patient(session, clinic)
        made = [
            people.ask(
                session, clinic, people.order(session, clinic, people.patient(session, clinic)), clinician
            )[0]
            for _ in range(AT_ONCE + 4)
        ]
        assert patient
    with clinic.transaction() as session:
        close_days(session, clinic.actor, None, ("2026-11-04", "", "Stocktaking"), NOW)
        first = {r.id for r in made if referrals.get(session, r.id).next_step_at == at(6)}
        assert len(first) == AT_ONCE
    with clinic.transaction() as session:
        assert replan_open(session, NOW)
        assert not replan_open(session, NOW)
        assert {referrals.get(session, r.id).next_step_at for r in made} == {at(6)}


def test_what_is_held_stays_held_when_days_are_closed(clinic: ClinicFixture) -> None:
    referral = asked(clinic)
    with clinic.transaction() as session:
        holds(session, clinic, referral)
        close_days(session, clinic.actor, referral.clinician_id, ("2026-11-05", "", ""), NOW)
        held = referrals.get(session, referral.id)
        assert held.next_step_at is None
        assert held.due_at == at(19)


def test_an_office_has_hours_and_weekdays_of_its_own(clinic: ClinicFixture) -> None:
    referral = asked(clinic)
    with clinic.transaction() as session:
        # Closed on Thursdays; reminders leave at 13:30.
        set_hours(session, clinic.actor, referral.clinician_id, ("13:00", "16:00", "13:30"), ["3"], NOW)
        moved = referrals.get(session, referral.id)
        assert moved.next_step_at == datetime(2026, 11, 6, 20, 30, tzinfo=UTC)
    with clinic.transaction() as session:
        set_hours(session, clinic.actor, None, ("10:00", "12:00", "11:00"), [], NOW)
        # The clinic's hours are not theirs, who have some.
        assert plan(referrals.get(session, referral.id)) == plan(moved)
        other = people.asked_once(session, clinic, given="Ines", family="Marsh", npi="9000000023")
        assert other.next_step_at == datetime(2026, 11, 5, 18, 0, tzinfo=UTC)


def test_a_plan_whose_row_is_behind_the_calendar_is_not_climbed_early(clinic: ClinicFixture) -> None:
    """The sweep comes before the walk through the requests: the calendar decides, not the row."""
    referral = asked(clinic)
    with clinic.transaction() as session:
        close_days(session, clinic.actor, None, ("2026-11-05", "", ""), NOW)
        now = referrals.get(session, referral.id)
        referrals.change(session, now, next_step_at=at(5))
    with clinic.transaction() as session:
        send_reminders(session, at(5))
        assert _reminders(session, referral) == []
        assert referrals.get(session, referral.id).next_step_at == at(6)


# ---- A letter that goes another way


def _fail(session: Session, message: outbox.Message, now: datetime) -> None:
    session.connection.execute(
        update(tables.message)
        .where(tables.message.c.id == message.id)
        .values(state=MessageState.FAILED, finished_at=now)
    )
    referral = referrals.get(session, message.referral_id, lock=True)
    note_delivery.not_delivered(session, referral, message, MessageState.FAILED, "no such mailbox", now)


def _letters(session: Session, referral: Referral) -> list[tuple[MessageKind, int, Channel]]:
    found = outbox.letters_of(session, referral.id)
    return sorted((m.kind, m.ordinal, m.channel) for m in found)


def test_a_switched_letter_takes_the_place_of_the_reminder_of_that_day(clinic: ClinicFixture) -> None:
    """The bounce comes on the morning of the first reminder: one letter that day, not two."""
    referral = asked(clinic)
    with clinic.transaction() as session:
        (request,) = outbox.letters_of(session, referral.id)
        _fail(session, request, at(5, 15))
        assert _letters(session, referral) == [("request", 1, "email"), ("request", 101, "fax")]
        changed = referrals.get(session, referral.id)
        assert changed.climbed == 1
        assert changed.next_step_at == at(9)
        assert [e.event for e in referrals.events(session, referral.id)][-1] == "step-taken"


def test_a_letter_that_bounces_on_another_day_leaves_the_reminders_alone(clinic: ClinicFixture) -> None:
    referral = asked(clinic)
    with clinic.transaction() as session:
        (request,) = outbox.letters_of(session, referral.id)
        _fail(session, request, at(4, 15))
        assert len(_letters(session, referral)) == 2
        assert referrals.get(session, referral.id).climbed == 0


def test_a_bounce_in_the_evening_counts_for_the_next_day(clinic: ClinicFixture) -> None:
    referral = asked(clinic)
    with clinic.transaction() as session:
        (request,) = outbox.letters_of(session, referral.id)
        _fail(session, request, at(5, 2))  # 19:00 on Wednesday: it leaves on Thursday morning
        assert referrals.get(session, referral.id).climbed == 1


def test_two_letters_that_bounce_on_one_day_are_switched_once(clinic: ClinicFixture) -> None:
    referral = asked(clinic)
    with clinic.transaction() as session:
        send_reminders(session, at(5))
    with clinic.transaction() as session:
        for message in outbox.letters_of(session, referral.id):
            _fail(session, message, at(5, 17))
        by_fax = [letter for letter in _letters(session, referral) if letter[2] == "fax"]
        assert len(by_fax) == 1


def test_no_office_has_more_closed_days_ahead_than_anybody_has_holidays(clinic: ClinicFixture) -> None:
    """Every sweep reads them all; a form that is sent again and again must not slow it down for everybody."""
    with clinic.transaction() as session:
        there = people.clinician(session, clinic)
        day = f"{NOW.date() + timedelta(days=30)}"
        for number in range(200):
            close_days(session, clinic.actor, there.id, (day, "", f"{number}"), NOW)
        # The same once more is the same closure.
        close_days(session, clinic.actor, there.id, (day, "", "0"), NOW)
        with pytest.raises(InvalidInput, match="200 closed days or ranges ahead already"):
            close_days(session, clinic.actor, there.id, (day, "", ""), NOW)
        # That is one office; others have room.
        close_days(session, clinic.actor, None, (day, "", ""), NOW)
