"""Business days, hours and the ladder, with the traps of real calendars."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from referral.domain.calendar import BusinessCalendar
from referral.domain.reminders import (
    Climb,
    Ladder,
    Step,
    advanced,
    coming,
    due_date,
    from_first_delivery,
    next_step,
    paused_until,
    reminder_due,
    resumed,
)

DENVER = ZoneInfo("America/Denver")
THANKSGIVING = date(2026, 11, 26)
CALENDAR = BusinessCalendar(time_zone=DENVER, is_closed=lambda day: day == THANKSGIVING)
LADDER = Ladder()
ZONES = [
    "America/Denver",
    "America/New_York",
    "Pacific/Honolulu",
    "America/Anchorage",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
]


def at(day: int, hour: int, minute: int = 0, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=DENVER).astimezone(UTC)


def test_business_hours_are_those_of_the_recipient() -> None:
    assert CALENDAR.is_open(at(3, 8))
    assert CALENDAR.is_open(at(3, 16, 59))
    assert not CALENDAR.is_open(at(3, 17))
    assert not CALENDAR.is_open(at(3, 7, 59))
    assert not CALENDAR.is_open(at(7, 10))  # a Saturday
    assert not CALENDAR.is_open(at(26, 10))  # Thanksgiving


def test_the_next_opening_skips_weekends_and_holidays() -> None:
    assert CALENDAR.next_opening(at(3, 10)) == at(3, 10)
    assert CALENDAR.next_opening(at(3, 6)) == at(3, 8)
    assert CALENDAR.next_opening(at(6, 18)) == at(9, 8)
    assert CALENDAR.next_opening(at(25, 17)) == at(27, 8)


def test_business_days_are_counted_across_holidays() -> None:
    assert CALENDAR.business_day_after(at(24, 15), 2) == at(27, 9)
    assert CALENDAR.business_days_between(at(24, 15), at(30, 9)) == 3


def test_a_calendar_that_never_opens_is_an_error_and_not_a_loop() -> None:
    shut = BusinessCalendar(time_zone=DENVER, is_closed=lambda _: True)
    with pytest.raises(ValueError, match="no business day"):
        shut.next_opening(at(3, 10))


def test_the_ladder_starts_with_a_reminder_on_the_second_business_day() -> None:
    planned = next_step(Climb(started_at=at(3, 10)), LADDER, CALENDAR)
    assert planned is not None
    assert (planned.ordinal, planned.step, planned.due_at) == (1, Step.REMIND, at(5, 9))


def test_a_request_falls_due_on_the_tenth_business_day() -> None:
    assert due_date(LADDER, CALENDAR, Climb(started_at=at(3, 10))) == at(17, 9)
    extended = Climb(started_at=at(3, 10), extended_days=1)
    assert due_date(LADDER, CALENDAR, extended) == at(18, 9)


def test_a_pause_moves_every_rung() -> None:
    planned = next_step(Climb(started_at=at(3, 10), shifted_days=3), LADDER, CALENDAR)
    assert planned is not None
    assert planned.due_at == at(10, 9)


def test_nothing_is_due_while_the_clinic_owes_an_answer() -> None:
    held = Climb(started_at=at(3, 10), held=True)
    assert next_step(held, LADDER, CALENDAR) is None
    assert reminder_due(held, LADDER, CALENDAR, at(20, 10)) is None


def test_nothing_is_due_outside_business_hours() -> None:
    climb = Climb(started_at=at(3, 10))
    assert reminder_due(climb, LADDER, CALENDAR, at(5, 7, 59)) is None
    assert reminder_due(climb, LADDER, CALENDAR, at(5, 9)) is not None


def test_after_an_outage_one_catch_up_goes_out_and_the_backlog_is_skipped() -> None:
    planned = reminder_due(Climb(started_at=at(3, 10)), LADDER, CALENDAR, at(10, 10))
    assert planned is not None
    assert (planned.ordinal, planned.step, planned.skipped) == (2, Step.REMIND_OTHER_CHANNEL, (1,))


def test_what_was_left_over_takes_along_what_falls_due_the_same_day() -> None:
    """The outage ends early on the day of the second reminder: one of the two goes out, not both."""
    climb = Climb(started_at=at(3, 10))
    assert [step.planned.ordinal for step in coming(climb, LADDER, CALENDAR, at(9, 7))][:2] == [2, 3]
    planned = reminder_due(climb, LADDER, CALENDAR, at(9, 8))
    assert planned is not None
    assert (planned.ordinal, planned.skipped) == (2, (1,))
    # A rung that is the first of its day waits for its hour.
    assert reminder_due(Climb(started_at=at(3, 10), climbed=1), LADDER, CALENDAR, at(9, 8)) is None


def test_after_a_long_outage_the_request_does_not_expire_unreminded() -> None:
    planned = reminder_due(Climb(started_at=at(3, 10)), LADDER, CALENDAR, at(23, 10))
    assert planned is not None
    assert planned.step is Step.SUGGEST_ANOTHER
    moved = Climb(started_at=at(3, 10), climbed=planned.ordinal, extended_days=planned.extend_days)
    assert reminder_due(moved, LADDER, CALENDAR, at(24, 10)) is None
    last = reminder_due(moved, LADDER, CALENDAR, at(25, 10))
    assert last is not None
    assert last.step is Step.EXPIRE


@settings(max_examples=300, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    start=st.datetimes(datetime(2024, 1, 1), datetime(2036, 12, 31)),  # noqa: DTZ001 - hypothesis wants naive bounds
)
def test_a_whole_climb_stays_in_hours_in_order_and_complete(zone: str, start: datetime) -> None:
    calendar = BusinessCalendar(
        time_zone=ZoneInfo(zone), is_closed=lambda day: (day.month, day.day) in ((1, 1), (12, 25))
    )
    climb = Climb(started_at=calendar.next_opening(start.replace(tzinfo=UTC)))
    steps, now = [], climb.started_at
    for _ in range(40 * 24):
        planned = reminder_due(climb, LADDER, calendar, now)
        if planned:
            assert calendar.is_open(now)
            assert planned.due_at <= now
            assert planned.due_at.astimezone(ZoneInfo(zone)).time() == time(9)
            steps.append(planned.step)
            climb = Climb(started_at=climb.started_at, climbed=planned.ordinal)
        if len(steps) == len(LADDER.rungs):
            break
        now += timedelta(hours=1)
    assert steps == [rung.step for rung in LADDER.rungs]


def test_time_zones_come_with_the_program_where_the_system_has_none() -> None:
    script = "import zoneinfo; print(zoneinfo.ZoneInfo('America/Denver').key)"
    environment = {**os.environ, "PYTHONTZPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "America/Denver\n", done.stderr


def test_what_an_outage_left_behind_counts_as_climbed() -> None:
    climb = Climb(started_at=at(3, 10), extended_days=1)
    planned = reminder_due(climb, LADDER, CALENDAR, at(25, 10))
    assert planned is not None
    moved = advanced(climb, planned)
    assert (moved.climbed, moved.extended_days) == (4, 1 + planned.extend_days)
    assert planned.extend_days > 0


def test_a_pause_ends_after_the_day_that_was_named() -> None:
    paused = paused_until(Climb(started_at=at(3, 10), held=True), CALENDAR, at(4, 10), date(2026, 11, 6))
    planned = next_step(paused, LADDER, CALENDAR)
    assert planned is not None
    assert planned.due_at == at(10, 9)  # due on Thursday 5th; Thursday, Friday and the day after do not count


def test_a_held_ladder_goes_on_moved_by_the_business_days_that_it_stood() -> None:
    held = Climb(started_at=at(3, 10), shifted_days=1, held=True)
    moved = resumed(held, CALENDAR, at(24, 16), at(30, 8))
    assert (moved.held, moved.shifted_days) == (False, 1 + 3)


def test_a_first_delivery_that_is_late_moves_the_ladder_until_it_has_been_climbed() -> None:
    climb = Climb(started_at=at(3, 10))
    assert from_first_delivery(climb, CALENDAR, at(3, 16)) is None
    moved = from_first_delivery(climb, CALENDAR, at(4, 9))
    assert moved is not None
    assert moved.started_at == at(4, 9)
    assert from_first_delivery(replace(climb, climbed=1), CALENDAR, at(4, 9)) is None
