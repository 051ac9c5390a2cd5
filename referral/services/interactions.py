"""What can be done with each type of resource: routes, bundles and CapabilityStatement read this table."""

from __future__ import annotations

from functools import cache
from typing import Final

from referral.domain.errors import NotFound, NotSupported
from referral.fhir.definitions import CLINICAL_TYPES, METADATA_TYPES
from referral.fhir.hints import article, nearest
from referral.fhir.scopes import LETTERS

READ: Final = ("read", "vread", "history-instance", "history-type", "search-type")
_WRITE: Final = (*READ, "create", "update", "patch")
# Written by the workflow alone: a client that could write one could forge a record or a warning.
_OURS: Final = frozenset({"AuditEvent", "DetectedIssue", "Flag"})

INTERACTIONS: Final[dict[str, tuple[str, ...]]] = {
    **{type: READ if type in _OURS else _WRITE for type in CLINICAL_TYPES},
    # The newest AuditEvents are a search: none is ever written again.
    "AuditEvent": tuple(code for code in READ if code != "history-type"),
    # What happened is not rewritten.
    "Provenance": (*READ, "create"),
    # No record of anybody: its client ends it.
    "Subscription": (*_WRITE, "delete"),
    **dict.fromkeys(METADATA_TYPES, READ),
}
# What is done with the base URL itself.
SYSTEM_INTERACTIONS: Final = ("transaction", "batch", "history-system")
_WORDS: Final = {
    "create": "created",
    "update": "changed",
    "delete": "deleted; mark it as entered-in-error instead",
    "patch": "patched",
}


_LETTER_OF: Final = {
    "create": "c",
    "read": "r",
    "vread": "r",
    "history-instance": "r",
    "update": "u",
    "patch": "u",
    "delete": "d",
    "search-type": "s",
    "history-type": "s",
}


def require(type: str, interaction: str) -> None:
    """Raises NotFound for a type that is not served, NotSupported for what it does not do."""
    if type not in INTERACTIONS:
        known = f"{type[:40]} is not served here{nearest(type, INTERACTIONS)}"
        raise NotFound(f"{known}; see /fhir/metadata for the types that are.")
    if interaction not in INTERACTIONS[type]:
        word = _WORDS.get(interaction, f"used with {interaction}")
        raise NotSupported(f"A{article(type)[1:]} cannot be {word}.")


@cache
def letters_of(type: str) -> str:
    """What can be done with a type at all, as letters of a SMART scope: c, r, u, d, s."""
    does = {_LETTER_OF[code] for code in INTERACTIONS.get(type, ()) if code in _LETTER_OF}
    return "".join(letter for letter in LETTERS if letter in does)
