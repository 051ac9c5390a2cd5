"""What the pages about accounts show: one's own, those of others, and the doors before them."""

from __future__ import annotations

from dataclasses import dataclass

from referral.web.form import Form
from referral.web.staff.models import Badge, Choice, Fact, When


@dataclass(frozen=True, slots=True)
class DoorPage:
    """A page before or between sign-ins: `next` is where it leads, `who` whose session it is."""

    form: Form
    next: str
    who: str = ""
    clinic: str = ""


@dataclass(frozen=True, slots=True)
class EnrolPage:
    """`qr` is a data URI; `secret` the same to be typed, in groups of four."""

    form: Form
    next: str
    qr: str
    secret: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class CodesPage:
    """Recovery codes, shown this once."""

    codes: tuple[str, ...]
    next: str


@dataclass(frozen=True, slots=True)
class SessionRow:
    """`handle` names the session in a form and opens nothing."""

    handle: str
    device: str
    since: When
    used: When
    here: bool
    badge: Badge | None


@dataclass(frozen=True, slots=True)
class AccountPage:
    """`required`: the role needs a second factor, so it cannot be turned off."""

    facts: tuple[Fact, ...]
    form: Form
    minimum: int
    second_factor: Badge
    is_on: bool
    required: bool
    codes_left: int
    sessions: tuple[SessionRow, ...]
    idle_minutes: int


@dataclass(frozen=True, slots=True)
class NewUserPage:
    form: Form
    roles: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class SetUpLinkPage:
    """`url` is shown on this page and never again."""

    name: str
    href: str
    url: str
    until: When


@dataclass(frozen=True, slots=True)
class UserPage:
    name: str
    href: str
    facts: tuple[Fact, ...]
    badges: tuple[Badge, ...]
    form: Form
    roles: tuple[Choice, ...]
    active: bool
    oneself: bool
    has_second_factor: bool
    sessions: tuple[SessionRow, ...]


@dataclass(frozen=True, slots=True)
class RulesPage:
    form: Form
    idle: tuple[Choice, ...]
    roles: tuple[Choice, ...]
