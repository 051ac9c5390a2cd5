"""View models of the pages of a course: the whole course, one session, one thing that is corrected."""

from __future__ import annotations

from dataclasses import dataclass

from referral.web.form import Form
from referral.web.staff.models import Badge, Choice, Fact, Gate, Link, When


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session in the list of a course."""

    href: str
    title: str
    when: When
    badge: Badge
    text: str


@dataclass(frozen=True, slots=True)
class EffectRow:
    """A side effect; `href` leads to where it is corrected."""

    when: When
    text: str
    detail: str
    badge: Badge | None
    href: str


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A change of medication; `href` leads to where it is corrected."""

    when: When
    text: str
    href: str


@dataclass(frozen=True, slots=True)
class ReportLine:
    """A report to somebody who recommended the treatment; `id` is set where it waits for somebody's call."""

    id: str
    title: str
    to: str
    when: When
    badge: Badge
    sentence: str
    message: Link | None
    phone: str
    directory: str


@dataclass(frozen=True, slots=True)
class CoursePage:
    """`actions`: decide, plan, start, event, medication, end. `under_way` is the session that runs."""

    patient: Link
    order: Link
    href: str
    badge: Badge
    progress: str
    facts: tuple[Fact, ...]
    decision: tuple[Fact, ...]
    decided: bool
    consulted: bool
    gate: Gate
    sessions: tuple[SessionRow, ...]
    started_today: str
    between: tuple[EffectRow, ...]
    under_way: Link | None
    form: Form
    actions: tuple[str, ...]
    candidacy: tuple[Choice, ...]
    reasons: tuple[Choice, ...]
    changes: tuple[Choice, ...]
    endings: tuple[Choice, ...]
    stops: tuple[Choice, ...]
    picks: tuple[Choice, ...]
    severities: tuple[Choice, ...]
    reports: tuple[ReportLine, ...] = ()
    medication: tuple[ChangeRow, ...] = ()


@dataclass(frozen=True, slots=True)
class VitalCell:
    text: str
    href: str


@dataclass(frozen=True, slots=True)
class VitalRow:
    """What was measured at one time, in the order of the columns; a cell may be empty."""

    when: When
    phase: str
    cells: tuple[VitalCell | None, ...]


@dataclass(frozen=True, slots=True)
class DoseRow:
    """`stop` is the value of the button that stops it, empty where it has stopped."""

    text: str
    detail: str
    href: str
    stop: str


@dataclass(frozen=True, slots=True)
class SessionPage:
    """`is_open`: it runs. `may` records; others look."""

    patient: Link
    course: Link
    href: str
    title: str
    badge: Badge
    facts: tuple[Fact, ...]
    is_open: bool
    may: bool
    columns: tuple[str, ...]
    vitals: tuple[VitalRow, ...]
    doses: tuple[DoseRow, ...]
    effects: tuple[EffectRow, ...]
    form: Form
    phases: tuple[Choice, ...]
    picks: tuple[Choice, ...]
    severities: tuple[Choice, ...]
    states: tuple[Choice, ...]
    aborts: tuple[Choice, ...]
    words: str
    correct: str


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a thing: what it said, who recorded it and why it was changed."""

    when: When
    by: str
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class RecordPage:
    """One thing of a course with its versions, and the form that makes the next one.

    `told` are those who have a report of it, and get a corrected one.
    """

    title: str
    back: Link
    patient: Link
    href: str
    versions: tuple[Version, ...]
    kind: str
    form: Form
    may: bool
    changes: tuple[Choice, ...]
    phases: tuple[Choice, ...] = ()
    picks: tuple[Choice, ...] = ()
    severities: tuple[Choice, ...] = ()
    endings: tuple[Choice, ...] = ()
    stops: tuple[Choice, ...] = ()
    told: tuple[str, ...] = ()
