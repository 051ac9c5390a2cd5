"""The ValueSets of what is ours: all codes of each of our systems, and the choices that are bound to."""

from __future__ import annotations

from functools import cache
from typing import Any, Final, NamedTuple

from referral.domain.codes import POSITIVE, Decision
from referral.fhir.local_codes import SYSTEMS
from referral.fhir.publication import publication
from referral.fhir.systems import DEFAULT, NUCC, LocalSystems

# NUCC taxonomies that count as a psychiatrist, a psychologist or a family/primary care physician.
_ELIGIBLE: Final = (
    *("2084P0800X", "2084P0802X", "2084P0804X", "2084P0805X", "2084F0202X", "2084P0015X"),
    *("103T00000X", "103TC0700X", "103TC2200X", "103G00000X"),
    *("207Q00000X", "207R00000X", "208D00000X"),
)


class Choice(NamedTuple):
    """Some codes of one system: the name of one of ours, or a URI."""

    title: str
    text: str
    system: str
    codes: tuple[str, ...]


CHOICES: Final[dict[str, Choice]] = {
    "eligible-clinician-kind": Choice(
        "Clinicians who may recommend",
        "NUCC taxonomies of psychiatrists, psychologists and family/primary care physicians: whose"
        " recommendation the default policy accepts. A clinic's own policy may say otherwise.",
        NUCC,
        _ELIGIBLE,
    ),
    "positive-decision": Choice(
        "Decisions that can open the gate",
        "A recommendation with conditions waits for the medical director first.",
        "decision",
        tuple(sorted(decision.value for decision in POSITIVE)),
    ),
    "answer-decision": Choice(
        "Decisions that are an opinion",
        "Those that complete a request, for or against.",
        "decision",
        tuple(sorted([*(decision.value for decision in POSITIVE), Decision.NOT_RECOMMENDED.value])),
    ),
    "refusal-reason": Choice(
        "Why a clinician does not answer",
        "What a client gives as the reason when it sets a Task to rejected.",
        "task-status-reason",
        ("not-my-patient", "will-not-handle"),
    ),
}


def value_sets(local: LocalSystems = DEFAULT) -> list[dict[str, Any]]:
    """Every ValueSet that is published here."""
    whole = [
        _value_set(
            name, name.replace("-", " ").capitalize(), system.text, {"system": local.system(name)}, local
        )
        for name, system in SYSTEMS.items()
    ]
    return whole + [
        _value_set(name, choice.title, choice.text, _include(choice, local), local)
        for name, choice in CHOICES.items()
    ]


def _include(choice: Choice, local: LocalSystems) -> dict[str, Any]:
    ours = SYSTEMS.get(choice.system)
    if ours is None:
        return {"system": choice.system, "concept": [{"code": code} for code in choice.codes]}
    concepts = [{"code": code, "display": ours.codes[code].display} for code in choice.codes]
    return {"system": local.system(choice.system), "concept": concepts}


def _value_set(
    name: str, title: str, text: str, include: dict[str, Any], local: LocalSystems
) -> dict[str, Any]:
    return {
        "resourceType": "ValueSet",
        "id": name,
        "url": local.value_set(name),
        "name": "".join(part.capitalize() for part in name.split("-")),
        "title": title,
        "description": text,
        **publication(),
        "compose": {"include": [include]},
    }


@cache
def own_value_sets(local: LocalSystems = DEFAULT) -> dict[str, frozenset[tuple[str, str]]]:
    """Canonical URL → (system, code): what each of them contains."""
    found = {
        local.value_set(name): frozenset((local.system(name), str(code)) for code in system.codes)
        for name, system in SYSTEMS.items()
    }
    for name, choice in CHOICES.items():
        system = local.system(choice.system) if choice.system in SYSTEMS else choice.system
        found[local.value_set(name)] = frozenset((system, code) for code in choice.codes)
    return found
