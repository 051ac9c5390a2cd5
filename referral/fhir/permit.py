"""What the scopes of a client let it do with one resource; several are joined by OR (docs/adr/0016)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol

from referral.domain.errors import Forbidden
from referral.fhir.index_values import IndexEntry
from referral.fhir.scopes import EVERY_TYPE, usable
from referral.fhir.search_model import Alternatives, Clause
from referral.fhir.search_parameters import extract
from referral.fhir.subscription import owned_by

_VERBS: Final = {"c": "create", "r": "read", "u": "change", "d": "delete", "s": "search"}


class Resource(Protocol):
    """What is judged: a stored version, or a document on its way in."""

    @property
    def type(self) -> str: ...

    @property
    def document(self) -> Mapping[str, Any]: ...


class Permit:
    """The scopes of one caller, by type and letter (c create, r read, u update, d delete, s search).

    `owner` is the client itself: of subscriptions it reaches its own, and without an id none.
    """

    __slots__ = ("_granted", "_owner", "scopes")

    def __init__(self, scopes: Iterable[str], owner: str | None = None) -> None:
        self.scopes: Final = tuple(scopes)
        self._owner = owner
        self._granted: dict[tuple[str, str], Alternatives] = {}
        for scope in usable(self.scopes):
            for letter in scope.letters:
                key = (scope.type, letter)
                self._granted[key] = (*self._granted.get(key, ()), scope.clauses)

    def may(self, type: str, letter: str) -> bool:
        """Whether anything of this type is allowed; a restriction is looked at when there is a resource."""
        return (type, letter) in self._granted or (EVERY_TYPE, letter) in self._granted

    def require(self, type: str, letter: str) -> None:
        """Raises Forbidden where no scope says so."""
        if not self.may(type, letter):
            verb = _VERBS.get(letter, "do this with")
            raise Forbidden(f"This client's scopes do not allow it to {verb} {type[:64]}.")

    def within(self, type: str, letter: str) -> Alternatives | None:
        """None for all of the type; else one alternative has to hold as a whole, and without one nothing."""
        found = self._granted.get((type, letter), ()) + self._granted.get((EVERY_TYPE, letter), ())
        if type == "Subscription":
            own = owned_by(self._owner) if self._owner else None
            return tuple((*clauses, own) for clauses in found) if own else ()
        return None if () in found else found

    def is_whole(self, type: str, letter: str) -> bool:
        """Whether all resources of the type are allowed, so that none has to be looked at."""
        return self.within(type, letter) is None

    def allows(self, resource: Resource, letter: str) -> bool:
        """Whether this very resource is within the restrictions."""
        alternatives = self.within(resource.type, letter)
        return alternatives is None or meets(alternatives, entries_of(resource.document))


def entries_of(document: Mapping[str, Any]) -> list[IndexEntry]:
    """What a document is found by, with its id."""
    id = document.get("id")
    own = [IndexEntry("_id", value=id)] if isinstance(id, str) else []
    return [*extract(document), *own]


def meets(alternatives: Alternatives, entries: Sequence[IndexEntry]) -> bool:
    """Whether all clauses of one alternative accept what a resource is found by."""
    return any(_all(clauses, entries) for clauses in alternatives)


def _all(clauses: Iterable[Clause], entries: Sequence[IndexEntry]) -> bool:
    return all(clause.accepts(entries) for clause in clauses)


@lru_cache(maxsize=512)
def permit_of(scopes: tuple[str, ...], owner: str | None = None) -> Permit:
    """The same scopes of the same client are read once."""
    return Permit(scopes, owner)
