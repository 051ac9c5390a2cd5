"""The things the workflow is about, as immutable values. Ids are FHIR logical ids unless said otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from referral.domain.calendar import Hours
from referral.domain.codes import BusinessStatus, Channel, ClinicianKind, TaskStatus
from referral.domain.language import Language
from referral.domain.policy import Indication
from referral.domain.quick import quick


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """`language` is a BCP 47 tag; `telephone` is E.164, with `;ext=` where there is an extension.

    `address` are the lines of an envelope.
    """

    id: str
    family: str
    given: str
    birth_date: date | None = None
    telephone: str | None = None
    email: str | None = None
    language: str | None = None
    address: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}".strip()


class Lesson(StrEnum):
    """What became of one message, as far as its contact is concerned.

    SENT: a provider took it. DELIVERED: it arrived. ANSWERED: an answer came by what it carried.
    """

    SENT = "sent"
    DELIVERED = "delivered"
    ANSWERED = "answered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """One message by one contact. `hours` are the recipient's business hours from delivery to answer."""

    message_id: str
    lesson: Lesson
    at: datetime
    hours: float | None = None


class Bar(StrEnum):
    """Why a contact is not to be relied on until somebody has called."""

    BAD_ADDRESS = "bad-address"
    WRONG_RECIPIENT = "wrong-recipient"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One way to reach a clinician or a patient. The id is ours: contacts are telecom entries, no resources.

    `experience` is of the newest messages, newest first. `verified_how` says who was spoken with, in words.
    """

    id: str
    channel: Channel
    address: str
    source: str
    verified_at: datetime | None = None
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    experience: Sequence[Experience] = ()
    barred_for: Bar | None = None
    barred_at: datetime | None = None
    verified_how: str | None = None

    @property
    def is_verified(self) -> bool:
        return self.verified_at is not None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Clinician:
    """An outside clinician in one role: `id` is the PractitionerRole. `time_zone` is an IANA name.

    `hours` None are those of the clinic, `language` None is not known.
    """

    id: str
    name: str
    kind: ClinicianKind
    time_zone: str
    practitioner_id: str | None = None
    organization_id: str | None = None
    credentials: str = ""
    npi: str | None = None
    taxonomy: str | None = None
    practice: str = ""
    address: tuple[str, ...] = ()
    contacts: tuple[Contact, ...] = ()
    hours: Hours | None = None
    language: Language | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An infusion order; `id` is its ServiceRequest. `status` is a RequestStatus code."""

    id: str
    patient_id: str
    status: str
    indications: tuple[Indication, ...]
    planned_sessions: int | None
    first_infusion_on: date | None
    created_at: datetime


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Referral:
    """A recommendation request to one clinician; `id` is its ServiceRequest, `number` is for people.

    `version` is the row's, for optimistic locking. `started_at` is the ladder's day 0.
    `ladder_version` is the version of the policy whose ladder it keeps. `held_for` says why it is held, see
    services/hold_ladder; `paused_until` is the last day of the newest pause.
    """

    id: str
    number: str
    requisition: str
    task_id: str
    patient_id: str
    order_id: str
    clinician_id: str
    status: TaskStatus
    business_status: BusinessStatus | None
    status_reason: str | None
    version: int
    created_by: str
    created_at: datetime
    started_at: datetime
    due_at: datetime
    delivered_at: datetime | None
    identified_at: datetime | None
    closed_at: datetime | None
    climbed: int
    shifted_days: int
    extended_days: int
    held_at: datetime | None
    next_step_at: datetime | None
    ladder_version: int = 1
    paused_until: date | None = None
    held_for: str | None = None

    @property
    def is_open(self) -> bool:
        return self.closed_at is None
