"""Twelve years in six time zones: no step skipped, doubled or out of hours (safety.md 7, M5).

On every business day a request starts, with pauses, questions, closed days and answers at random; what the
rules do is compared with what an hour-walking oracle has counted. REFERRAL_TEST_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from referral.domain.calendar import BusinessCalendar, Hours
from referral.domain.codes import Channel
from referral.domain.records import Contact
from referral.domain.reminders import Ladder, Rung, Step, advanced, reminder_due
from referral.domain.simulation import Cause, Entry, Happening, Scenario, asked, simulate
from referral.services.calendars import business_calendar
from tests.faults.oracle import Life, Office, Stop, live

FIRST, LAST = 2024, 2035
# North and south, full and half hours, with and without changes of the clocks.
ZONES: Final = (
    "America/New_York",
    "America/Anchorage",
    "America/Phoenix",
    "America/St_Johns",
    "Australia/Adelaide",
    "Asia/Kathmandu",
)
CHANGING: Final = ("America/New_York", "America/Anchorage", "America/St_Johns", "Australia/Adelaide")
SEED: Final = int(os.environ.get("REFERRAL_TEST_SEED") or random.SystemRandom().randrange(2**32))
WAYS: Final = (
    Contact(id="1", channel=Channel.EMAIL, address="okafor@beaconhill.example", source="test"),
    Contact(id="2", channel=Channel.FAX, address="303-555-0120", source="test"),
)
DEFAULT: Final = Ladder()
Run = Callable[[Scenario], tuple[Entry, ...]]


@dataclass(frozen=True, slots=True)
class Case:
    """One request with all that happens to it, and what the oracle says of it."""

    asked_at: datetime
    stops: tuple[Stop, ...]
    answered_at: datetime | None
    expected: Life

    @property
    def happenings(self) -> tuple[Happening, ...]:
        return tuple(_happenings(self))


def _happenings(case: Case) -> Iterator[Happening]:
    for stop in case.stops:
        if stop.and_one:
            yield Happening(stop.start, Cause.PAUSE, until=stop.last)
        else:
            assert stop.end is not None
            yield Happening(stop.start, Cause.QUESTION)
            yield Happening(stop.end, Cause.RESUME)
    if case.answered_at is not None:
        yield Happening(case.answered_at, Cause.ANSWER)


@cache
def office(zone: str) -> Office:
    """With a hundred closed days of the clinic at random, the same for every run of a seed."""
    dice = random.Random(f"{SEED} {zone}")
    days = (LAST - FIRST + 1) * 365
    closed = frozenset(date(FIRST, 1, 1) + timedelta(days=dice.randrange(days)) for _ in range(100))
    return Office(ZoneInfo(zone), FIRST, LAST + 1, closed)


def cases(zone: str, every: int, turn: int = 0) -> Iterator[Case]:
    """A request on every business day, or on every n-th, at any hour; also by night. Each turn is another."""
    dice = random.Random(f"{SEED} {zone} {turn}")
    at = office(zone)
    days = [day for day in at.days if day.year <= LAST]
    for day in days[dice.randrange(every) :: every]:
        local = datetime.combine(day, time(dice.randrange(24), dice.randrange(60)), at.zone)
        yield _case(at, local.astimezone(UTC), dice)


def _case(at: Office, asked_at: datetime, dice: random.Random) -> Case:
    stops, moment = [], at.first_open(asked_at)
    for _ in range(dice.choice((0, 0, 1, 2))):
        # After nine o'clock, so that what was due on that day has been done; then some days of rest.
        day = moment.astimezone(at.zone).date() + timedelta(days=dice.randrange(1, 5))
        start = datetime.combine(day, time(dice.randrange(9, 23), 30), at.zone).astimezone(UTC)
        last = day + timedelta(days=dice.randrange(10))
        end = datetime.combine(last, time(23, 45), at.zone).astimezone(UTC)
        is_pause = dice.random() < 0.5
        stops.append(Stop(start, last, is_pause, None if is_pause else end))
        moment = end + timedelta(days=5)
    answered = None
    if dice.random() < 0.3:
        # Nobody answers what has not left yet.
        answered = moment + timedelta(days=dice.randrange(9), minutes=1 + dice.randrange(1440))
    rungs = [rung.business_day for rung in DEFAULT.rungs]
    return Case(asked_at, tuple(stops), answered, live(at, asked_at, rungs, stops, answered))


def faults_of(case: Case, at: Office, entries: tuple[Entry, ...]) -> Counter[str]:
    """What is wrong with a timeline; nothing, if it is as the oracle has counted."""
    found: Counter[str] = Counter()
    steps = [e for e in entries if e.event.startswith("step-") or e.event == "expired"]
    names = ["expired" if rung.step is Step.EXPIRE else f"step-{rung.step}" for rung in DEFAULT.rungs]
    wanted = dict(zip(names, case.expected.rungs, strict=False))
    counted = Counter(entry.event for entry in steps)
    found["skipped"] += sum(name not in counted for name in wanted) + sum(bool(e.skipped) for e in steps)
    found["doubled"] += sum(count - 1 for count in counted.values())
    found["too many"] += sum(name not in wanted for name in counted)
    found["at another time"] += sum(wanted.get(e.event, e.at) != e.at for e in steps)
    sent = [entry for entry in entries if entry.event == "sent"]
    found["out of hours"] += sum(not at.is_open(entry.at) for entry in sent)
    found["first letter at another time"] += not sent or sent[0].at != case.expected.first
    reminded = sum(name.startswith("step-remind") for name in wanted)
    closed = bool(case.answered_at) or "expired" in wanted
    found["letters"] += len(sent) != 1 + reminded + closed
    return +found


@dataclass(slots=True)
class Tally:
    requests: int = 0
    steps: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    covered: Counter[str] = field(default_factory=Counter)


def examine(
    zone: str,
    every: int,
    turn: int = 0,
    *,
    calendar: BusinessCalendar | None = None,
    ladder: Ladder = DEFAULT,
    run: Run = simulate,
) -> Tally:
    """Requests of one zone, on every n-th business day. What is given by name is a planted fault."""
    at, tally = office(zone), Tally()
    calendar = calendar or business_calendar(zone, Hours(), closed_days=at.closed)
    for case in cases(zone, every, turn):
        scenario = replace(asked(ladder, calendar, WAYS, case.asked_at), happenings=case.happenings)
        entries = run(scenario)
        tally.requests += 1
        tally.steps += len(case.expected.rungs)
        tally.faults += faults_of(case, at, entries)
        tally.covered += _covered(case, at)
    return tally


def _covered(case: Case, at: Office) -> Counter[str]:
    """What this request has lived through: only what lies between its letter and its last step counts."""
    found: Counter[str] = Counter()
    if not case.expected.rungs:
        return found
    start, end = (m.astimezone(at.zone).date() for m in (case.expected.first, case.expected.rungs[-1]))
    forward = [change for day, change in at.changes.items() if start < day <= end]
    found["clocks forward"] += forward.count(1)
    found["clocks back"] += forward.count(-1)
    found["year end"] += start.year < end.year
    leap = date(start.year, 2, 29) if start.year % 4 == 0 else None
    found["leap day"] += bool(leap and start < leap <= end)
    found["step on a leap day"] += any(
        m.astimezone(at.zone).date() == leap for m in case.expected.rungs if leap is not None
    )
    found["pause"] += any(stop.and_one for stop in case.stops)
    found["question"] += any(not stop.and_one for stop in case.stops)
    found["closed day"] += any(start < day <= end and day.weekday() < 5 for day in at.closed)
    found["answer"] += case.answered_at is not None
    return found


RARE: Final = "step on a leap day"
LIVED: Final = frozenset({"year end", "leap day", RARE, "pause", "question", "closed day", "answer"})


def examine_all(every: int, turns: int) -> str:
    """Every zone; returns the figure. Fails with the seed where anything is wrong."""
    faults, covered = Counter[str](), Counter[str]()
    requests = steps = 0
    for zone in ZONES:
        changed: Counter[str] = Counter()
        for turn in range(turns):
            tally = examine(zone, every, turn)
            requests, steps = requests + tally.requests, steps + tally.steps
            faults += Counter({f"{zone}: {what}": count for what, count in tally.faults.items()})
            covered += tally.covered
            changed += Counter({what: tally.covered[what] for what in ("clocks forward", "clocks back")})
        # None of this would show anything if nobody had lived through it.
        assert len(changed) == (2 if zone in CHANGING else 0), (SEED, zone, changed)
    assert all(covered[what] >= (3 if what == RARE else 20) for what in LIVED), (SEED, covered)
    assert faults == Counter(), (f"REFERRAL_TEST_SEED={SEED}", faults)
    return (
        f"{requests} requests, {steps} steps in {LAST - FIRST + 1} years and {len(ZONES)} zones "
        f"(seed {SEED}): 0 skipped, doubled or out of hours; lived through: {dict(sorted(covered.items()))}"
    )


def test_nothing_is_skipped_doubled_or_out_of_hours(record_property: Callable[[str, object], None]) -> None:
    record_property("figure", examine_all(every=3, turns=1))


@pytest.mark.soak
def test_nothing_is_skipped_doubled_or_out_of_hours_on_any_day(
    record_property: Callable[[str, object], None],
) -> None:
    record_property("figure", examine_all(every=1, turns=20))


def swept(case: Case, zone: str, minutes: int) -> list[tuple[datetime, Step]]:
    """The rules alone, asked at every tick of a clock whether something is due or not."""
    calendar = business_calendar(zone, Hours(), closed_days=office(zone).closed)
    climb = asked(DEFAULT, calendar, WAYS, case.asked_at).standing.climb
    now, found = case.asked_at, []
    last = case.expected.rungs[-1] + timedelta(days=3)
    while now <= last and climb.climbed < len(DEFAULT.rungs):
        planned = reminder_due(climb, DEFAULT, calendar, now)
        if planned is not None:
            found.append((now, planned.step))
            climb = advanced(climb, planned)
        now += timedelta(minutes=minutes)
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_asked_at_every_tick_the_rules_climb_each_rung_once_and_at_nine(zone: str) -> None:
    dice = random.Random(f"{SEED} {zone} ticks")
    plain = [case for case in cases(zone, 40) if not case.stops and case.answered_at is None]
    assert len(plain) > 10
    tick = dice.choice((11, 13, 17))
    for case in plain[:12]:
        climbed = swept(case, zone, tick)
        assert [step for _, step in climbed] == [rung.step for rung in DEFAULT.rungs], SEED
        late = [moment - due for (moment, _), due in zip(climbed, case.expected.rungs, strict=True)]
        assert all(timedelta(0) <= wait < timedelta(minutes=tick) for wait in late), (
            SEED,
            zone,
            case.asked_at,
        )


# ---------- the harness finds what is planted ----------


def calendar_of(zone: str, is_closed: Callable[[date], bool], **changes: time) -> BusinessCalendar:
    return BusinessCalendar(time_zone=ZoneInfo(zone), is_closed=is_closed, **changes)


class Stubborn(BusinessCalendar):
    """Keeps the offset of the winter: after a change of the clocks it is an hour off."""

    def at(self, day: date, clock: time) -> datetime:
        winter = datetime(day.year, 1, 15, tzinfo=self.time_zone).utcoffset()
        assert winter is not None
        return (datetime.combine(day, clock, UTC) - winter).astimezone(UTC)


def doubling_after_a_change(scenario: Scenario) -> tuple[Entry, ...]:
    """As a sweep would that compares local times: the step after a change of the clocks comes twice."""
    entries, zone = simulate(scenario), scenario.calendar.time_zone
    offset = scenario.starts_at.astimezone(zone).utcoffset()
    out: list[Entry] = []
    for entry in entries:
        out.append(entry)
        if entry.at.astimezone(zone).utcoffset() != offset and entry.event.startswith("step-"):
            out.append(replace(entry, at=entry.at + timedelta(hours=1)))
            offset = entry.at.astimezone(zone).utcoffset()
    return tuple(out)


ZONE: Final = "America/New_York"


def test_a_calendar_without_holidays_is_found() -> None:
    closed = office(ZONE).closed
    tally = examine(ZONE, 9, calendar=calendar_of(ZONE, lambda day: day in closed))
    assert tally.faults["at another time"] > 20
    assert tally.faults["out of hours"] > 5


def test_a_calendar_that_forgets_the_leap_day_is_found() -> None:
    real = business_calendar(ZONE, Hours(), closed_days=office(ZONE).closed)
    forgetting = calendar_of(ZONE, lambda day: (day.month, day.day) == (2, 29) or real.is_closed(day))
    assert examine(ZONE, 2, calendar=forgetting).faults["at another time"] > 5


def test_a_calendar_that_forgets_the_closed_days_of_a_clinic_is_found() -> None:
    tally = examine(ZONE, 9, calendar=business_calendar(ZONE, Hours()))
    assert tally.faults["at another time"] > 20


def test_a_calendar_that_does_not_follow_the_clocks_is_found() -> None:
    real = business_calendar(ZONE, Hours(), closed_days=office(ZONE).closed)
    tally = examine(ZONE, 9, calendar=Stubborn(time_zone=real.time_zone, is_closed=real.is_closed))
    assert tally.faults["at another time"] > 100


def test_letters_by_night_are_found() -> None:
    real = business_calendar(ZONE, Hours(), closed_days=office(ZONE).closed)
    wakeful = calendar_of(ZONE, real.is_closed, opens=time(0), closes=time(23, 59))
    assert examine(ZONE, 9, calendar=wakeful).faults["out of hours"] > 50


def test_a_step_that_comes_twice_after_a_change_of_the_clocks_is_found() -> None:
    assert examine(ZONE, 3, run=doubling_after_a_change).faults["doubled"] > 20
    assert examine("America/Phoenix", 9, run=doubling_after_a_change).faults == Counter()


def test_a_rung_that_is_left_out_is_found() -> None:
    short = Ladder(tuple(rung for rung in DEFAULT.rungs if rung.step is not Step.CALL))
    assert examine(ZONE, 9, ladder=short).faults["skipped"] > 100


def test_a_rung_too_many_is_found() -> None:
    more = Ladder((DEFAULT.rungs[0], Rung(3, Step.REMIND), *DEFAULT.rungs[1:]))
    assert examine(ZONE, 9, ladder=more).faults["doubled"] > 100
