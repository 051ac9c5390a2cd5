"""The codes of a course in words: pages, code systems and reports say the same."""

from __future__ import annotations

from typing import Final

from referral.domain.course import (
    AbortReason,
    Candidacy,
    CandidacyReason,
    ChangeReason,
    Ending,
    Phase,
    SessionState,
    Severity,
    StopReason,
    VitalKind,
)

CANDIDACY: Final = {
    Candidacy.CANDIDATE: "Candidate",
    Candidacy.NOT_CANDIDATE: "Not a candidate",
    Candidacy.DEFERRED: "Decision deferred",
}
CANDIDACY_REASON: Final = {
    CandidacyReason.MEDICAL_RISK: "Medical risk",
    CandidacyReason.MENTAL_RISK: "Psychosis, mania or another mental risk",
    CandidacyReason.SUBSTANCE_USE: "Substance use",
    CandidacyReason.PREGNANCY: "Pregnancy or breastfeeding",
    CandidacyReason.OTHER_TREATMENT: "Another treatment comes first",
    CandidacyReason.INFORMATION_MISSING: "Information is missing",
    CandidacyReason.PATIENT_WISH: "The patient does not want it",
    CandidacyReason.OTHER: "Another reason",
}
STATE: Final = {
    SessionState.IN_PROGRESS: "In progress",
    SessionState.COMPLETED: "Completed",
    SessionState.ABORTED: "Aborted",
}
ABORT_REASON: Final = {
    AbortReason.PATIENT_WISH: "The patient wished to stop",
    AbortReason.ADVERSE_EVENT: "Adverse event",
    AbortReason.VITALS: "Vital signs out of range",
    AbortReason.ACCESS_LOST: "Venous access lost",
    AbortReason.OTHER: "Another reason",
}
ENDING: Final = {Ending.COMPLETED: "Completed", Ending.STOPPED: "Stopped early"}
STOP_REASON: Final = {
    StopReason.PATIENT_WISH: "The patient’s wish",
    StopReason.NO_RESPONSE: "No response",
    StopReason.ADVERSE_EVENT: "Adverse event",
    StopReason.OTHER: "Another reason",
}
PHASE: Final = {Phase.BEFORE: "Before", Phase.DURING: "During", Phase.AFTER: "After"}
SEVERITY: Final = {Severity.MILD: "Mild", Severity.MODERATE: "Moderate", Severity.SEVERE: "Severe"}
VITAL: Final = {
    VitalKind.BLOOD_PRESSURE: "Blood pressure",
    VitalKind.HEART_RATE: "Heart rate",
    VitalKind.OXYGEN_SATURATION: "SpO₂",
    VitalKind.RESPIRATORY_RATE: "Breaths",
}
CHANGE_REASON: Final = {
    ChangeReason.TYPING_ERROR: "It was mistyped",
    ChangeReason.LATER_KNOWN: "It became known later",
    ChangeReason.WRONG_PLACE: "It belongs to another session or patient",
    ChangeReason.REVIEWED: "Changed after a review",
    ChangeReason.SENT_ANEW: "Sent anew by the system that keeps it",
}
