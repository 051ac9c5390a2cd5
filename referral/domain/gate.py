"""May this order be treated? One rule for screens, FHIR and CDS Hooks; the database repeats it at the start.

Rule of product.md ("The rule"): initial consultation for everybody; for a mental-health indication also one
positive, valid, strongly enough identified recommendation of an eligible clinician that covers it. Unknown is
closed. Where clinic policy allows it, emergency access that two people gave (safety.md 2) stands in for that
recommendation, once and for an hour; it stands in for nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final

from referral.domain.codes import POSITIVE, ClinicianKind, Decision, Requirement, Strength, Verdict
from referral.domain.npi import KIND_LABEL
from referral.domain.policy import Indication, Policy
from referral.domain.quick import quick


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """One clinician's answer as the gate sees it. `review` is the medical director's word, None before it."""

    id: str
    decision: Decision
    clinician_kind: ClinicianKind
    strength: Strength
    answered_at: datetime
    valid_until: datetime
    covers: frozenset[str]
    has_red_flags: bool = False
    confirmed_by_phone: bool = False
    review: bool | None = None
    voided: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Emergency access that two people gave for one start of this order; `used` once a start rests on it."""

    id: str
    expires_at: datetime
    used: bool = False


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class GateFacts:
    """All that the rule looks at for one order.

    `restoring` is true after a restore, until two people have looked at what the backup brought back.
    """

    indications: tuple[Indication, ...]
    consulted: str | None
    recommendations: tuple[Recommendation, ...] = ()
    overrides: tuple[Override, ...] = ()
    open_requests: int = 0
    order_usable: bool = True
    restoring: bool = False


@quick
@dataclass(frozen=True, slots=True)
class RequirementState:
    """`by` is the id of what satisfies it (an Encounter or a recommendation)."""

    requirement: Requirement
    satisfied: bool
    by: str | None = None
    valid_until: datetime | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecision:
    """Advice as of a time. `reasons` holds one sentence per requirement that is not met; empty when open.

    With the verdict `overridden` the recommendation is still missing: `override` is what stands in for it,
    and `remark` says so in a sentence.
    """

    open: bool
    verdict: Verdict
    as_of: datetime
    reasons: tuple[str, ...]
    requirements: tuple[RequirementState, ...] = field(default=())
    override: Override | None = None
    remark: str = ""

    @property
    def settled(self) -> bool:
        """Open, and not only for one start: what else waits for the gate may go on."""
        return self.open and self.override is None


def needs_call(answer: Recommendation, policy: Policy) -> bool:
    """A weak proof of identity is settled only by a telephone call to the clinician."""
    return answer.strength not in policy.counts_at_once and not answer.confirmed_by_phone


def needs_review(answer: Recommendation, policy: Policy) -> bool:
    """True while a person has to look before the answer can count.

    The medical director's acceptance settles conditions and red flags; see needs_call() for the rest.
    """
    conditions = policy.conditions_need_director and answer.decision is Decision.RECOMMENDED_WITH_CONDITIONS
    flags = policy.red_flags_need_director and answer.has_red_flags
    return needs_call(answer, policy) or ((conditions or flags) and answer.review is None)


def _verdict_of(answer: Recommendation, facts: GateFacts, policy: Policy, now: datetime) -> Verdict | None:
    """What one answer amounts to for this order; None when it says nothing about it."""
    needed = {indication.code for indication in policy.needing_recommendation(facts.indications)}
    if answer.decision not in POSITIVE:
        return Verdict.DECLINED if answer.decision is Decision.NOT_RECOMMENDED and not answer.voided else None
    if answer.voided or not needed <= answer.covers:
        return Verdict.VOIDED
    if answer.clinician_kind not in policy.eligible or answer.review is False:
        return Verdict.DECLINED
    if answer.valid_until <= now:
        return Verdict.EXPIRED
    if needs_review(answer, policy):
        return Verdict.ANSWERED_NEEDS_REVIEW
    conditional = answer.decision is Decision.RECOMMENDED_WITH_CONDITIONS
    return Verdict.SATISFIED_WITH_CONDITIONS if conditional else Verdict.SATISFIED


# The best answer decides: any one eligible clinician is enough.
_RANK = (
    Verdict.SATISFIED,
    Verdict.SATISFIED_WITH_CONDITIONS,
    Verdict.ANSWERED_NEEDS_REVIEW,
    Verdict.DECLINED,
    Verdict.EXPIRED,
    Verdict.VOIDED,
)
_GOOD = (Verdict.SATISFIED, Verdict.SATISFIED_WITH_CONDITIONS)


def _recommendation_state(
    facts: GateFacts, policy: Policy, now: datetime
) -> tuple[Verdict, Recommendation | None]:
    verdicts = [(_verdict_of(answer, facts, policy, now), answer) for answer in facts.recommendations]
    for wanted in _RANK:
        for verdict, answer in verdicts:
            if verdict is wanted:
                waits = wanted not in (*_GOOD, Verdict.ANSWERED_NEEDS_REVIEW) and facts.open_requests
                return (Verdict.REQUESTED if waits else wanted), answer
    return (Verdict.REQUESTED if facts.open_requests else Verdict.NOT_REQUESTED), None


def who_may_recommend(policy: Policy) -> str:
    """The eligible kinds as a phrase in a fixed order, for example 'psychiatrist or psychologist'."""
    return _one_of(policy.eligible)


def _one_of(eligible: frozenset[ClinicianKind]) -> str:
    labels = [KIND_LABEL[kind] for kind in ClinicianKind if kind in eligible]
    return labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} or {labels[-1]}"


_WHY = {
    Verdict.REQUESTED: "the request is not answered yet",
    Verdict.NOT_REQUESTED: "nobody is being asked",
    Verdict.ANSWERED_NEEDS_REVIEW: "the answer waits for review by the clinic",
    Verdict.DECLINED: "the answer received does not recommend it or was not accepted",
    Verdict.EXPIRED: "the recommendation has expired",
    Verdict.VOIDED: "the recommendation no longer counts",
}


RESTORING: Final = (
    "The service was restored from a backup; treatment stays closed until two people have reopened it "
    "(page /restore)."
)


def usable_override(facts: GateFacts, policy: Policy, now: datetime) -> Override | None:
    """The override that a start may use now: not used yet, not past its hour, and still allowed by policy."""
    if not policy.allow_override:
        return None
    usable = (item for item in facts.overrides if not item.used and item.expires_at > now)
    return min(usable, key=lambda item: (item.expires_at, item.id), default=None)


def decide(facts: GateFacts, policy: Policy, now: datetime) -> GateDecision:
    """Return open or closed with reasons in sentences. Anything missing or unknown is closed."""
    reasons: list[str] = []
    override, remark = None, ""
    states = [
        RequirementState(Requirement.INITIAL_CONSULTATION, facts.consulted is not None, facts.consulted)
    ]
    if facts.restoring:
        reasons.append(RESTORING)
    if not facts.order_usable:
        reasons.append("The infusion order is not in use (revoked, completed or entered in error).")
    if facts.consulted is None:
        reasons.append("The initial consultation has not been recorded.")
    unknown = policy.unclassified(facts.indications)
    needing = policy.needing_recommendation(facts.indications)
    verdict = Verdict.NOT_REQUIRED
    if unknown or not facts.indications:
        verdict = Verdict.UNCLASSIFIED
        names = ", ".join(indication.label for indication in unknown) or "no indication given"
        reasons.append(f"Indication not classified: {names}. The medical director can classify it.")
        states.append(RequirementState(Requirement.RECOMMENDATION, False))
    elif needing:
        verdict, answer = _recommendation_state(facts, policy, now)
        good = verdict in _GOOD
        states.append(
            RequirementState(
                Requirement.RECOMMENDATION,
                good,
                answer.id if good and answer else None,
                answer.valid_until if good and answer else None,
            )
        )
        if not good:
            missing = f"{needs_sentence(needing, policy)}; {_WHY[verdict]}."
            override = usable_override(facts, policy, now)
            if override is None:
                reasons.append(missing)
            else:
                verdict = Verdict.OVERRIDDEN
                remark = f"Emergency access: one infusion may start without the recommendation. {missing}"
    return GateDecision(
        open=not reasons,
        verdict=verdict,
        as_of=now,
        reasons=tuple(reasons),
        requirements=tuple(states),
        override=override,
        remark=remark,
    )


def needs_sentence(needing: tuple[Indication, ...], policy: Policy) -> str:
    """'Depression (F33.2) needs a recommendation from a psychiatrist, …', without the final stop."""
    return _needs(needing, policy.eligible)


@lru_cache(maxsize=1000)
def _needs(needing: tuple[Indication, ...], eligible: frozenset[ClinicianKind]) -> str:
    names = ", ".join(indication.label for indication in needing)
    names = names[:1].upper() + names[1:]
    return f"{names} need{'s' if len(needing) == 1 else ''} a recommendation from a {_one_of(eligible)}"


def requirement_sentence(indications: tuple[Indication, ...], policy: Policy) -> str:
    """What a receptionist reads as soon as the indication is picked."""
    if policy.unclassified(indications) or not indications:
        return (
            "Not classified: treatment stays blocked until the medical director classifies this indication."
        )
    needing = policy.needing_recommendation(indications)
    if needing:
        why = needs_sentence(needing, policy)
        return f"Recommendation needed, because {why}. The initial consultation comes first."
    names = ", ".join(indication.label for indication in indications)
    return (
        f"No recommendation needed, because {names} is treated as chronic pain. "
        "The initial consultation comes first."
    )
