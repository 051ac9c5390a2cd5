"""A policy as people type it: what is wrong with it, field by field, or the Policy that it makes.

Codes are typed as lists, one for each code system and class: ICD-10-CM by the beginning of the code, SNOMED
CT and others by the whole code. An ICD-10-CM code has three characters, then a dot and up to four more (CMS
and NCHS, ICD-10-CM Official Guidelines, section I.A).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from referral.domain.codes import ClinicianKind, Strength
from referral.domain.errors import InvalidInput, Issue
from referral.domain.policy import ICD_10_CM, SNOMED_CT, IndicationClass, IndicationRule, Policy
from referral.domain.sctid import is_valid_sctid

# Field of the form → whose codes, and which class. Other systems are typed as `system|code`, as in FHIR.
RULE_FIELDS: Final = {
    "icd_mental": (ICD_10_CM, IndicationClass.MENTAL_HEALTH),
    "icd_pain": (ICD_10_CM, IndicationClass.PAIN),
    "snomed_mental": (SNOMED_CT, IndicationClass.MENTAL_HEALTH),
    "snomed_pain": (SNOMED_CT, IndicationClass.PAIN),
    "other_mental": ("", IndicationClass.MENTAL_HEALTH),
    "other_pain": ("", IndicationClass.PAIN),
}
# `other` is what the directory says of somebody whose kind nobody knows: no policy can accept that.
KINDS: Final = tuple(kind for kind in ClinicianKind if kind is not ClinicianKind.OTHER)
# Strongest first. One mailbox alone never counts at once; the database refuses it too.
STRENGTHS: Final = (Strength.TWO_CHANNEL, Strength.PAPER_TO_VERIFIED_CONTACT, Strength.RECORDED_BY_STAFF)
CLASS_LABEL: Final = {IndicationClass.MENTAL_HEALTH: "mental health", IndicationClass.PAIN: "chronic pain"}
MOST_DAYS: Final = 3660
_MOST_CODES: Final = 500
_ICD: Final = re.compile(r"[A-Z][0-9][0-9A-Z](\.[0-9A-Z]{1,4})?")
_ICD_WITHOUT_DOT: Final = re.compile(r"[A-Z][0-9][0-9A-Z][0-9A-Z]{1,4}")
_BETWEEN: Final = re.compile(r"[\s,;]+")

Rule = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDraft:
    """What stands in the form: `codes` by field of RULE_FIELDS, days as typed, what is ticked by its code."""

    codes: Mapping[str, str] = field(default_factory=dict)
    eligible: frozenset[str] = frozenset()
    validity_days: str = ""
    longest_gap_days: str = ""
    counts_at_once: frozenset[str] = frozenset()
    allow_single_channel: bool = False
    red_flags_need_director: bool = False
    conditions_need_director: bool = False
    allow_override: bool = False


def draft_of(policy: Policy) -> PolicyDraft:
    """The form filled in with a policy: checked() makes the same policy of it again."""
    return PolicyDraft(
        codes={name: _listed(policy, name) for name in RULE_FIELDS},
        eligible=frozenset(policy.eligible),
        validity_days=str(policy.validity.days),
        longest_gap_days=str(policy.longest_gap.days),
        counts_at_once=frozenset(policy.counts_at_once),
        allow_single_channel=policy.allow_single_channel,
        red_flags_need_director=policy.red_flags_need_director,
        conditions_need_director=policy.conditions_need_director,
        allow_override=policy.allow_override,
    )


def _listed(policy: Policy, name: str) -> str:
    system, wanted = RULE_FIELDS[name]
    known = (ICD_10_CM, SNOMED_CT)
    rules = sorted((r.system, r.prefix) for r in policy.rules if r.indication_class is wanted)
    if system:
        return ", ".join(prefix for of, prefix in rules if of == system)
    return "\n".join(f"{of}|{prefix}" for of, prefix in rules if of not in known)


def checked(draft: PolicyDraft, before: Policy) -> Policy:
    """The policy that was typed, with the version it would follow.

    Raises InvalidInput with every issue, each at its field. Rules that are in force are never called wrong:
    an odd code may have come from a connected system.
    """
    issues: list[Issue] = []
    rules = _rules(draft, {(rule.system, rule.prefix) for rule in before.rules}, issues)
    eligible = _known(draft.eligible, KINDS, "eligible", issues)
    if not eligible and not issues_at(issues, "eligible"):
        text = "Choose at least one kind of clinician; with none, no recommendation could ever count."
        issues.append(Issue(text, ("eligible",), "required"))
    counts = _known(draft.counts_at_once, STRENGTHS, "counts_at_once", issues)
    validity = _days(draft.validity_days, "validity_days", issues)
    gap = _days(draft.longest_gap_days, "longest_gap_days", issues)
    if issues:
        raise InvalidInput(*issues)
    return replace(
        before,
        rules=rules,
        eligible=frozenset(ClinicianKind(kind) for kind in eligible),
        validity=validity,
        longest_gap=gap,
        counts_at_once=frozenset(Strength(strength) for strength in counts),
        allow_single_channel=draft.allow_single_channel,
        red_flags_need_director=draft.red_flags_need_director,
        conditions_need_director=draft.conditions_need_director,
        allow_override=draft.allow_override,
    )


def checked_rule(system: str, code: str, indication_class: IndicationClass) -> IndicationRule:
    """The rule for one whole code as an order has it; InvalidInput for one that no rule can name."""
    prefix = code.strip().upper()
    if not prefix or (system == ICD_10_CM and len(prefix) < 3):
        text = f"“{prefix}” is too short for a code. Correct the order, or enter another indication."
        raise InvalidInput(Issue(text, ("requirement",), "value"))
    return IndicationRule(system, prefix, indication_class)


def issues_at(issues: list[Issue], name: str) -> bool:
    """Whether something has been found wrong with this field."""
    return any(name in issue.expression for issue in issues)


def _days(typed: str, name: str, issues: list[Issue]) -> timedelta:
    text = typed.strip()
    days = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0
    if not 1 <= days <= MOST_DAYS:
        issues.append(Issue(f"Write whole days, from 1 to {MOST_DAYS}.", (name,), "value"))
    return timedelta(days=days)


def _known(chosen: frozenset[str], offered: tuple[str, ...], name: str, issues: list[Issue]) -> list[str]:
    if not chosen <= set(offered):
        issues.append(Issue("This cannot be chosen here. Choose from the list.", (name,), "value"))
    return sorted(chosen & set(offered))


# ---- Codes


def _rules(draft: PolicyDraft, in_force: set[Rule], issues: list[Issue]) -> tuple[IndicationRule, ...]:
    fields: dict[Rule, list[str]] = {}
    for name, (system, _) in RULE_FIELDS.items():
        typed = list(_typed(draft.codes.get(name, ""), system))
        if len(typed) > _MOST_CODES:
            issues.append(Issue(f"These are too many: at most {_MOST_CODES} codes.", (name,), "too-long"))
            continue
        for rule, written in typed:
            wrong = "" if rule in in_force else _what_is_wrong(rule, written, system)
            if wrong:
                issues.append(Issue(wrong, (name,), "value"))
            elif name in fields.get(rule, ()):
                issues.append(Issue(f"{written} stands here twice.", (name,), "duplicate"))
            else:
                fields.setdefault(rule, []).append(name)
    if not fields and not issues:
        text = "Without any code every order would stay closed. Enter at least one."
        issues.append(Issue(text, (next(iter(RULE_FIELDS)),), "required"))
    for (_, code), names in fields.items():
        if len(names) > 1:
            text = f"{code} stands under mental health and under chronic pain. Keep it in one of them."
            issues.extend(Issue(text, (name,), "duplicate") for name in names)
    return tuple(
        IndicationRule(system, code, RULE_FIELDS[names[0]][1]) for (system, code), names in fields.items()
    )


def _typed(text: str, system: str) -> Iterator[tuple[Rule, str]]:
    """Each code that was typed, as a rule and as it was written."""
    if not system:
        for line in text.splitlines():
            of, bar, code = line.strip().partition("|")
            if line.strip():
                yield (of.strip() if bar else "", (code if bar else of).strip().upper()), line.strip()
        return
    for word in _BETWEEN.split(text):
        code = word.upper().rstrip(".")
        if system == ICD_10_CM and _ICD_WITHOUT_DOT.fullmatch(code):
            code = f"{code[:3]}.{code[3:]}"
        if code:
            yield (system, code), code


def _what_is_wrong(rule: Rule, written: str, system: str) -> str:
    """Empty where the code can be used."""
    of, code = rule
    short = written if len(written) <= 40 else f"{written[:40]}…"
    if system == ICD_10_CM:
        if len(code) < 3:
            return f"{short} is too short: write at least three characters, for example F33."
        return "" if _ICD.fullmatch(code) else f"{short} is not an ICD-10-CM code; write F33 or F33.2."
    if system == SNOMED_CT:
        return "" if is_valid_sctid(code) else f"{short} is not a SNOMED CT code; check its digits."
    if of in (ICD_10_CM, SNOMED_CT):
        return f"{short} belongs in the list of its code system."
    if not of or not code or len(written) > 200:
        return f"{short} is not complete; write the system, a bar, and the code."
    return ""
