"""What can be recorded of a course at all: values that nobody measures are slips, and times have an order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from referral.domain.course import (
    LONGEST_SPACING,
    MOST_SESSIONS,
    PLAUSIBLE,
    PLAUSIBLE_DIASTOLIC,
    PLAUSIBLE_DOSE,
    Dose,
    Ending,
    MedicationChange,
    Plan,
    SessionState,
    StopReason,
    TreatmentSession,
    Vital,
    VitalKind,
)
from referral.domain.errors import InvalidInput, Issue

# Clocks of two machines differ by a little.
_SLACK: Final = timedelta(minutes=2)
# More is no infusion for pain or mood: labelling names 1 to 4.5 mg/kg for anaesthesia.
MOST_PER_KILOGRAM: Final = Decimal(4)
# Fields by which the pages show what is wrong.
FIELD_OF: Final = {
    VitalKind.BLOOD_PRESSURE: "systolic",
    VitalKind.HEART_RATE: "heart_rate",
    VitalKind.OXYGEN_SATURATION: "saturation",
    VitalKind.RESPIRATORY_RATE: "breaths",
}


# What a report has room for: a line or two.
LONGEST_CHANGE: Final = 160
# What the order of a course says once that has ended (HL7 request-status).
STATUS_OF: Final = {Ending.COMPLETED: "completed", Ending.STOPPED: "revoked"}
NONE_GIVEN: Final = "No session was completed; a course without one is stopped, with its reason."


def _require(issues: Iterator[Issue]) -> None:
    found = tuple(issues)
    if found:
        raise InvalidInput(*found)


def check_plan(plan: Plan) -> None:
    """Raises InvalidInput for numbers outside of what a course can be."""
    _require(_of_plan(plan))


def _of_plan(plan: Plan) -> Iterator[Issue]:
    if not 1 <= plan.planned_sessions <= MOST_SESSIONS:
        yield Issue(f"Plan 1 to {MOST_SESSIONS} sessions.", ("planned_sessions",), "value")
    if not 1 <= plan.spacing_days <= LONGEST_SPACING:
        yield Issue(f"Plan 1 to {LONGEST_SPACING} days between them.", ("spacing_days",), "value")


def check_vital(vital: Vital, now: datetime) -> None:
    """Raises InvalidInput for a value that cannot be, or a time that has not come."""
    _require(_of_vital(vital, now))


def _of_vital(vital: Vital, now: datetime) -> Iterator[Issue]:
    low, high = PLAUSIBLE[vital.kind]
    field = FIELD_OF[vital.kind]
    if not low <= vital.value <= high:
        yield Issue(f"{vital.value} cannot be right: {low} to {high} is possible.", (field,), "value")
    if vital.diastolic is not None:
        low, high = PLAUSIBLE_DIASTOLIC
        if not low <= vital.diastolic <= high:
            yield Issue(
                f"{vital.diastolic} cannot be right: {low} to {high} is possible.", ("diastolic",), "value"
            )
        elif vital.diastolic >= vital.value:
            yield Issue("The lower pressure is below the upper one.", ("diastolic",), "value")
    yield from _not_ahead(vital.taken_at, now, "taken_at")


def _not_ahead(at: datetime, now: datetime, field: str) -> Iterator[Issue]:
    if at > now + _SLACK:
        yield Issue("This time has not come yet.", (field,), "value")


def check_dose(dose: Dose, now: datetime) -> None:
    """Raises InvalidInput for a dose that is a slip of the comma, or times that have no order."""
    _require(_of_dose(dose, now))


def _of_dose(dose: Dose, now: datetime) -> Iterator[Issue]:
    low, high = PLAUSIBLE_DOSE
    if not low <= dose.milligrams <= high:
        yield Issue(f"{dose.milligrams} mg cannot be right.", ("milligrams",), "value")
    if dose.per_kilogram is not None and not 0 < dose.per_kilogram <= MOST_PER_KILOGRAM:
        text = f"{dose.per_kilogram} mg per kilogram cannot be right. Check dose and weight."
        yield Issue(text, ("milligrams",), "value")
    yield from _not_ahead(dose.started_at, now, "dose_started")
    if dose.stopped_at is not None:
        yield from _not_ahead(dose.stopped_at, now, "dose_stopped")
        if dose.stopped_at < dose.started_at:
            yield Issue("It cannot stop before it starts.", ("dose_stopped",), "value")


def check_session(session: TreatmentSession, now: datetime) -> None:
    """Raises InvalidInput for an end without its reason, or one that has not come."""
    _require(_of_session(session, now))


def _of_session(session: TreatmentSession, now: datetime) -> Iterator[Issue]:
    if session.state is SessionState.ABORTED and session.abort_reason is None:
        yield Issue("Why was it aborted?", ("abort_reason",), "required")
    if session.ended_at is not None:
        yield from _not_ahead(session.ended_at, max(now, session.started_at), "ended_at")
        if session.ended_at < session.started_at - _SLACK:
            yield Issue("It cannot end before it has started.", ("ended_at",), "value")


def check_medication(change: MedicationChange, words: str, today: date) -> None:
    """Raises InvalidInput where nobody says what was changed, or its day has not come at the clinic."""
    _require(_of_medication(change, words, today))


def _of_medication(change: MedicationChange, words: str, today: date) -> Iterator[Issue]:
    if not words:
        yield Issue("What was changed?", ("medication_words",), "required")
    if len(words) > LONGEST_CHANGE:
        yield Issue(f"At most {LONGEST_CHANGE} characters, please.", ("medication_words",), "too-long")
    if change.changed_on > today:
        yield Issue("This day has not come yet.", ("changed_on",), "value")


def check_ending(ending: Ending, reason: StopReason | None) -> None:
    """Raises InvalidInput for a course that was stopped, and nobody says why."""
    if ending is Ending.STOPPED and reason is None:
        raise InvalidInput(Issue("Why was it stopped early?", ("stop_reason",), "required"))


def per_kilogram(milligrams: Decimal, kilograms: Decimal) -> Decimal:
    """Milligrams per kilogram, to the hundredth."""
    return (milligrams / kilograms).quantize(Decimal("0.01"))
