"""Until when a tentative booking is held, around weekends, holidays and changes of the clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.domain.booking import (
    HOLDS_CHAIR,
    OPEN,
    BookingStatus,
    hold_until,
    release_time,
    require_step,
)
from referral.domain.calendar import BusinessCalendar
from referral.domain.errors import TransitionRefused

DENVER = ZoneInfo("America/Denver")
MINUTE = timedelta(minutes=1)
CLOSED = {date(2026, 11, 26), date(2026, 12, 25)}
CALENDAR = BusinessCalendar(time_zone=DENVER, is_closed=lambda day: day in CLOSED)


def at(month: int, day: int, hour: int, minute: int = 0, zone: ZoneInfo = DENVER) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("infusion", "released"),
    [
        (at(11, 19, 9), at(11, 17, 17)),  # a Thursday: Tuesday
        (at(11, 16, 9), at(11, 12, 17)),  # a Monday: Thursday
        (at(11, 17, 9), at(11, 13, 17)),  # a Tuesday: Friday, over the weekend
        (at(11, 30, 9), at(11, 25, 17)),  # the Monday after Thanksgiving: Wednesday
        (at(11, 27, 9), at(11, 24, 17)),  # the Friday after it: Tuesday
        (at(11, 28, 9), at(11, 25, 17)),  # a Saturday is none of the two days
        (at(11, 19, 23, 30), at(11, 17, 17)),  # the clinic's day counts, not the day in UTC
    ],
)
def test_it_is_released_two_business_days_before_at_the_close_of_business(
    infusion: datetime, released: datetime
) -> None:
    assert release_time(CALENDAR, infusion) == released


def test_a_change_of_the_clock_between_moves_nothing_on_the_wall() -> None:
    """Clocks go back on Sunday, November 1, and forward on Sunday, March 8."""
    autumn = release_time(CALENDAR, at(11, 2, 9))
    assert autumn == datetime(2026, 10, 29, 23, tzinfo=UTC)  # 17:00 of summer time
    spring = release_time(CALENDAR, at(3, 9, 9))
    assert spring == datetime(2026, 3, 6, 0, tzinfo=UTC)  # 17:00 of standard time, a Thursday
    assert at(11, 2, 9) - autumn - (at(3, 9, 9) - spring) == timedelta(hours=2)


@given(
    st.integers(0, 350 * 24 * 60).map(lambda minutes: datetime(2026, 1, 9, tzinfo=UTC) + minutes * MINUTE),
    st.sampled_from(["America/Denver", "America/New_York", "Pacific/Honolulu", "America/Anchorage"]),
)
def test_two_whole_business_days_always_lie_between(infusion: datetime, zone_name: str) -> None:
    zone = ZoneInfo(zone_name)
    calendar = BusinessCalendar(time_zone=zone, is_closed=lambda day: day in CLOSED)
    released = release_time(calendar, infusion)
    local = released.astimezone(zone)
    assert (local.hour, local.minute) == (17, 0)
    assert calendar.is_business_day(local.date())
    assert released < infusion
    last = infusion.astimezone(zone).date() - timedelta(days=1)
    days = (last - local.date()).days
    between = sum(calendar.is_business_day(last - timedelta(days=n)) for n in range(days))
    assert between == 1  # the one after the day on whose evening it is released


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (at(11, 10, 10), at(11, 13, 17)),  # in time: two business days before
        (at(11, 13, 17), at(11, 16, 17)),  # at that moment and later: the next close of business
        (at(11, 14, 12), at(11, 16, 17)),
        (at(11, 16, 10), at(11, 16, 17)),
        (at(11, 16, 18), at(11, 17, 9)),  # at most until the infusion itself
    ],
)
def test_a_gate_that_closes_late_leaves_the_day_to_mend_it(now: datetime, until: datetime) -> None:
    assert hold_until(CALENDAR, at(11, 17, 9), now) == until


def test_what_has_ended_goes_nowhere_but_into_error() -> None:
    for before in BookingStatus:
        for after in BookingStatus:
            if before in OPEN and after is BookingStatus.ENTERED_IN_ERROR:
                require_step(before, after)
            elif before not in OPEN and (after is not BookingStatus.ENTERED_IN_ERROR or before is after):
                with pytest.raises(TransitionRefused):
                    require_step(before, after)
    assert {BookingStatus.FULFILLED} == HOLDS_CHAIR - OPEN
