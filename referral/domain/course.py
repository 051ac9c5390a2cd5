"""A course of treatment: what was decided at the consultation, the sessions, and how it ended.

Everything is a version: what was corrected stays readable, with who has changed it and why.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final


class Candidacy(StrEnum):
    """What the clinic has decided at the initial consultation."""

    CANDIDATE = "candidate"
    NOT_CANDIDATE = "not-candidate"
    DEFERRED = "deferred"


class CandidacyReason(StrEnum):
    """Why somebody is no candidate, or not yet."""

    MEDICAL_RISK = "medical-risk"
    MENTAL_RISK = "mental-risk"
    SUBSTANCE_USE = "substance-use"
    PREGNANCY = "pregnancy"
    OTHER_TREATMENT = "other-treatment-first"
    INFORMATION_MISSING = "information-missing"
    PATIENT_WISH = "patient-wish"
    OTHER = "other"


class SessionState(StrEnum):
    """How far a session is. An ABORTED one has begun, and a reason says why it was not finished."""

    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    ABORTED = "aborted"


class AbortReason(StrEnum):
    """Why a session was not finished."""

    PATIENT_WISH = "patient-wish"
    ADVERSE_EVENT = "adverse-event"
    VITALS = "vitals-out-of-range"
    ACCESS_LOST = "access-lost"
    OTHER = "other"


class Ending(StrEnum):
    """How a course has ended."""

    COMPLETED = "completed"
    STOPPED = "stopped-early"


class StopReason(StrEnum):
    """Why a course was stopped early."""

    PATIENT_WISH = "patient-wish"
    NO_RESPONSE = "no-response"
    ADVERSE_EVENT = "adverse-event"
    OTHER = "other"


class Phase(StrEnum):
    """When a vital sign was taken, seen from the infusion."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


class VitalKind(StrEnum):
    """What is measured. Blood pressure has two values, the others have one."""

    BLOOD_PRESSURE = "blood-pressure"
    HEART_RATE = "heart-rate"
    OXYGEN_SATURATION = "oxygen-saturation"
    RESPIRATORY_RATE = "respiratory-rate"


class Severity(StrEnum):
    """Of a side effect, in FHIR's words."""

    MILD = "mild"
    MODERATE = "moderate"
    SEVERE = "severe"


class ChangeReason(StrEnum):
    """Why something that was recorded is recorded anew."""

    TYPING_ERROR = "typing-error"
    LATER_KNOWN = "later-known"
    WRONG_PLACE = "wrong-place"
    REVIEWED = "reviewed"
    SENT_ANEW = "sent-anew"


# What can be measured at all: outside of it somebody has mistyped. Units: mm[Hg], /min, %, /min.
PLAUSIBLE: Final = {
    VitalKind.BLOOD_PRESSURE: (40, 300),
    VitalKind.HEART_RATE: (20, 250),
    VitalKind.OXYGEN_SATURATION: (40, 100),
    VitalKind.RESPIRATORY_RATE: (2, 80),
}
PLAUSIBLE_DIASTOLIC: Final = (20, 200)
# Milligrams of one dose, and kilograms of a patient: wider than practice, narrower than a slip of the comma.
PLAUSIBLE_DOSE: Final = (Decimal("0.1"), Decimal(1000))
PLAUSIBLE_WEIGHT: Final = (Decimal(20), Decimal(400))
MOST_SESSIONS: Final = 60
LONGEST_SPACING: Final = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Which version this is, who recorded it and when (UTC). `why` is None for what was recorded at first.

    `words_id` is the encrypted document with the words that go with it, None where there are none.
    """

    version: int
    recorded_by: str
    recorded_at: datetime
    why: ChangeReason | None = None
    words_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many sessions, and how many days from one to the next."""

    planned_sessions: int
    spacing_days: int
    stamp: Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The candidacy decision; `id` is the Encounter of the consultation. A CANDIDATE has no `reason`."""

    id: str
    decision: Candidacy
    reason: CandidacyReason | None
    risks_discussed: bool
    benefits_discussed: bool
    self_pay_notice: bool
    decided_at: datetime
    stamp: Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Vital:
    """One measurement; `id` is its Observation. `value` is the systolic pressure where `diastolic` is given.

    Units: mm[Hg], /min, % and /min.
    """

    id: str
    session_id: str
    kind: VitalKind
    value: int
    diastolic: int | None
    phase: Phase
    taken_at: datetime
    stamp: Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Dose:
    """What was given into a vein; `id` is its MedicationAdministration, `drug` an RxNorm code.

    `per_kilogram` is milligrams per kilogram of body weight; `stopped_at` is None while it runs.
    """

    id: str
    session_id: str
    drug: str
    milligrams: Decimal
    per_kilogram: Decimal | None
    started_at: datetime
    stopped_at: datetime | None
    stamp: Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class SideEffect:
    """One of the pick list; `id` is its AdverseEvent, `code` SNOMED CT's.

    `session_id` is None for what happened between two sessions.
    """

    id: str
    session_id: str | None
    code: str
    severity: Severity
    serious: bool
    noticed_at: datetime
    stamp: Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class MedicationChange:
    """A change of other medication during the course; what it was are the words of its stamp.

    `id` is its Observation.
    """

    id: str
    changed_on: date
    stamp: Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class TreatmentSession:
    """One session; `id` is its Procedure and `started_at` the database's time of the start.

    What has not been said yet is None. `stamp` is None where nothing but the start was recorded.
    """

    id: str
    started_at: datetime
    state: SessionState = SessionState.IN_PROGRESS
    ended_at: datetime | None = None
    abort_reason: AbortReason | None = None
    supervisor: str = ""
    physician_present: bool | None = None
    discharge_met: bool | None = None
    ride_home: bool | None = None
    doses: tuple[Dose, ...] = ()
    vitals: tuple[Vital, ...] = ()
    effects: tuple[SideEffect, ...] = ()
    stamp: Stamp | None = None

    @property
    def is_aborted(self) -> bool:
        return self.state is SessionState.ABORTED

    @property
    def milligrams(self) -> Decimal:
        """All that was given in this session."""
        return sum((dose.milligrams for dose in self.doses), Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The end of a course; `reason` is given where it was stopped early."""

    ending: Ending
    reason: StopReason | None
    ended_at: datetime
    stamp: Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A whole course; sessions and events are oldest first. `planned` and `spacing_days` are None if unknown.

    `between` are side effects that were noticed outside of any session; `medication` is by day.
    """

    order_id: str
    patient_id: str
    planned: int | None
    spacing_days: int | None
    consulted_at: datetime | None
    decision: Decided | None
    sessions: tuple[TreatmentSession, ...]
    between: tuple[SideEffect, ...]
    medication: tuple[MedicationChange, ...]
    end: Ended | None

    @property
    def given(self) -> tuple[TreatmentSession, ...]:
        """Sessions that were finished as planned."""
        return tuple(one for one in self.sessions if one.state is SessionState.COMPLETED)

    @property
    def under_way(self) -> TreatmentSession | None:
        """The newest session that has neither been finished nor aborted."""
        return next((one for one in reversed(self.sessions) if one.state is SessionState.IN_PROGRESS), None)

    @property
    def effects(self) -> tuple[SideEffect, ...]:
        """All side effects, in the order in which they were noticed."""
        every = [*self.between, *(effect for one in self.sessions for effect in one.effects)]
        return tuple(sorted(every, key=lambda effect: (effect.noticed_at, effect.id)))

    @property
    def serious_events(self) -> tuple[SideEffect, ...]:
        """The serious ones among them."""
        return tuple(effect for effect in self.effects if effect.serious)


@dataclass(frozen=True, slots=True)
class Pick:
    """One entry of the pick list, by its SNOMED CT code."""

    code: str
    display: str
    text: str
