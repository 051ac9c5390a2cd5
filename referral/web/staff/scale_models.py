"""What the pages of scales and of signs of self-harm show."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from referral.web.form import Form
from referral.web.questions import Question
from referral.web.staff.models import Badge, Choice, Fact, Link, When


@dataclass(frozen=True, slots=True)
class ScaleSection:
    """On the page of an order: the newest total of each scale, and the way to all of them."""

    href: str
    latest: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Filled:
    """One filling. `detail` says what is missing; `id` names it for who may mark it as an error, else ''."""

    when: When
    total: str
    detail: str
    source: str
    badge: Badge | None
    id: str


@dataclass(frozen=True, slots=True)
class ScaleCard:
    """One scale of an order. `picture` is None with fewer than two totals."""

    title: str
    anchor: str
    sentence: str
    picture: Markup | None
    rows: tuple[Filled, ...]
    fill: str
    asked: bool


@dataclass(frozen=True, slots=True)
class ScalesPage:
    patient: Link
    number: str
    href: str
    cards: tuple[ScaleCard, ...]
    ask: tuple[Choice, ...]
    form: Form


@dataclass(frozen=True, slots=True)
class FillPage:
    """`language` is the patient's: they may read the questions themselves."""

    patient: Link
    back: str
    href: str
    title: str
    intro: str
    lang: str
    questions: tuple[Question, ...]
    numbers: bool
    form: Form


@dataclass(frozen=True, slots=True)
class CallLine:
    """One message to somebody on call."""

    when: When
    who: str
    badge: Badge


@dataclass(frozen=True, slots=True)
class SafetyPage:
    """`calls` were sent to who is on call; `unwatched`: nobody is.

    `actions` are empty once somebody has seen to it; `done` are the facts of that, `note` their words.
    """

    patient: Link
    href: str
    telephone: str
    sentence: str
    facts: tuple[Fact, ...]
    actions: tuple[Choice, ...]
    done: tuple[Fact, ...]
    note: str
    form: Form
    title: str = ""
    calls: tuple[CallLine, ...] = ()
    unwatched: bool = False
