"""Clinic policy: which indications need what, who may recommend, and for how long it counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

from referral.domain.codes import ClinicianKind, Requirement, Strength
from referral.domain.quick import quick

ICD_10_CM: Final = "http://hl7.org/fhir/sid/icd-10-cm"
SNOMED_CT: Final = "http://snomed.info/sct"


class IndicationClass(StrEnum):
    """What kind of illness a code stands for; a code without a class closes the gate."""

    MENTAL_HEALTH = "mental-health"
    PAIN = "pain"


@quick
@dataclass(frozen=True, slots=True)
class Indication:
    """One coded reason for the infusions; `display` is the wording that people read."""

    system: str
    code: str
    display: str

    @property
    def label(self) -> str:
        return f"{self.display} ({self.code})"


@dataclass(frozen=True, slots=True)
class IndicationRule:
    """Codes that start with `prefix` (dots kept, upper case) belong to a class; the longest match wins."""

    system: str
    prefix: str
    indication_class: IndicationClass


# ICD-10-CM families of the clinic's own rule. F45.42 is a pain code that begins with F; F38 does not exist.
_MENTAL_ICD: Final = ("F31", "F32", "F33", "F34", "F39", "F40", "F41", "F42", "F43", "F53.0")
_PAIN_ICD: Final = (
    *("G89.2", "G89.3", "G89.4", "G90.5", "G56.4", "G57.7", "M79.7", "M79.2", "G54.6", "G50.0"),
    *("G43.7", "G43.9", "B02.2", "G62.9", "M54", "F45.42"),
)
_MENTAL_SCT: Final = (
    *("35489007", "370143000", "36923009", "66344007", "78667006", "46206005", "13746004"),
    *("197480006", "21897009", "47505003", "191736004"),
)
_PAIN_SCT: Final = ("82423001", "203082005", "128200000")

DEFAULT_RULES: Final = tuple(
    IndicationRule(system, prefix, indication_class)
    for system, prefixes, indication_class in (
        (ICD_10_CM, _MENTAL_ICD, IndicationClass.MENTAL_HEALTH),
        (ICD_10_CM, _PAIN_ICD, IndicationClass.PAIN),
        (SNOMED_CT, _MENTAL_SCT, IndicationClass.MENTAL_HEALTH),
        (SNOMED_CT, _PAIN_SCT, IndicationClass.PAIN),
    )
    for prefix in prefixes
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One version of a clinic's rules. Durations are timedelta; a day is 24 hours."""

    version: int = 1
    rules: tuple[IndicationRule, ...] = DEFAULT_RULES
    eligible: frozenset[ClinicianKind] = frozenset(
        {ClinicianKind.PSYCHIATRIST, ClinicianKind.PSYCHOLOGIST, ClinicianKind.PRIMARY_CARE}
    )
    validity: timedelta = timedelta(days=180)
    counts_at_once: frozenset[Strength] = frozenset(
        {Strength.PAPER_TO_VERIFIED_CONTACT, Strength.TWO_CHANNEL}
    )
    allow_single_channel: bool = True
    red_flags_need_director: bool = True
    conditions_need_director: bool = True
    allow_override: bool = False
    # A longer pause between two treatments is a new fact: the recommendation stops counting.
    longest_gap: timedelta = timedelta(days=90)
    _exact: dict[tuple[str, str], IndicationClass] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        table = {(rule.system, rule.prefix): rule.indication_class for rule in self.rules}
        object.__setattr__(self, "_exact", table)

    def classify(self, indication: Indication) -> IndicationClass | None:
        """Longest matching prefix for ICD-10-CM, the exact code for other systems; None is unclassified."""
        code = indication.code.strip().upper()
        if indication.system != ICD_10_CM:
            return self._exact.get((indication.system, code))
        for length in range(len(code), 2, -1):
            found = self._exact.get((ICD_10_CM, code[:length]))
            if found:
                return found
        return None

    def unclassified(self, indications: Iterable[Indication]) -> tuple[Indication, ...]:
        return tuple(indication for indication in indications if self.classify(indication) is None)

    def needing_recommendation(self, indications: Iterable[Indication]) -> tuple[Indication, ...]:
        """The mental-health indications; where there is one, the stricter rule holds for the whole order."""
        return tuple(i for i in indications if self.classify(i) is IndicationClass.MENTAL_HEALTH)

    def requirements(self, indications: Iterable[Indication]) -> tuple[Requirement, ...]:
        """Everybody needs the initial consultation; unknown codes count as needing a recommendation too."""
        every = tuple(indications)
        strict = not every or self.needing_recommendation(every) or self.unclassified(every)
        return (
            (Requirement.INITIAL_CONSULTATION, Requirement.RECOMMENDATION)
            if strict
            else (Requirement.INITIAL_CONSULTATION,)
        )
