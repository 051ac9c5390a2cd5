"""What the pages about a clinic's letterhead and its letters show."""

from __future__ import annotations

from dataclasses import dataclass

from referral.web.form import Form
from referral.web.staff.models import Choice, Fact, When


@dataclass(frozen=True, slots=True)
class LetterheadStepRow:
    """One version in the history."""

    number: int
    when: When
    by: str
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LetterheadPage:
    """`edit` is empty for those who may not change it, `logo` where there is none."""

    version: int
    facts: tuple[Fact, ...]
    accent: str
    logo: str
    picture: str
    pdf: str
    history: tuple[LetterheadStepRow, ...]
    edit: str


@dataclass(frozen=True, slots=True)
class LetterheadForm:
    """`logo` is the address of the picture that is chosen. `stale` and `changed` as in PolicyForm."""

    form: Form
    logo: str
    stale: str = ""
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """One drawn page: what it is, its picture, and the PDF behind it."""

    label: str
    picture: str
    pdf: str


@dataclass(frozen=True, slots=True)
class LetterheadPreview:
    """Nothing is saved yet; `hidden` is what the form sent."""

    form: Form
    hidden: tuple[tuple[str, str], ...]
    changed: tuple[str, ...]
    looks: tuple[Look, ...]


@dataclass(frozen=True, slots=True)
class LetterCard:
    """One kind of letter with the picture of its first page."""

    title: str
    text: str
    picture: str
    pdf: str


@dataclass(frozen=True, slots=True)
class MessageCard:
    """One kind of message: a mail with its subject, and the text message, as they arrive."""

    title: str
    text: str
    subject: str
    body: str
    short: str
    short_size: str
    anchor: str


@dataclass(frozen=True, slots=True)
class LettersPage:
    """`languages` and `styles` are the choices of the filter."""

    cards: tuple[LetterCard, ...]
    messages: tuple[MessageCard, ...]
    languages: tuple[Choice, ...]
    styles: tuple[Choice, ...]
    sender: str
    sender_address: str
    lang: str
