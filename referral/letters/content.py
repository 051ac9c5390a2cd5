"""What a letter and a sealed record say, as values; every text made printable and kept within its limit."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import ClassVar, Final
from zoneinfo import ZoneInfo

from referral.domain.codes import ClinicianKind
from referral.domain.errors import InvalidInput, Issue, ReferralError
from referral.domain.language import Language
from referral.translation import say

DEFAULT_ACCENT: Final = "#0f5257"
_JOINERS: Final = "\u200c\u200d"
# Written out because strftime follows the locale of the process, and the same letter must have the same
# bytes.
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


class LetterProblem(ReferralError):
    """This document must not be sent as it is. Says which field or rule, never what stands in it."""


def printable(text: str) -> str:
    """One line as it may be printed: composed, without the control and format characters that reorder a line.

    The two joiners stay, because Persian and Indic names need them. Any white space becomes a single space.
    """
    return " ".join(_without_controls(text).split())


def printable_text(text: str) -> str:
    """The same for free text: line breaks stay."""
    lines = (printable(line) for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    return "\n".join(lines).strip()


def _without_controls(text: str) -> str:
    kept = []
    for character in unicodedata.normalize("NFC", text):
        if character.isspace():
            kept.append(" ")
        elif character in _JOINERS or unicodedata.category(character) not in ("Cc", "Cf", "Cs"):
            kept.append(character)
    return "".join(kept)


def long_date(day: date) -> str:
    """As an American letter writes it: December 6, 2026."""
    return f"{_MONTHS[day.month - 1]} {day.day}, {day.year}"


def accent_problem(accent: str) -> str | None:
    """Why a clinic cannot have this colour, or None: on white and under white it must be readable."""
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", accent):
        return "Write the color as # and six hexadecimal digits, for example #0f5257."
    if 1.05 / (_luminance(accent) + 0.05) < 4.5:
        return "This color is too light to be read on white paper; choose a darker one."
    return None


def _luminance(colour: str) -> float:
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def settle(value: object, limits: Mapping[str, int], multiline: frozenset[str] = frozenset()) -> None:
    """Make every text of a frozen value printable, and refuse one over its limit (120 if not told)."""
    for field in fields(value):  # type: ignore[arg-type]  # every caller is a dataclass
        given = getattr(value, field.name)
        clean = printable_text if field.name in multiline else printable
        if isinstance(given, tuple) and all(isinstance(line, str) for line in given):
            settled: object = tuple(line for line in map(clean, given) if line)
        elif type(given) is str:
            settled = clean(given)
        else:
            continue
        object.__setattr__(value, field.name, settled)
        limit = limits.get(field.name, 120)
        for line in settled if isinstance(settled, tuple) else (settled,):
            if len(line) > limit:
                raise LetterProblem(
                    f"{field.name} is longer than the {limit} characters that a letter has room for."
                )


def require_web_address(field: str, url: str) -> None:
    """The reader of a PDF can press it, so it must lead to a page and nowhere else."""
    if not url.startswith(("https://", "http://")):
        raise LetterProblem(f"{field} must be a web address.")


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture that letters/logo.py has accepted: PNG, JPEG or SVG as `content_type` says.

    `fax` is a PNG in black and white, None where too little of the picture would be left. Sizes are in pixels
    of the picture; only their ratio counts.
    """

    content_type: str
    content: bytes
    fax: bytes | None
    width: int
    height: int

    @property
    def classes(self) -> str:
        """How letter.css places it: a wide one above the clinic's name, another one beside it."""
        return " logo wide" if self.width > 1.6 * self.height else " logo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterhead:
    """The clinic as its letters show it; `neutral_name` stands in the file's properties."""

    clinic_name: str
    tagline: str
    address_lines: tuple[str, ...]
    telephone: str
    fax: str
    website: str
    signer_name: str
    signer_title: str
    neutral_name: str
    accent: str = DEFAULT_ACCENT
    logo: Logo | None = None

    def __post_init__(self) -> None:
        settle(
            self,
            {
                "clinic_name": 60,
                "tagline": 80,
                "address_lines": 44,
                "telephone": 30,
                "fax": 30,
                "website": 60,
            },
        )
        if problem := accent_problem(self.accent):
            raise InvalidInput(Issue(problem, ("accent",), "value"))
        if len(self.address_lines) > 3:
            raise LetterProblem("address_lines of the letterhead has room for 3 lines.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What every letter carries in its frame, whoever gets it.

    `recipient_lines` is the postal address without the person. `written_at` is aware UTC and shown as a date
    in `time_zone`. A text that is too long raises LetterProblem here already. `LIMITS` are characters, of a
    line where there are several; texts in `FREE_TEXT` keep their line breaks.
    """

    LIMITS: ClassVar[Mapping[str, int]] = {"recipient_lines": 80, "letter_id": 40, "request_number": 24}
    FREE_TEXT: ClassVar[frozenset[str]] = frozenset()

    letter_id: str
    request_number: str
    written_at: datetime
    letterhead: Letterhead
    recipient_lines: tuple[str, ...]
    time_zone: ZoneInfo
    language: Language = Language.ENGLISH

    def __post_init__(self) -> None:
        settle(self, {**Letter.LIMITS, **type(self).LIMITS}, type(self).FREE_TEXT)
        if not self.recipient_lines:
            raise LetterProblem("recipient_lines is empty; an address or a fax number must stand there.")

    @property
    def address(self) -> tuple[str, ...]:
        """What shows in the envelope's window."""
        return self.recipient_lines

    @property
    def written_on(self) -> date:
        return self.written_at.astimezone(self.time_zone).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicianLetter(Letter):
    """A letter to a clinician in person.

    A first line of the address that is the clinician's name is left out, since the "Attn" line has it.
    """

    clinician_name: str

    @property
    def address(self) -> tuple[str, ...]:
        """What shows in the envelope's window."""
        first, *rest = self.recipient_lines
        named_twice = first.casefold() == self.clinician_name.casefold() and rest
        attention = say(self.language, "Attn %(name)s, personal", name=self.clinician_name)
        return (attention, *(rest if named_twice else self.recipient_lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLetter(ClinicianLetter):
    """One request to one clinician.

    `clinician_role`, `indication` and `planned_course` continue a sentence: "treating psychiatrist",
    "recurrent depression (F33.2)", "six infusions over three weeks". The indication is English in every
    letter, as the chart has it. `portal_url` is what the QR code opens,
    `portal_display` what is typed together with `short_code`. `page_code` stands on the form page, so that it
    is recognised when it comes back; it opens nothing.
    """

    LIMITS: ClassVar[Mapping[str, int]] = {
        "indication": 160,
        "planned_course": 200,
        "portal_url": 180,
        "portal_display": 60,
        "short_code": 20,
    }

    salutation: str
    clinician_role: str
    clinician_kind: ClinicianKind
    patient_name: str
    birth_year: int
    indication: str
    planned_course: str
    due_on: date
    short_code: str
    portal_url: str
    portal_display: str
    page_code: str

    def __post_init__(self) -> None:
        ClinicianLetter.__post_init__(self)
        require_web_address("portal_url", self.portal_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReminderLetter(RequestLetter):
    """The request once more, with its form page; `asked_on` is the day of the first letter."""

    asked_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestRow:
    """One letter of a batch, without its patient; `flat` says that it is too thick to be folded."""

    place: int
    recipient: str
    postal_code: str
    request_number: str
    sheets: int
    flat: bool = False

    def __post_init__(self) -> None:
        settle(self, {"recipient": 200})


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The list on top of a batch, in the order of the sheets. `made_at` is shown in `time_zone`."""

    number: int
    clinic_name: str
    made_at: datetime
    time_zone: ZoneInfo
    rows: tuple[ManifestRow, ...]

    @property
    def sheets(self) -> int:
        """Of the letters alone."""
        return sum(row.sheets for row in self.rows)

    @property
    def made_on(self) -> date:
        return self.made_at.astimezone(self.time_zone).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAnswer:
    """One question and its answer, both in the words that were on the page."""

    question: str
    answer: str

    def __post_init__(self) -> None:
        settle(self, {"question": 500, "answer": 4000}, frozenset({"answer"}))


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceLine:
    """One thing that is known about how the answer came: a label and a value, as they are printed."""

    label: str
    value: str

    def __post_init__(self) -> None:
        settle(self, {"value": 1000})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptRecord:
    """A recorded answer. `fhir` is attached byte for byte; `answered_at` is aware UTC and printed so.

    `npi` empty means that none was given. `verify_url` is where anybody can check the seal. What the record
    adds is in `language`; decision, answers and attestation are in the words that were shown, which are those
    of `answered_in`; the indication is English.
    """

    record_id: str
    request_number: str
    answered_at: datetime
    letterhead: Letterhead
    clinician_name: str
    credentials: str
    npi: str
    patient_name: str
    birth_year: int
    indication: str
    decision: str
    answers: tuple[ShownAnswer, ...]
    attestation: str
    evidence: tuple[EvidenceLine, ...]
    verify_url: str
    fhir: bytes
    language: Language = Language.ENGLISH
    answered_in: Language = Language.ENGLISH

    def __post_init__(self) -> None:
        settle(self, {"indication": 300, "attestation": 2000, "verify_url": 180, "decision": 200})
        if len(self.answers) > 60 or len(self.evidence) > 60:
            raise LetterProblem("A record has room for 60 answers and 60 lines of evidence.")
        require_web_address("verify_url", self.verify_url)
