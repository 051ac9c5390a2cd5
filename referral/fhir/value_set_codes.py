"""The codes of the ValueSets that `:in` and `:not-in` may name: R4's closed sets, and our own."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from referral.fhir.definitions import code_systems
from referral.fhir.value_sets import own_value_sets

_R4: Final = "http://hl7.org/fhir/ValueSet/"


# Whoever searches chooses the name.
@lru_cache(maxsize=256)
def codes_of(canonical: str) -> frozenset[tuple[str, str]] | None:
    """(system, code) of every member; None for a ValueSet that is not known here, or that is open-ended.

    A version behind `|` is not looked at: one version is known of each.
    """
    url = canonical.partition("|")[0]
    own = own_value_sets().get(url)
    if own is not None or not url.startswith(_R4):
        return own
    systems = code_systems(url.removeprefix(_R4))
    if systems is None:
        return None
    return frozenset((system, code) for system, codes in systems.items() for code in codes)
