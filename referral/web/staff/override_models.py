"""What the pages about emergency access show."""

from __future__ import annotations

from dataclasses import dataclass

from referral.web.form import Form
from referral.web.staff.list_models import ListPage
from referral.web.staff.models import Badge, Choice, Fact, Gate, Link, When


@dataclass(frozen=True, slots=True)
class OverrideRow:
    """One request in a list. `sentence` says who did what, `review` where the review of it stands."""

    asked: When
    title: str
    href: str
    reason: str
    badge: Badge
    sentence: str
    review: Badge | None


@dataclass(frozen=True, slots=True)
class OverridePanel:
    """Emergency access on the page of an order. `ask` leads to asking, empty where that cannot be now."""

    rows: tuple[OverrideRow, ...]
    ask: str = ""


@dataclass(frozen=True, slots=True)
class AskOverridePage:
    patient: Link
    number: str
    href: str
    gate: Gate
    refusal: str
    reasons: tuple[Choice, ...]
    least: int
    form: Form


@dataclass(frozen=True, slots=True)
class OverridePage:
    """`decide` and `review` where this visitor may do that now; `why_not` says why where they may not."""

    number: str
    href: str
    patient: Link
    order: Link
    row: OverrideRow
    facts: tuple[Fact, ...]
    words: str
    note: str
    gate: Gate
    form: Form
    decide: bool
    review: bool
    why_not: str
    outcomes: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class OverridesPage:
    """The report: counts of a period in words, and every request."""

    allowed: bool
    counts: tuple[Fact, ...]
    list: ListPage
