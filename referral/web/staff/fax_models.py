"""View models of the fax inbox."""

from __future__ import annotations

from dataclasses import dataclass, field

from referral.web.form import Form
from referral.web.portal_questions import Section
from referral.web.staff.models import Badge, Choice, Fact, Link


@dataclass(frozen=True, slots=True)
class PageShown:
    """One page of `of`; the links turn it and lead to its neighbours, '' where there is none."""

    number: int
    of: int
    picture: str
    turn_left: str
    turn_right: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class FaxPage:
    """`actions` are the steps open to this person now: assign, dismiss, restore, take-off, transcribe, file,
    differ. Each posts to `{href}/{action}`.

    `answered` says what is on record where the request has its answer already. `sections` are the questions
    of the form as the fax has them.
    """

    title: str
    href: str
    badge: Badge
    sentence: str
    facts: tuple[Fact, ...]
    form: Form
    shown: PageShown | None
    actions: tuple[str, ...] = ()
    candidates: tuple[Choice, ...] = ()
    query: str = ""
    about: Link | None = None
    ask_again: str = ""
    answered: str = ""
    sections: tuple[Section, ...] = field(default_factory=tuple)
    today: str = ""
    failed: str = ""
