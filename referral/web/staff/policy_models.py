"""What the pages about clinic policy show."""

from __future__ import annotations

from dataclasses import dataclass

from referral.web.form import Form
from referral.web.staff.ladder_models import Rung
from referral.web.staff.models import Badge, Fact, Link, When


@dataclass(frozen=True, slots=True)
class CodeGroup:
    """What a class of indications needs, and its codes in a line for each code system."""

    title: str
    needs: str
    codes: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class OpenCode:
    """A code in use that nobody has classified. `classify` is empty for those who may not."""

    code: str
    label: str
    orders: str
    classify: str = ""


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One line of history; `outcome` says how many orders it has moved."""

    number: int
    when: When
    by: str
    reason: str
    changed: tuple[str, ...]
    outcome: str
    badge: Badge | None = None


@dataclass(frozen=True, slots=True)
class PolicyPage:
    """`edit` and `older` are addresses, empty where there is nothing to go to.

    `undo` is the version in force, where this person may take it back with a click; `token` goes with it.
    """

    version: int
    since: When
    groups: tuple[CodeGroup, ...]
    facts: tuple[Fact, ...]
    unclassified: tuple[OpenCode, ...]
    history: tuple[VersionRow, ...]
    edit: str
    older: str
    rungs: tuple[Rung, ...] = ()
    edit_ladder: str = ""
    undo: int = 0
    token: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    """A tick box with its name and words."""

    name: str
    label: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PolicyForm:
    """`changed` is what somebody else has put in force meanwhile, `stale` the sentence that says so."""

    form: Form
    kinds: tuple[Option, ...]
    strengths: tuple[Option, ...]
    switches: tuple[Option, ...]
    show_other: bool
    stale: str = ""
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MovedRow:
    """An order that closes or opens."""

    order: Link
    indication: str
    infusion: When | None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoppedRow:
    """A recommendation that stops counting."""

    clinician: str
    given: When
    order: Link
    why: str
    badge: Badge | None = None


@dataclass(frozen=True, slots=True)
class PreviewPage:
    """`hidden` carries what was typed through to the next step; `*_more` say how many rows are left out."""

    form: Form
    hidden: tuple[tuple[str, str], ...]
    version: int
    changed: tuple[str, ...]
    closes: tuple[MovedRow, ...]
    opens: tuple[MovedRow, ...]
    stops: tuple[StoppedRow, ...]
    close_count: int
    open_count: int
    stop_count: int
    looked_at: str
    notes: tuple[str, ...]
    outdated: str = ""
