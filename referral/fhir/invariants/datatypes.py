"""Invariants of the datatypes."""

from __future__ import annotations

from typing import Final

from referral.fhir.intervals import starts_after
from referral.fhir.invariants.reading import (
    Element,
    Rule,
    chosen,
    has,
    needs,
    not_both,
    number,
    part,
    text,
    unless,
)

_UCUM: Final = "http://unitsofmeasure.org"
_QUANTITIES: Final = ("Quantity", "SimpleQuantity", "MoneyQuantity", "Age", "Count", "Distance", "Duration")
_NOT_OFFSET: Final = frozenset({"C", "CM", "CD", "CV"})


def _coded_unit(element: Element) -> bool:
    return (has(element, "code") or not has(element, "value")) and (
        not has(element, "system") or text(element, "system") == _UCUM
    )


def _age(element: Element) -> bool:
    value = number(element, "value")
    return _coded_unit(element) and (value is None or value > 0)


def _count(element: Element) -> bool:
    value = number(element, "value")
    whole = value is None or "." not in str(value)
    return _coded_unit(element) and (not has(element, "code") or text(element, "code") == "1") and whole


def _duration(element: Element) -> bool:
    return not has(element, "code") or (text(element, "system") == _UCUM and has(element, "value"))


def _money(element: Element) -> bool:
    return (has(element, "code") or not has(element, "value")) and (
        not has(element, "system") or text(element, "system") == "urn:iso:std:iso:4217"
    )


def _ordered(element: Element) -> bool:
    low, high = number(part(element, "low"), "value"), number(part(element, "high"), "value")
    return low is None or high is None or low <= high


def _ratio(element: Element) -> bool:
    both = has(element, "numerator") == has(element, "denominator")
    return both and (has(element, "numerator") or has(element, "extension"))


def _not_negative(name: str) -> Rule:
    def holds(element: Element) -> bool:
        value = number(element, name)
        return value is None or value >= 0

    return unless(holds, name)


def _offset(element: Element) -> bool:
    when = element.get("when")
    if not has(element, "offset"):
        return True
    return isinstance(when, list) and not any(isinstance(code, str) and code in _NOT_OFFSET for code in when)


def _trigger(element: Element) -> bool:
    kind = text(element, "type")
    return (
        (kind != "named-event" or has(element, "name"))
        and (kind != "periodic" or chosen(element, "timing"))
        and (not kind.startswith("data-") or has(element, "data"))
    )


def _either(first: str, second: str) -> Rule:
    return unless(lambda e: has(e, first) != has(e, second))


RULES: Final[dict[tuple[str, str], Rule]] = {
    **{(name, "qty-3"): needs("code", "system") for name in _QUANTITIES},
    ("SimpleQuantity", "sqty-1"): unless(lambda e: not has(e, "comparator"), "comparator"),
    ("MoneyQuantity", "mqty-1"): unless(_money),
    ("Age", "age-1"): unless(_age),
    ("Extension", "ext-1"): unless(lambda e: has(e, "extension") != chosen(e, "value")),
    ("Count", "cnt-3"): unless(_count),
    ("Distance", "dis-1"): unless(_coded_unit),
    ("Duration", "drt-1"): unless(_duration),
    ("Range", "rng-2"): unless(_ordered, "low"),
    ("Ratio", "rat-1"): unless(_ratio),
    ("Period", "per-1"): unless(lambda e: not starts_after(e.get("start"), e.get("end")), "start"),
    ("Attachment", "att-1"): needs("data", "contentType"),
    ("ContactPoint", "cpt-2"): needs("value", "system"),
    ("Expression", "exp-1"): unless(lambda e: has(e, "expression", "reference")),
    ("DataRequirement.codeFilter", "drq-1"): _either("path", "searchParam"),
    ("DataRequirement.dateFilter", "drq-2"): _either("path", "searchParam"),
    ("Timing.repeat", "tim-1"): needs("duration", "durationUnit"),
    ("Timing.repeat", "tim-2"): needs("period", "periodUnit"),
    ("Timing.repeat", "tim-4"): _not_negative("duration"),
    ("Timing.repeat", "tim-5"): _not_negative("period"),
    ("Timing.repeat", "tim-6"): needs("periodMax", "period"),
    ("Timing.repeat", "tim-7"): needs("durationMax", "duration"),
    ("Timing.repeat", "tim-8"): needs("countMax", "count"),
    ("Timing.repeat", "tim-9"): unless(_offset, "offset"),
    ("Timing.repeat", "tim-10"): not_both("timeOfDay", "when"),
    ("TriggerDefinition", "trd-1"): unless(lambda e: not (has(e, "data") and chosen(e, "timing"))),
    ("TriggerDefinition", "trd-2"): needs("condition", "data"),
    ("TriggerDefinition", "trd-3"): unless(_trigger),
}
