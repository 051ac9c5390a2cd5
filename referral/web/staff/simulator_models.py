"""What the simulator's page shows."""

from __future__ import annotations

from dataclasses import dataclass

from referral.web.form import Form
from referral.web.staff.models import Choice, Link, When


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens. `state` and `icon` are those of the timeline.

    `passed` tells whether the pretend clock has come to it, `is_now` whether it stands just there.
    """

    number: int
    day: str
    time: str
    when: When
    title: str
    why: str
    state: str
    icon: str
    passed: bool
    is_now: bool


@dataclass(frozen=True, slots=True)
class DayCell:
    """One day of the calendar. `closed` is why nothing goes out, '' for a business day; `steps` are its own.

    `kind` is business, closed, weekend or outside (before the request, or after its end).
    """

    day: str
    number: str
    iso: str
    kind: str
    closed: str
    is_now: bool
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Hands:
    """The pretend clock: what it shows, and where its buttons lead; '' where it cannot go."""

    shows: str
    text: str
    back: str
    forward: str
    start: str
    end: str


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the form: the suffix of its fields, and what can be chosen."""

    number: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class SimulatorPage:
    """`request` is set for a real one: then only what happens can be chosen."""

    form: Form
    action: str
    zones: tuple[Choice, ...]
    ways: tuple[Choice, ...]
    events: tuple[Event, ...]
    request: Link | None
    hands: Hands | None
    weeks: tuple[tuple[DayCell, ...], ...]
    steps: tuple[Step, ...]
    letters: str
    zone: str
    note: str
