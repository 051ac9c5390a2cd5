"""A simulation as a calendar and as a list, with a pretend clock that stands at one of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from referral.domain.ladder_draft import CHANNEL_WORDS
from referral.domain.time_zones import ZONES
from referral.services.simulate import WRITTEN, Simulated
from referral.services.simulation_words import Line, lines
from referral.web.form import Form
from referral.web.staff import present
from referral.web.staff.clock import Clock
from referral.web.staff.models import Choice, Link
from referral.web.staff.simulator_models import DayCell, Event, Hands, SimulatorPage, Step

EVENTS: Final = ("1", "2", "3")
# What can be made to happen, by the value that the form sends; the part before ":" is the field of Typed.
HAPPENINGS: Final[Mapping[str, str]] = {
    **{f"bounce:{channel}": f"What went by {words} comes back" for channel, words in CHANNEL_WORDS.items()},
    "question": "The clinician asks something",
    "resume": "The clinic lets it go on",
    "pause": "The reminders are paused",
    "answer": "The clinician answers",
    "cancel": "The clinic cancels",
    "outage": "This service stands still",
    **{f"down:{way}": f"Nothing leaves by {words}" for way, words in CHANNEL_WORDS.items()},
}
_LOOKS: Final = {
    "not-delivered": ("closed", "warning"),
    "failed-after-all": ("closed", "warning"),
    "try-again": ("waiting", "waiting"),
    "call-queued": ("waiting", "phone"),
    "step-call": ("waiting", "phone"),
    "step-suggest-another": ("waiting", "user"),
    "step-escalate": ("waiting", "user"),
    "asked-question": ("waiting", "mail"),
    "paused": ("waiting", "pause"),
    "resumed": ("info", "next"),
    "answered": ("open", "pen"),
    "expired": ("closed", "closed"),
    "cancelled": ("neutral", "neutral"),
}
_OTHER: Final = ("neutral", "neutral")


def simulator_page(
    form: Form, action: str, found: Simulated | None, clock: Clock, request: Link | None = None
) -> SimulatorPage:
    """`clock` is the recipient's. `found` is None where the form could not be read."""
    told = lines(found, lambda moment: clock.moment(moment).text) if found else ()
    # A real request stands at its beginning; a made-up one is looked at as a whole first.
    passed = _passed(form, len(told), 0 if request else len(told))
    steps = tuple(_step(n, line, clock, passed) for n, line in enumerate(told, 1))
    letters = sum(line.event == "sent" for line in told)
    return SimulatorPage(
        form=form,
        action=action,
        zones=_zones(form.value("time_zone")),
        ways=_ways(form),
        events=tuple(Event(number, _choices(form.value(f"what_{number}"))) for number in EVENTS),
        request=request,
        hands=_hands(form, action, told, passed, clock, found) if found and told else None,
        weeks=_weeks(found, steps, told, clock, passed) if found and told else (),
        steps=steps,
        letters=present.counted(letters, "message"),
        zone=clock.zone.key.split("/")[-1].replace("_", " "),
        note=_note(found, told),
    )


def _passed(form: Form, count: int, otherwise: int) -> int:
    """How many steps the pretend clock has gone through; `otherwise` where nobody has turned it."""
    text = form.value("clock")
    return min(int(text), count) if text.isascii() and text.isdecimal() and len(text) < 5 else otherwise


def _note(found: Simulated | None, told: tuple[Line, ...]) -> str:
    if found is None:
        return ""
    if found.scenario.standing.held_at is not None:
        return "The request is on hold: no step comes by itself until somebody lets it go on."
    return "" if told else "Nothing more happens by itself."


def _step(number: int, line: Line, clock: Clock, passed: int) -> Step:
    state, icon = _LOOKS.get(line.event, _OTHER)
    if line.channel is not None and line.event == "sent":
        state, icon = "info", present.CHANNEL_ICON[line.channel]
    return Step(
        number=number,
        day=clock.date_of(line.at),
        time=clock.hour(line.at).text,
        when=clock.moment(line.at),
        title=line.title,
        why=line.why,
        state=state,
        icon=icon,
        passed=number <= passed,
        is_now=number == passed,
    )


def _hands(
    form: Form, action: str, told: tuple[Line, ...], passed: int, clock: Clock, found: Simulated
) -> Hands:
    at = told[passed - 1].at if passed else found.scenario.starts_at
    left = len(told) - passed
    return Hands(
        shows=f"{clock.moment(at).text}",
        text=f"{passed} of {len(told)} steps done" if left else f"All {len(told)} steps done",
        back=_turned(form, action, passed - 1) if passed else "",
        forward=_turned(form, action, passed + 1) if left else "",
        start=_turned(form, action, 0) if passed else "",
        end=_turned(form, action, len(told)) if left else "",
    )


def _turned(form: Form, action: str, to: int) -> str:
    """The same scenario with the clock at another step."""
    kept = [(name, value) for name, value in form.values.items() if value and name not in ("clock", "ways")]
    ways = [("by", way) for way in form.value("ways").split()]
    return f"{action}?{urlencode([*kept, *ways, ('clock', str(to))])}#result"


def _weeks(
    found: Simulated, steps: tuple[Step, ...], told: tuple[Line, ...], clock: Clock, passed: int
) -> tuple[tuple[DayCell, ...], ...]:
    """Whole weeks, Monday first, from the day of the request to that of the last step."""
    first, last = clock.local(found.scenario.starts_at), clock.local(told[-1].at)
    now = clock.local(told[passed - 1].at) if passed else first
    by_day: dict[date, list[Step]] = {}
    for step, line in zip(steps, told, strict=True):
        by_day.setdefault(clock.local(line.at), []).append(step)
    monday = first - timedelta(days=first.weekday())
    weeks = []
    while monday <= last:
        days = [monday + timedelta(days=n) for n in range(7)]
        weeks.append(tuple(_cell(day, first, last, found, by_day, clock, now) for day in days))
        monday += timedelta(days=7)
    return tuple(weeks)


def _cell(
    day: date,
    first: date,
    last: date,
    found: Simulated,
    by_day: Mapping[date, list[Step]],
    clock: Clock,
    now: date,
) -> DayCell:
    closed = found.closed.get(day, "")
    kind = "weekend" if day.weekday() >= 5 else "closed" if closed else "business"
    month = clock.day(day).text.split(", ")[1]
    return DayCell(
        day=clock.day(day).text,
        number=month if day.day == 1 or day.weekday() == 0 or day == first else str(day.day),
        iso=day.isoformat(),
        kind=kind if first <= day <= last else f"outside {kind}",
        closed="Weekend" if kind == "weekend" else closed[:1].upper() + closed[1:],
        is_now=day == now,
        steps=tuple(by_day.get(day, ())),
    )


def _zones(chosen: str) -> tuple[Choice, ...]:
    """Those of practices in the United States, and the one that is chosen."""
    names = sorted({*ZONES, *((chosen,) if chosen else ())})
    return tuple(Choice(name, name.rpartition("/")[2].replace("_", " ")) for name in names)


def _ways(form: Form) -> tuple[Choice, ...]:
    chosen = form.value("ways").split()
    return tuple(Choice(way, CHANNEL_WORDS[way].capitalize(), checked=way in chosen) for way in WRITTEN)


def _choices(chosen: str) -> tuple[Choice, ...]:
    return tuple(Choice(value, words, checked=value == chosen) for value, words in HAPPENINGS.items())


def recipients_clock(found: Simulated | None, now: datetime, otherwise: Clock) -> Clock:
    """The clock of the one who is asked; the clinic's where nothing could be read."""
    return Clock(found.time_zone, now) if found else otherwise
