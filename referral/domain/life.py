"""The life of a recommendation after it was given: what ends it, what stands against it, when to ask again.

Rule 4 of product.md: it stops counting when it is voided, expires, the clinician amends it, or the facts
change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from referral.domain.codes import POSITIVE, ClinicianKind, Decision, Strength

# How long before its end the clinician is asked whether it is still true.
ASK_AHEAD: Final = timedelta(days=30)


class Cause(StrEnum):
    """Why a recommendation was voided; migration 0004 has the same list."""

    REVOKED = "revoked"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    AMENDED = "amended"
    CONFLICT = "conflict"
    ENTERED_IN_ERROR = "entered-in-error"
    CONSENT_WITHDRAWN = "consent-withdrawn"
    NEW_INDICATION = "new-indication"
    PSYCHOSIS = "psychosis"
    PREGNANCY = "pregnancy"
    HOSPITALISATION = "hospitalisation"
    TREATMENT_GAP = "treatment-gap"


# What staff report as changed facts.
FACTS: Final = (
    Cause.NEW_INDICATION,
    Cause.PSYCHOSIS,
    Cause.PREGNANCY,
    Cause.HOSPITALISATION,
    Cause.TREATMENT_GAP,
)
# Facts about the person: they end the recommendations of every order, not only of the one they were noted on.
OF_PATIENT: Final = frozenset({Cause.PSYCHOSIS, Cause.PREGNANCY, Cause.HOSPITALISATION})
# The clinician has just said so, or has said that the answer is not theirs, or must not be told anything any
# more: no notice goes out.
UNTOLD: Final = frozenset({Cause.AMENDED, Cause.DENIED, Cause.CONSENT_WITHDRAWN})


class Purpose(StrEnum):
    """What a portal link is for: to answer, or to keep or take back the answer that was given."""

    ANSWER = "answer"
    STANDING = "standing"


@dataclass(frozen=True, slots=True)
class Remark:
    """What a person said about an answer. `by` is the id of an actor, `accepted` the word of a review."""

    by: str
    at: datetime
    reason: str
    cause: Cause | None = None
    accepted: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One answer with everything that was said about it since; `renews` is the answer it repeats."""

    id: str
    patient_id: str
    order_id: str
    referral_id: str
    clinician_id: str
    clinician_kind: ClinicianKind
    decision: Decision
    covers: frozenset[str]
    red_flags: tuple[str, ...]
    strength: Strength
    answered_at: datetime
    valid_until: datetime
    response_id: str
    document_id: str | None
    renews: str | None
    review: Remark | None
    confirmation: Remark | None
    void: Remark | None

    @property
    def is_positive(self) -> bool:
        return self.decision in POSITIVE

    @property
    def is_living(self) -> bool:
        return self.void is None

    @property
    def is_declined(self) -> bool:
        """The medical director's last word was no."""
        return self.review is not None and self.review.accepted is False

    def may_count(self, now: datetime) -> bool:
        """A recommendation that is neither voided, nor declined by the director, nor past its time."""
        return self.is_positive and self.is_living and not self.is_declined and now < self.valid_until


@dataclass(frozen=True, slots=True)
class Conflict:
    """A recommendation beside the refusal of another clinician who was asked about the same order."""

    recommendation: Standing
    refusal: Standing

    @property
    def since(self) -> datetime:
        return max(self.recommendation.answered_at, self.refusal.answered_at)


def find_conflicts(
    answers: Iterable[Standing], kept: Collection[tuple[str, str]], now: datetime
) -> tuple[Conflict, ...]:
    """What the medical director has to decide, oldest first.

    `kept` are (recommendation, refusal) pairs that were decided; a decision holds for the renewals of that
    recommendation, too. Only the newest living answer of each clinician counts: who has changed their mind
    does not contradict themselves.
    """
    every = list(answers)
    by_id = {answer.id: answer for answer in every}
    newest: dict[tuple[str, str], Standing] = {}
    for answer in sorted(every, key=lambda a: (a.answered_at, a.id)):
        if answer.is_living:
            newest[answer.order_id, answer.clinician_id] = answer
    good = [answer for answer in newest.values() if answer.may_count(now)]
    against = [answer for answer in newest.values() if answer.decision is Decision.NOT_RECOMMENDED]
    found = [
        Conflict(answer, refusal)
        for answer in good
        for refusal in against
        if answer.order_id == refusal.order_id
        and not any((id, refusal.id) in kept for id in _lineage(answer, by_id))
    ]
    return tuple(sorted(found, key=lambda conflict: (conflict.since, conflict.recommendation.id)))


def _lineage(answer: Standing, by_id: dict[str, Standing]) -> list[str]:
    """The answer itself and those that it renews."""
    ids = [answer.id]
    while (before := by_id[ids[-1]].renews) is not None and before in by_id and before not in ids:
        ids.append(before)
    return ids


def newest_living(answers: Iterable[Standing]) -> Standing | None:
    """What an answered request amounts to now; None once it is void."""
    return max(
        (answer for answer in answers if answer.is_living),
        key=lambda answer: (answer.answered_at, answer.id),
        default=None,
    )


def is_gap(answer: Standing, last_start: datetime | None, longest: timedelta, now: datetime) -> bool:
    """True once treatment has rested for longer than policy allows, although it had begun.

    An answer that was given during the rest knew of it: the time is counted anew from there.
    """
    if last_start is None or not answer.may_count(now):
        return False
    return max(last_start, answer.answered_at) + longest < now
