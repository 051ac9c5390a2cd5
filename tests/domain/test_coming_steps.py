"""What is shown beforehand is what the sweep then does, at that moment: any ladder, calendar, start."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from referral.domain.calendar import BusinessCalendar
from referral.domain.reminders import (
    Climb,
    Coming,
    Ladder,
    Rung,
    Step,
    advanced,
    comes_up_at,
    coming,
    reminder_due,
)

ZONES = [
    "America/Denver",
    "America/New_York",
    "America/Phoenix",
    "Pacific/Honolulu",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
]
MIDDLE = [Step.REMIND, Step.REMIND_OTHER_CHANNEL, Step.CALL, Step.SUGGEST_ANOTHER, Step.ESCALATE]


@st.composite
def ladders(draw: st.DrawFn) -> Ladder:
    days = sorted(draw(st.sets(st.integers(1, 30), min_size=2, max_size=8)))
    steps = [draw(st.sampled_from(MIDDLE)) for _ in days[:-1]]
    return Ladder(tuple(Rung(day, step) for day, step in zip(days, [*steps, Step.EXPIRE], strict=True)))


@st.composite
def calendars(draw: st.DrawFn) -> BusinessCalendar:
    opens = draw(st.integers(8, 15))
    closes = draw(st.integers(opens + 1, 17))
    sends = time(draw(st.integers(opens, closes - 1)), draw(st.sampled_from([0, 30, 59])))
    weekdays = draw(st.sets(st.integers(0, 4), max_size=3))
    first = draw(st.dates(date(2027, 1, 1), date(2028, 6, 1)))
    last = first + timedelta(days=draw(st.integers(0, 40)))
    return BusinessCalendar(
        time_zone=ZoneInfo(draw(st.sampled_from(ZONES))),
        is_closed=lambda day: day.weekday() in weekdays or first <= day <= last,
        opens=time(opens),
        closes=time(closes),
        sends=sends,
    )


def sweep(climb: Climb, ladder: Ladder, calendar: BusinessCalendar, now: datetime) -> list[Coming]:
    """A row with a due time, and a machine that looks every fifteen minutes: what it does, and when."""
    done: list[Coming] = []
    next_at = comes_up_at(climb, ladder, calendar, now)
    while next_at is not None and climb.climbed < len(ladder.rungs):
        if next_at <= now:
            planned = reminder_due(climb, ladder, calendar, now)
            if planned is not None:
                done.append(Coming(planned, now))
                climb = advanced(climb, planned)
            next_at = comes_up_at(climb, ladder, calendar, now)
        else:
            now = max(now + timedelta(minutes=15), next_at)
    return done


@settings(max_examples=150, deadline=None)
@given(
    ladder=ladders(),
    calendar=calendars(),
    started=st.datetimes(datetime(2027, 1, 1), datetime(2028, 6, 1)),  # noqa: DTZ001 - hypothesis wants naive bounds
    late=st.integers(0, 40 * 24),
    shifted=st.integers(0, 5),
    extended=st.integers(0, 5),
    climbed=st.integers(0, 2),
)
def test_the_preview_is_what_the_sweep_does(
    ladder: Ladder,
    calendar: BusinessCalendar,
    started: datetime,
    late: int,
    shifted: int,
    extended: int,
    climbed: int,
) -> None:
    start = calendar.next_opening(started.replace(tzinfo=UTC))
    climb = Climb(started_at=start, climbed=climbed, shifted_days=shifted, extended_days=extended)
    now = start + timedelta(hours=late)
    seen = coming(climb, ladder, calendar, now)
    assert list(seen) == sweep(climb, ladder, calendar, now)
    assert all(calendar.is_open(step.at) and step.at >= now for step in seen)
    times = [step.at for step in seen]
    assert times == sorted(times)
    # Never two on one of the recipient's days, however late the machine was.
    assert len({calendar.local_date(moment) for moment in times}) == len(times)
    # Every rung is climbed or said to be skipped, once, and the request ends.
    told = [n for step in seen for n in (*step.planned.skipped, step.planned.ordinal)]
    assert told == list(range(climbed + 1, len(ladder.rungs) + 1))
    if seen:
        assert seen[-1].planned.step is Step.EXPIRE


def test_nothing_is_coming_while_it_is_held() -> None:
    calendar = BusinessCalendar(time_zone=ZoneInfo("America/Denver"), is_closed=lambda _: False)
    now = datetime(2026, 11, 3, 17, 0, tzinfo=UTC)
    assert coming(Climb(started_at=now, held=True), Ladder(), calendar, now) == ()
    assert len(coming(Climb(started_at=now), Ladder(), calendar, now)) == 5
