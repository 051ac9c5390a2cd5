"""Hours and closed days as typed: what is refused, and where."""

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from referral.domain.calendar import BusinessCalendar, Closure, Hours
from referral.domain.errors import InvalidInput
from referral.domain.office_hours import checked_closure, checked_hours, refuse_shut

TODAY = date(2026, 11, 3)


def test_hours_are_read() -> None:
    assert checked_hours("09:30", "16:00", "10:00", ["4"]) == Hours(
        time(9, 30), time(16), time(10), frozenset({4})
    )


@pytest.mark.parametrize(
    ("typed", "where"),
    [
        (("07:59", "16:00", "10:00"), "opens"),
        (("08:00", "17:01", "10:00"), "closes"),
        (("12:00", "11:00", "11:30"), "closes"),
        (("12:00", "12:00", "12:00"), "closes"),
        (("09:00", "16:00", "08:59"), "sends"),
        (("09:00", "16:00", "16:00"), "sends"),
        (("nine", "16:00", "10:00"), "opens"),
        (("", "", ""), "sends"),
        (("25:00", "16:00", "10:00"), "opens"),
    ],
)
def test_bad_hours_are_refused_at_their_field(typed: tuple[str, str, str], where: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_hours(*typed)
    assert where in {issue.expression[0] for issue in refused.value.issues}


def test_somebody_has_to_be_there_some_day() -> None:
    with pytest.raises(InvalidInput, match="at least one weekday"):
        checked_hours("08:00", "17:00", "09:00", ["0", "1", "2", "3", "4"])


def test_closed_days_are_read_and_one_day_needs_no_end() -> None:
    made = checked_closure("c", "2026-12-24", "2027-01-02", "  the  holidays ", today=TODAY)
    assert made == Closure(
        id="c", first_on=date(2026, 12, 24), last_on=date(2027, 1, 2), words="the holidays"
    )
    assert checked_closure("c", "2026-12-24", "", "", today=TODAY).last_on == date(2026, 12, 24)


@pytest.mark.parametrize(
    ("first", "last", "where"),
    [
        ("", "", "first_on"),
        ("soon", "2026-12-24", "first_on"),
        ("2026-12-24", "later", "last_on"),
        ("2026-12-24", "2026-12-23", "last_on"),
        ("2026-12-24", "2027-12-24", "last_on"),
        ("2026-11-01", "2026-11-02", "first_on"),
        ("2031-11-01", "", "first_on"),
    ],
)
def test_bad_closed_days_are_refused_at_their_field(first: str, last: str, where: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_closure("c", first, last, "", today=TODAY)
    assert where in {issue.expression[0] for issue in refused.value.issues}


def test_closures_that_add_up_to_half_a_year_are_refused() -> None:
    first = Closure(id="a", first_on=date(2026, 12, 1), last_on=date(2027, 5, 1), words="")
    second = Closure(id="b", first_on=date(2027, 5, 2), last_on=date(2027, 9, 1), words="")

    def calendar(*closures: Closure) -> BusinessCalendar:
        return BusinessCalendar(
            time_zone=ZoneInfo("America/Denver"),
            is_closed=lambda day: any(closure.covers(day) for closure in closures),
        )

    refuse_shut(calendar(first), first)
    refuse_shut(calendar(second), second)
    for added in (first, second):
        with pytest.raises(InvalidInput, match="half a year"):
            refuse_shut(calendar(first, second), added)
    # Otherwise a request of that time could not be planned at all.
    start = datetime(2026, 12, 1, 12, tzinfo=ZoneInfo("America/Denver"))
    assert calendar(first).business_day_after(start, 1).date() > first.last_on
