from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.fhir.intervals import BEGINNING, END, interval, period_interval, starts_after, timing_interval


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2026", utc(2026, 1, 1), utc(2027, 1, 1)),
        ("2024", utc(2024, 1, 1), utc(2025, 1, 1)),
        ("2026-02", utc(2026, 2, 1), utc(2026, 3, 1)),
        ("2026-12", utc(2026, 12, 1), utc(2027, 1, 1)),
        ("2026-12-31", utc(2026, 12, 31), utc(2027, 1, 1)),
        ("2026-03-01T10:00", utc(2026, 3, 1, 10), utc(2026, 3, 1, 10, 1)),
        ("2026-03-01T10:00:00Z", utc(2026, 3, 1, 10), utc(2026, 3, 1, 10, 0, 1)),
        ("2026-03-01T10:00:00+02:00", utc(2026, 3, 1, 8), utc(2026, 3, 1, 8, 0, 1)),
        ("2026-03-01T00:30:00-05:30", utc(2026, 3, 1, 6), utc(2026, 3, 1, 6, 0, 1)),
        ("2026-03-01T10:00:00.1Z", utc(2026, 3, 1, 10, 0, 0, 100000), utc(2026, 3, 1, 10, 0, 0, 200000)),
        (
            "2026-03-01T10:00:00.123456789Z",
            utc(2026, 3, 1, 10, 0, 0, 123456),
            utc(2026, 3, 1, 10, 0, 0, 123457),
        ),
        ("2016-12-31T23:59:60Z", utc(2017, 1, 1), utc(2017, 1, 1, 0, 0, 1)),
        ("9999", utc(9999, 1, 1), END),
        ("9999-12-31", utc(9999, 12, 31), END),
    ],
)
def test_a_date_stands_for_all_the_time_that_it_may_mean(text: str, low: datetime, high: datetime) -> None:
    assert interval(text) == (low, high)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "26",
        "2026-13",
        "2026-02-30",
        "2026-1-1",
        "2026-03-01 10:00",
        "2026-03-01T24:00:00Z",
        "2026Z",
        "0000",
        "2026-03-01T10",
        "2026-03-01T10:00:00+15:00",
        "٢٠٢٦",
        "0001-01-01T00:00:00+14:00",
        None,
        2026,
        ["2026"],
    ],
)
def test_what_is_no_date_has_no_interval(text: object) -> None:
    assert interval(text) is None


INSTANTS = st.datetimes(
    datetime.fromisoformat("0001-01-03"),
    datetime.fromisoformat("9999-12-29"),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5))]),
)


@given(INSTANTS)
def test_every_precision_of_a_moment_holds_the_finer_ones(at: datetime) -> None:
    at = at.astimezone(UTC)
    text = f"{at.year:04}-{at.month:02}-{at.day:02}T{at.hour:02}:{at.minute:02}:{at.second:02}"
    texts = [text[:4], text[:7], text[:10], text[:16], text, f"{text}.{at.microsecond:06}"]
    found = [interval(part + ("Z" if "T" in part else "")) for part in texts]
    for wider, finer in pairwise(found):
        assert wider is not None
        assert finer is not None
        assert wider[0] <= finer[0] < finer[1] <= wider[1]
    assert found[-1] is not None
    assert found[-1][0] == at


@given(INSTANTS)
def test_the_zone_a_moment_is_written_in_does_not_matter(at: datetime) -> None:
    assert interval(at.isoformat(timespec="seconds")) == interval(
        at.astimezone(UTC).isoformat(timespec="seconds")
    )


@given(st.integers(1, 9998), st.integers(1, 12))
def test_months_and_years_follow_each_other_without_gaps(year: int, month: int) -> None:
    this = interval(f"{year:04}-{month:02}")
    following = interval(f"{year + month // 12:04}-{month % 12 + 1:02}")
    assert this is not None
    assert following is not None
    assert this[1] == following[0]


def test_a_period_may_be_open_and_includes_its_last_day() -> None:
    assert period_interval({"start": "2026-03", "end": "2026-04-02"}) == (utc(2026, 3, 1), utc(2026, 4, 3))
    assert period_interval({"start": "2026"}) == (utc(2026, 1, 1), END)
    assert period_interval({"end": "2026"}) == (BEGINNING, utc(2027, 1, 1))


@pytest.mark.parametrize(
    "period", [{}, {"start": "x"}, {"start": "2026", "end": "x"}, None, [], {"start": "2027", "end": "2026"}]
)
def test_a_period_that_says_nothing_sensible_has_no_interval(period: object) -> None:
    assert period_interval(period) is None


def test_a_timing_reaches_from_its_first_to_its_last_event() -> None:
    timing = {"event": ["2026-03-03", "2026-03-01"], "repeat": {"boundsPeriod": {"end": "2026-04-01"}}}
    assert timing_interval({"event": timing["event"]}) == (utc(2026, 3, 1), utc(2026, 3, 4))
    assert timing_interval(timing) == (BEGINNING, utc(2026, 4, 2))
    assert timing_interval({"repeat": {"frequency": 1}}) is None


def test_only_what_surely_is_later_starts_after() -> None:
    assert starts_after("2026-03-02", "2026-03-01")
    assert not starts_after("2026-03-01T10:00:00Z", "2026-03-01")
    assert not starts_after("2026", "2026-03")
    assert not starts_after(None, "2026")
