"""What the pages about the ladder, hours and closed days show."""

from __future__ import annotations

from dataclasses import dataclass

from referral.web.form import Form
from referral.web.staff.models import Choice, When


@dataclass(frozen=True, slots=True)
class Rung:
    """One step: 'Day 2' and what it does."""

    day: str
    text: str


@dataclass(frozen=True, slots=True)
class DatedStep:
    """One coming step: when, and what; `note` says what it leaves out or waits for."""

    when: When
    text: str
    icon: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class LadderForm:
    """`lines` are the numbers of the lines that the form has, from 1."""

    form: Form
    lines: tuple[int, ...]
    choices: tuple[Choice, ...]
    channels: tuple[Choice, ...]
    tells: tuple[Choice, ...]
    days: int
    stale: str = ""
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LadderPreviewPage:
    """`hidden` is what was typed; `office` is where the example is, `zones` where it could be."""

    form: Form
    hidden: tuple[tuple[str, str], ...]
    version: int
    changed: tuple[str, ...]
    office: str
    zones: tuple[Choice, ...]
    steps: tuple[DatedStep, ...]
    left_out: tuple[str, ...]
    letters: str
    running: str


@dataclass(frozen=True, slots=True)
class ClosureRow:
    """Closed days. `remove` is the address that takes them back, empty for those who may not."""

    days: str
    words: str
    remove: str = ""


@dataclass(frozen=True, slots=True)
class HoursBox:
    """Hours and closed days of one office: `own` says that it has hours of its own.

    `save`, `clear` and `close` are addresses, empty for those who may not, or where there is nothing to do.
    `office` is the clinician's id, "" for the clinic.
    """

    title: str
    summary: str
    closures: tuple[ClosureRow, ...]
    form: Form
    save: str = ""
    clear: str = ""
    close: str = ""
    weekdays: tuple[Choice, ...] = ()
    open: str = ""
    office: str = ""


@dataclass(frozen=True, slots=True)
class HoursPage:
    """`holidays` are the coming federal ones."""

    hours: HoursBox
    holidays: tuple[ClosureRow, ...]
