"""View models of what became of recommendations: the review list, and the section on the order's page."""

from __future__ import annotations

from dataclasses import dataclass

from referral.web.staff.models import Badge, Choice, Link, When


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """One answer or conflict that waits. `badges` say why, `sentence` what was said."""

    since: When
    patient: str
    href: str
    infusion: str
    badges: tuple[Badge, ...]
    sentence: str
    action: Link


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One answer about an order, and in `lines` what was said about it since."""

    badge: Badge
    title: str
    href: str
    when: When
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConflictCard:
    """Two clinicians who disagree. The form sends both ids back."""

    since: When
    recommended: str
    refused: str
    refused_href: str
    recommendation_id: str
    refusal_id: str


@dataclass(frozen=True, slots=True)
class LifeSection:
    """`facts` are what staff may report as changed, empty for who may not; `may_decide` for the director."""

    answers: tuple[AnswerRow, ...] = ()
    conflicts: tuple[ConflictCard, ...] = ()
    facts: tuple[Choice, ...] = ()
    may_decide: bool = False
