"""What a patient has agreed to, and what a refusal stops.

Disclosure for treatment needs no authorisation (45 CFR 164.506(c)), so nothing on record stops nothing. But a
patient who says no is heard (164.522(a)): the clinic agrees to every such restriction.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from referral.domain.outgoing import TO_PATIENT, MessageKind

# Why a request has ended, where it ended by the patient's no.
ENDED_BY_NO: Final = "consent-withdrawn"


class ConsentScope(StrEnum):
    """RECOMMENDER: telling the clinicians who are asked. PATIENT_MESSAGES: writing to the patient."""

    RECOMMENDER = "treatment-disclosure"
    PATIENT_MESSAGES = "patient-messages"


class ConsentDecision(StrEnum):
    """What one Consent says now; migration 0024 has the same list. UNDONE: it was entered in error."""

    GRANTED = "granted"
    WITHDRAWN = "withdrawn"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consented:
    """What holds for one scope: the newest word that was not an error. `made_by` is the id of an actor."""

    consent_id: str
    patient_id: str
    scope: ConsentScope
    decision: ConsentDecision
    made_by: str
    at: datetime


def has_agreed(word: Consented | None) -> bool:
    """Nothing said is no yes, nor is what was taken back."""
    return word is not None and word.decision is ConsentDecision.GRANTED


def stops(kind: MessageKind, withdrawn: Collection[ConsentScope]) -> bool:
    """Whether a message of this kind must not leave. A link that the patient has just asked for may."""
    if kind is MessageKind.PATIENT_LINK:
        return False
    scope = ConsentScope.PATIENT_MESSAGES if kind in TO_PATIENT else ConsentScope.RECOMMENDER
    return scope in withdrawn
