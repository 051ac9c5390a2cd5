"""Which scopes a system gets, by what it is for (fhir.md 10); `system/*` is written out, type by type.

Nobody gets a scope that writes every type: what is served tomorrow is nobody's today.
"""

from __future__ import annotations

from referral.domain.codes import ClientKind
from referral.fhir.scopes import EVERY_TYPE, Scope, UnusableScope, read_scope
from referral.services.interactions import INTERACTIONS, letters_of


def every_type() -> tuple[str, ...]:
    """Everything that is done with each type that is served."""
    return tuple(f"system/{type}.{letters_of(type)}" for type in INTERACTIONS)


def scopes_of(kind: ClientKind) -> tuple[str, ...]:
    """The scopes that are registered for a client of this kind."""
    if kind is ClientKind.RECORD_SYSTEM:
        return every_type()
    if kind is ClientKind.READER:
        return (f"system/{EVERY_TYPE}.rs",)
    return (
        "system/ServiceRequest.rs",
        "system/Task.rus",
        f"system/Subscription.{letters_of('Subscription')}",
        *(f"system/{type}.rs" for type in ("Patient", "Practitioner", "PractitionerRole", "Organization")),
    )


def check_scope(text: str) -> Scope:
    """A scope that may be registered; raises UnusableScope, which says what to write instead."""
    scope = read_scope(text)
    if scope.type == EVERY_TYPE:
        if set(scope.letters) - set("rs"):
            raise UnusableScope("system/*.… reads and searches only; name the types that are to be written.")
    elif scope.type not in INTERACTIONS:
        raise UnusableScope(f"{scope.type} is not served here.")
    elif set(scope.letters) - set(letters_of(scope.type)):
        raise UnusableScope(f"{scope.type} can be given {letters_of(scope.type)} at most.")
    return scope
