"""What a new version of a policy would change: in words, and for each order by the gate's own rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from referral.domain.codes import ClinicianKind, Requirement, Strength
from referral.domain.gate import GateFacts, Recommendation, decide
from referral.domain.npi import KIND_LABEL
from referral.domain.policy import ICD_10_CM, SNOMED_CT, Indication, IndicationRule, Policy
from referral.domain.policy_draft import CLASS_LABEL

_SYSTEM: Final = {ICD_10_CM: "ICD-10-CM", SNOMED_CT: "SNOMED CT"}
STRENGTH_LABEL: Final = {
    Strength.TWO_CHANNEL: "two channels and the date of birth",
    Strength.PAPER_TO_VERIFIED_CONTACT: "a letter to a verified contact and the date of birth",
    Strength.RECORDED_BY_STAFF: "staff, from a returned fax or a call",
    Strength.SINGLE_CHANNEL: "one mailbox only",
}


class Move(StrEnum):
    """What happens to the gate of one order."""

    CLOSES = "closes"
    OPENS = "opens"
    STAYS = "stays"


@dataclass(frozen=True, slots=True)
class Stopped:
    """A recommendation that counts now and would not any more; `why` is a sentence."""

    recommendation_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Effect:
    """What one order would notice. `reasons` are those of the gate where it closes."""

    move: Move
    reasons: tuple[str, ...] = ()
    stopped: tuple[Stopped, ...] = ()


def effect_on(facts: GateFacts, before: Policy, after: Policy, now: datetime) -> Effect:
    """The same facts decided under both policies at the same moment."""
    was, will = decide(facts, before, now), decide(facts, after, now)
    stopped = tuple(
        Stopped(answer.id, _why(answer, facts, after))
        for answer in facts.recommendations
        if _counts(answer, facts, before, now) and _stops(answer, facts, after, now)
    )
    if was.open == will.open:
        return Effect(Move.STAYS, (), stopped)
    return Effect(Move.OPENS if will.open else Move.CLOSES, will.reasons, stopped)


def _state(answer: Recommendation, facts: GateFacts, policy: Policy, now: datetime) -> bool | None:
    """Whether this answer alone would satisfy the rule; None where no recommendation is asked for."""
    decision = decide(replace(facts, recommendations=(answer,)), policy, now)
    states = [s.satisfied for s in decision.requirements if s.requirement is Requirement.RECOMMENDATION]
    return states[0] if states else None


def _counts(answer: Recommendation, facts: GateFacts, policy: Policy, now: datetime) -> bool:
    return _state(answer, facts, policy, now) is True


def _stops(answer: Recommendation, facts: GateFacts, policy: Policy, now: datetime) -> bool:
    """Where none is asked for any more, nothing is taken from it."""
    return _state(answer, facts, policy, now) is False


def _why(answer: Recommendation, facts: GateFacts, after: Policy) -> str:
    """The first thing of the new policy that stands in its way."""
    unknown = after.unclassified(facts.indications)
    if unknown:
        names = ", ".join(indication.label for indication in unknown)
        return f"{_sentence(names)} would not be classified any more."
    missing = [i for i in after.needing_recommendation(facts.indications) if i.code not in answer.covers]
    if missing:
        return f"It says nothing about {', '.join(i.label for i in missing)}, which would need one."
    if answer.clinician_kind not in after.eligible:
        return f"A {KIND_LABEL[answer.clinician_kind]} would not be accepted any more."
    if answer.strength not in after.counts_at_once and not answer.confirmed_by_phone:
        return "It would wait for a confirming call to the clinician."
    if answer.has_red_flags and after.red_flags_need_director:
        return "It names a red flag and would wait for the medical director."
    return "It has conditions and would wait for the medical director."


def added_rule(before: Policy, after: Policy) -> IndicationRule | None:
    """The rule, where all that `after` does is to classify a code that `before` did not know; else None.

    Taking such a rule away can close orders and open none: their code is unknown again.
    """
    added = set(after.rules) - set(before.rules)
    if len(added) != 1 or changes(before, replace(after, rules=before.rules)):
        return None
    (rule,) = added
    known = before.classify(Indication(rule.system, rule.prefix, "")) is not None
    return None if known or len(after.rules) != len(before.rules) + 1 else rule


# ---- In words


def changes(before: Policy, after: Policy) -> tuple[str, ...]:
    """What is different, one sentence each, in the order of the form; empty where nothing is."""
    return tuple(_changes(before, after))


def _changes(before: Policy, after: Policy) -> Iterator[str]:
    yield from _rule_changes(before.rules, after.rules)
    for kind in ClinicianKind:
        yield from _switched(
            kind in before.eligible,
            kind in after.eligible,
            f"A {KIND_LABEL[kind]} may recommend.",
            f"A {KIND_LABEL[kind]} may not recommend any more.",
        )
    if before.validity != after.validity:
        yield f"New recommendations count for {_days(after.validity.days)}, not {before.validity.days}."
    if before.longest_gap != after.longest_gap:
        days = _days(after.longest_gap.days)
        yield f"A pause in treatment of more than {days}, not {before.longest_gap.days}, asks for a new one."
    for strength in Strength:
        words = f"Identity by {STRENGTH_LABEL[strength]}: the answer counts"
        yield from _switched(
            strength in before.counts_at_once,
            strength in after.counts_at_once,
            f"{words} at once.",
            f"{words} only after a confirming call.",
        )
    for name, sentences in _SWITCHES.items():
        yield from _switched(getattr(before, name), getattr(after, name), *sentences)


def _switched(was: bool, will: bool, on: str, off: str) -> Iterator[str]:
    if was != will:
        yield on if will else off


_SWITCHES: Final = {
    "allow_single_channel": (
        "Clinicians with a single mailbox can answer there; a confirming call follows.",
        "Clinicians with a single mailbox cannot answer there any more.",
    ),
    "red_flags_need_director": (
        "Answers with red flags wait for the medical director.",
        "Answers with red flags count without the medical director.",
    ),
    "conditions_need_director": (
        "Answers with conditions wait for the medical director.",
        "Answers with conditions count without the medical director.",
    ),
    "allow_override": (
        "Emergency access by two people is on.",
        "Emergency access by two people is off.",
    ),
}


def _rule_changes(before: Iterable[IndicationRule], after: Iterable[IndicationRule]) -> Iterator[str]:
    """Grouped, so that a long list stays a sentence."""
    old = {(rule.system, rule.prefix): rule.indication_class for rule in before}
    new = {(rule.system, rule.prefix): rule.indication_class for rule in after}
    groups: dict[str, list[str]] = {}
    for key in sorted(old.keys() | new.keys()):
        was, will = old.get(key), new.get(key)
        if was is will:
            continue
        system = _SYSTEM.get(key[0], key[0] or "without a system")
        if was is None and will is not None:
            words = f"Added to {CLASS_LABEL[will]} ({system})"
        elif will is None and was is not None:
            words = f"Taken out of {CLASS_LABEL[was]} ({system})"
        elif was is not None and will is not None:
            words = f"Moved from {CLASS_LABEL[was]} to {CLASS_LABEL[will]} ({system})"
        groups.setdefault(words, []).append(key[1])
    for words, codes in groups.items():
        yield f"{words}: {', '.join(codes)}."


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
