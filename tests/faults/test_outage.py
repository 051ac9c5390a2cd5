"""72 hours in which nothing runs: afterwards each request gets one catch-up, at once, in office hours (M5).

The real services on a real database under a pretend clock. Requests are asked on the days before, to
offices in several time zones; then nothing is swept or sent for three days over a weekend and a holiday;
then a sweep comes every 15 seconds, as in every worker. REFERRAL_TEST_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from referral.domain.calendar import Hours
from referral.domain.reminders import Ladder
from referral.domain.simulation import Entry, Trouble, asked
from referral.letters.render import Renderer
from referral.services.calendars import business_calendar
from tests.database import ClinicFixture
from tests.faults.oracle import Office
from tests.faults.pretend import World, pretend, told
from tests.services import people

SEED: Final = int(os.environ.get("REFERRAL_TEST_SEED") or random.SystemRandom().randrange(2**32))
ZONES: Final = (
    "America/New_York",
    "America/Denver",
    "Pacific/Honolulu",
    "America/St_Johns",
    "Australia/Adelaide",
    "Asia/Kathmandu",
)
DENVER: Final = ZoneInfo("America/Denver")
SWEEP: Final = timedelta(seconds=15)
AT_MOST: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Outage:
    """When nothing ran, and how long before it the requests were asked."""

    start: datetime
    end: datetime
    asked_before: timedelta


# From Wednesday into Saturday: a holiday lies in it and a weekend behind it.
THANKSGIVING: Final = Outage(
    datetime(2026, 11, 25, 6, tzinfo=DENVER), datetime(2026, 11, 28, 6, tzinfo=DENVER), timedelta(days=9)
)
# From Monday into Thursday: what comes due in it is several rungs for some.
A_WEEK: Final = Outage(
    datetime(2026, 11, 16, 8, 30, tzinfo=DENVER),
    datetime(2026, 11, 19, 8, 30, tzinfo=DENVER),
    timedelta(days=10),
)


@dataclass(frozen=True, slots=True)
class Request:
    id: str
    zone: str
    asked_at: datetime


def ask_all(clinic: ClinicFixture, outage: Outage, count: int) -> list[Request]:
    """Asked by day and by night, in the order of time."""
    dice = random.Random(f"{SEED} {outage.start}")
    span = outage.asked_before / timedelta(minutes=1)
    moments = sorted(outage.start - timedelta(minutes=dice.randrange(60, int(span))) for _ in range(count))
    found = []
    with clinic.transaction() as session:
        doctors = [
            people.clinician(session, clinic, time_zone=zone, family=f"Of {zone}", npi="") for zone in ZONES
        ]
        for place, moment in enumerate(moments):
            order = people.order(session, clinic, people.patient(session, clinic, family=f"Nr {place}"))
            doctor = doctors[place % len(ZONES)]
            (referral,) = people.ask(session, clinic, order, doctor, now=moment)
            found.append(Request(referral.id, ZONES[place % len(ZONES)], moment))
    return found


def run_into_the_outage(world: World, outage: Outage) -> None:
    for _ in world.run(outage.start - timedelta(seconds=1)):
        pass
    world.clock.now = outage.start


def faults_after(
    timeline: list[Entry], request: Request, outage: Outage, offices: dict[str, Office], ladder: Ladder
) -> Counter[str]:
    """What is wrong with one request after the outage, by an oracle that walks the hours of its office."""
    office, found = offices[request.zone], Counter[str]()
    first = office.first_open(outage.end)
    done = {e.ordinal for e in timeline if e.event.startswith("step-") and e.at < outage.start}
    letters = [e for e in timeline if e.event == "sent" and e.at < outage.start]
    due = _due(office, letters[0].at, ladder) if letters else {}
    # What came due while nothing ran, and what falls due later on the day of the catch-up.
    today = first.astimezone(office.zone).date()
    left = [n for n, at in due.items() if n not in done and at < first]
    if left:
        left += [n for n, at in due.items() if n not in done and at >= first and _day(at, office) == today]
    after = [e for e in timeline if e.at >= outage.end and _day(e.at, office) == today]
    caught = [e for e in after if e.event.startswith("step-")]
    found["out of hours"] += sum(e.event == "sent" and not office.is_open(e.at) for e in timeline)
    found["two letters on a day"] += sum(e.event == "sent" for e in after) > 1
    if not letters:
        first_letter = next((e.at for e in after if e.event == "sent"), None)
        found["first letter late"] += first_letter is None or first_letter > first + AT_MOST
    if not left:
        return +found
    expected = max(n for n in left if n < len(ladder.rungs))
    found["no catch-up"] += not caught
    found["more than one catch-up"] += len(caught) > 1
    for entry in caught[:1]:
        found["not the latest"] += entry.ordinal != expected
        found["skipped are others"] += set(entry.skipped) != {n for n in left if n < expected}
        found["late"] += not first <= entry.at <= first + AT_MOST
    return +found


def _day(moment: datetime, office: Office) -> object:
    return moment.astimezone(office.zone).date()


def _due(office: Office, first: datetime, ladder: Ladder) -> dict[int, datetime]:
    """Counted on fingers: nine o'clock of the n-th business day after that of the first letter."""
    place = office.days.index(first.astimezone(office.zone).date())
    return {n: office.nine[office.days[place + rung.business_day]] for n, rung in enumerate(ladder.rungs, 1)}


def examine(
    clinic: ClinicFixture, renderer: Renderer, outage: Outage, count: int
) -> tuple[Counter[str], int]:
    """Faults, and how many requests had something to catch up."""
    requests = ask_all(clinic, outage, count)
    calendar = business_calendar("America/Denver", Hours())
    scenario = asked(Ladder(), calendar, (), requests[0].asked_at)
    scenario = replace(scenario, troubles=(Trouble(outage.start, outage.end),))
    world = pretend(clinic, renderer, scenario)
    run_into_the_outage(world, outage)
    offices = {zone: Office(ZoneInfo(zone), 2026, 2027) for zone in ZONES}
    openings = sorted({office.first_open(outage.end) for office in offices.values()})
    for opening in openings:
        world.clock.now = opening
        while world.now <= opening + AT_MOST + SWEEP:
            world.work()
            world.clock.now = world.now + SWEEP
    faults, caught_up = Counter[str](), 0
    for request in requests:
        timeline = told(world, request.id)
        faults += faults_after(timeline, request, outage, offices, Ladder())
        caught_up += any(e.skipped or e.event.startswith("step-") for e in timeline if e.at >= outage.end)
    return faults, caught_up


@pytest.mark.parametrize("outage", [THANKSGIVING, A_WEEK], ids=["over Thanksgiving", "in the week"])
def test_after_72_hours_each_gets_one_catch_up_within_five_minutes(
    clinic: ClinicFixture,
    renderer: Renderer,
    outage: Outage,
    record_property: Callable[[str, object], None],
) -> None:
    assert outage.end - outage.start == timedelta(hours=72)
    faults, caught_up = examine(clinic, renderer, outage, 24)
    record_property(
        "figure", f"72 h outage, 24 requests (seed {SEED}): {caught_up} caught up, {dict(faults)}"
    )
    assert caught_up >= 6, SEED
    assert faults == Counter(), (f"REFERRAL_TEST_SEED={SEED}", faults)
