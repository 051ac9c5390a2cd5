"""What the shorter letters say, as values: covers, thanks, endings, answers to questions, news for patients.

Request and reminder are in content.py, the report to a recommender in report.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar

from referral.letters.content import ClinicianLetter, Letter, LetterProblem, require_web_address


@dataclass(frozen=True, slots=True, kw_only=True)
class FaxCover(ClinicianLetter):
    """The first page of a fax. It lies open in a tray, so it has no field for anything about a patient.

    The clinic stands on it under its neutral name. `pages` are those of the whole fax, the cover among them.
    `again` says that an earlier try may have come through in part.
    """

    LIMITS: ClassVar[Mapping[str, int]] = {"fax_number": 40}

    fax_number: str
    pages: int
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeLetter(ClinicianLetter):
    """The words of a mail, on paper or by fax. `paragraphs` are their lines; they name no patient."""

    title: str
    paragraphs: tuple[tuple[str, ...], ...]


class Ending(StrEnum):
    """Why nobody needs to answer any more, as far as the one who was asked may know."""

    ANSWERED_BY_ANOTHER = "answered-by-another"
    TIME_OVER = "time-over"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelledLetter(ClinicianLetter):
    """No answer is needed any more.

    It names no patient: it also goes to somebody who turned out to be the wrong person, and after a patient
    has withdrawn the consent to be written about. Number and date are enough to find the request.
    """

    salutation: str
    asked_on: date
    ending: Ending


@dataclass(frozen=True, slots=True, kw_only=True)
class ThankYouLetter(ClinicianLetter):
    """Goes before the sealed record of an answer. `decision` and `reports` are in the words of the form.

    `answered_at` is aware UTC.
    """

    LIMITS: ClassVar[Mapping[str, int]] = {"decision": 200}

    salutation: str
    patient_name: str
    birth_year: int
    decision: str
    answered_at: datetime
    reports: tuple[str, ...] = ()

    @property
    def answered_on(self) -> date:
        return self.answered_at.astimezone(self.time_zone).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationLetter(ClinicianLetter):
    """What the clinic has written to a clinician, behind the question that it answers; both whole.

    `question` "" and `asked_on` None where the clinic asks by itself. The ways to answer are printed where
    there is a `portal_url`; see RequestLetter for what belongs to it.
    """

    LIMITS: ClassVar[Mapping[str, int]] = {
        "question": 2000,
        "answer": 4000,
        "portal_url": 180,
        "portal_display": 60,
        "short_code": 20,
    }
    FREE_TEXT: ClassVar[frozenset[str]] = frozenset({"question", "answer"})

    salutation: str
    patient_name: str
    birth_year: int
    answer: str
    answered_by: str
    question: str = ""
    asked_on: date | None = None
    portal_url: str = ""
    portal_display: str = ""
    short_code: str = ""

    def __post_init__(self) -> None:
        ClinicianLetter.__post_init__(self)
        if not self.answer or bool(self.question) != (self.asked_on is not None):
            raise LetterProblem("answer is empty, or one of question and asked_on without the other.")
        if self.portal_url:
            require_web_address("portal_url", self.portal_url)


class PatientStage(StrEnum):
    """How far it is, as the patient is told."""

    WAITING = "waiting"
    ANSWERED = "answered"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientStatusLetter(Letter):
    """Tells a patient what the clinic waits for: one form from one office.

    It has no field for a diagnosis, a treatment or an opinion, and the clinic stands on it under its neutral
    name: others of the household open mail. `clinician_name` therefore comes without credentials or practice.
    `asked_on` is when the office was asked, `reminded_on` when last, `due_on` by when it is to answer.
    `status_url` is the patient's own page; without one none is mentioned.
    """

    LIMITS: ClassVar[Mapping[str, int]] = {"status_url": 180}

    patient_name: str
    clinician_name: str
    stage: PatientStage
    asked_on: date
    due_on: date
    reminded_on: date | None = None
    status_url: str = ""

    def __post_init__(self) -> None:
        Letter.__post_init__(self)
        if self.status_url:
            require_web_address("status_url", self.status_url)

    @property
    def address(self) -> tuple[str, ...]:
        """What shows in the envelope's window."""
        return (self.patient_name, *self.recipient_lines)
