"""A simulation is worth something as long as it tells what the services do: both go through the same.

The services run on a real database with providers of the test's; their timeline is compared with the
simulated one, event by event and to the microsecond.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from referral.domain.codes import Channel
from referral.domain.simulation import Cause, Entry, Happening, Scenario, Trouble, asked, simulate
from referral.letters.render import Renderer
from referral.services.calendars import calendar_of
from referral.storage import clinics, directory
from tests.database import ClinicFixture
from tests.faults.pretend import happen, pretend, told
from tests.services import people

DENVER: Final = ZoneInfo("America/Denver")
# The Friday before Thanksgiving; what is asked in the evening waits until Monday.
START: Final = datetime(2026, 11, 20, 10, 0, tzinfo=DENVER)


def at(day: int, hour: int, minute: int = 0, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=DENVER)


SCENARIOS: Final[Mapping[str, dict[str, Any]]] = {
    "nothing happens": {},
    "asked at night": {"starts_at": at(20, 22)},
    "asked before a holiday, in another zone": {"starts_at": at(25, 16), "zone": "Pacific/Honolulu"},
    "a zone of half hours": {"starts_at": at(23, 16), "zone": "Australia/Adelaide"},
    "reached by paper only": {"email": "", "starts_at": at(21, 12)},
    "reached in one way only": {"fax": "", "address": ()},
    "the first letter is refused": {"refusing": frozenset({Channel.EMAIL})},
    "two ways refuse": {"refusing": frozenset({Channel.EMAIL, Channel.FAX})},
    "all ways refuse": {"refusing": frozenset({Channel.EMAIL, Channel.FAX, Channel.POST})},
    "the first letter bounces in the afternoon": {
        "happenings": (Happening(at(20, 15), Cause.BOUNCE, Channel.EMAIL),)
    },
    "the first letter bounces at night": {
        "happenings": (Happening(at(23, 22), Cause.BOUNCE, Channel.EMAIL),)
    },
    "a reminder bounces, then its fax": {
        "happenings": (
            Happening(at(24, 9, 5), Cause.BOUNCE, Channel.EMAIL),
            Happening(at(24, 10), Cause.BOUNCE, Channel.FAX),
        )
    },
    "a reminder waits for a mailbox that dies": {
        "troubles": (Trouble(at(24, 8), at(24, 14), Channel.EMAIL),),
        "happenings": (Happening(at(24, 12), Cause.BOUNCE, Channel.EMAIL),),
    },
    "answered": {"happenings": (Happening(at(25, 11, 30), Cause.ANSWER),)},
    "answered at night": {"happenings": (Happening(at(25, 23, 30), Cause.ANSWER),)},
    "cancelled before anything left": {
        "starts_at": at(20, 20),
        "happenings": (Happening(at(20, 21), Cause.CANCEL),),
    },
    "paused over a rung": {"happenings": (Happening(at(23, 15), Cause.PAUSE, until=date(2026, 12, 1)),)},
    "paused twice": {
        "happenings": (
            Happening(at(23, 15), Cause.PAUSE, until=date(2026, 11, 24)),
            Happening(at(30, 7), Cause.PAUSE, until=date(2026, 12, 4)),
        )
    },
    "a question, answered a week later": {
        "happenings": (Happening(at(23, 12), Cause.QUESTION), Happening(at(30, 12), Cause.RESUME))
    },
    "a question that nobody answers": {"happenings": (Happening(at(23, 12), Cause.QUESTION),)},
    "an outage over Thanksgiving": {"troubles": (Trouble(at(23, 18), at(30, 3)),)},
    "an outage that eats the time to answer": {"troubles": (Trouble(at(23, 18), at(16, 12, month=12)),)},
    "an outage before the first letter": {"troubles": (Trouble(at(20, 9), at(24, 13)),)},
    "a provider that is down for a morning": {
        "troubles": (Trouble(at(20, 9), at(20, 10, 40), Channel.EMAIL),)
    },
    "a provider that is down for good": {
        "troubles": (Trouble(at(20, 9), at(20, 9, month=12), Channel.EMAIL),)
    },
    "a reminder that is held up when the clinician asks": {
        "troubles": (Trouble(at(24, 8), at(25, 8), Channel.EMAIL),),
        "happenings": (Happening(at(24, 9, 30), Cause.QUESTION), Happening(at(25, 9), Cause.RESUME)),
    },
}


# While a provider is shut off after many failures, tries wait for its probe, which comes with other traffic.
BROKEN_CIRCUIT: Final = frozenset({"a provider that is down for good"})


def by_days(entries: list[Entry]) -> list[Entry]:
    """With the beginning of the day in Denver instead of the moment."""
    days = [entry.at.astimezone(DENVER).date() for entry in entries]
    return [
        replace(e, at=datetime.combine(day, time(0), DENVER)) for e, day in zip(entries, days, strict=True)
    ]


def simulated(scenario: Scenario) -> list[Entry]:
    """Without what the services do not keep."""
    entries = [entry for entry in simulate(scenario) if entry.event != "try-again"]
    return [replace(entry, wanted_at=None, until=None) for entry in entries]


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_is_simulated_is_what_the_services_do(
    clinic: ClinicFixture, renderer: Renderer, name: str
) -> None:
    values = dict(SCENARIOS[name])
    changes = {key: values.pop(key) for key in ("email", "fax", "address") if key in values}
    starts_at, zone = values.pop("starts_at", START), values.pop("zone", "America/Denver")
    with clinic.transaction() as session:
        asked_one = people.clinician(session, clinic, time_zone=zone, **changes)
        order = people.order(session, clinic, people.patient(session, clinic))
        (referral,) = people.ask(session, clinic, order, asked_one, now=starts_at)
        _, ladder = clinics.policy_in_force(session)
        asked_one = directory.get_clinician(session, asked_one.id)
        calendar = calendar_of(session, asked_one)
    scenario = replace(asked(ladder, calendar, asked_one.contacts, starts_at), **values)
    world = pretend(clinic, renderer, scenario)
    coming = sorted(scenario.happenings, key=lambda happening: happening.at)
    for moment in world.run(starts_at + timedelta(days=45), [happening.at for happening in coming]):
        assert coming[0].at == moment
        happen(world, referral.id, coming.pop(0))
    real, pretended = told(world, referral.id), simulated(scenario)
    if name in BROKEN_CIRCUIT:
        real, pretended = by_days(real), by_days(pretended)
    assert real == pretended
