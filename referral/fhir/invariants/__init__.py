"""The invariants of FHIR R4 as functions, found by shape and key: rule("Task", "inv-1")."""

from __future__ import annotations

from referral.fhir.invariants import bundles, clinical, conformance, datatypes, questionnaires
from referral.fhir.invariants.reading import Rule

RULES: dict[tuple[str, str], Rule] = {
    **datatypes.RULES,
    **clinical.RULES,
    **questionnaires.RULES,
    **conformance.RULES,
    **bundles.RULES,
}


def rule(shape: str, key: str) -> Rule | None:
    """The check of one invariant; None where it is not implemented, which only types not served may be."""
    return RULES.get((shape, key))
