"""References by condition in a transaction, such as `Patient?identifier=…`: the one that is meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from referral.domain.errors import ReferralError
from referral.fhir.elements import Resource
from referral.fhir.permit import entries_of, meets
from referral.fhir.problems import Issue, TooLarge
from referral.fhir.search_query import SearchQuery
from referral.services.access import Access
from referral.services.meet_condition import ids_meeting
from referral.services.search_resources import restricted
from referral.storage import search
from referral.storage.db import Session

# Each is a search of its own, and a Bundle of one megabyte has room for forty thousand.
MOST: Final = 200
# What the transaction itself makes, by `Type/id`.
Made = Mapping[str, Resource]


class TargetMissing(ReferralError):
    """A conditional reference that names nothing, or several."""

    code = "multiple-matches"


def require_few(before: int, expression: str) -> None:
    """Raises TooLarge where as many references by condition as a Bundle may have came `before` this one."""
    if before >= MOST:
        text = f"The Bundle has more than {MOST} references by condition; send several Bundles."
        raise TooLarge(Issue(text, (expression,), "too-costly"))


def conditional_target(session: Session, by: Access, query: SearchQuery, made: Made) -> str:
    """`Type/id`, out of what is stored and what the transaction makes: R4 resolves them when all is done.

    A condition is a search: Forbidden where the caller may not search the type, and TargetMissing where it
    sees nothing that matches, or several.
    """
    type = query.type
    by.permit.require(type, "s")
    found = [f"{type}/{id}" for id in ids_meeting(session, by, query)] if query.clauses else []
    new = {name: body for name, body in made.items() if name.startswith(f"{type}/")}
    if query.clauses and new:
        query = search.resolved(session, restricted(by, query))
        found += [name for name, body in new.items() if _matches(query, name, body)]
    if len(found) != 1:
        how = "several resources" if found else "nothing"
        raise TargetMissing(f"A reference by condition on {type} names {how}; it has to name one resource.")
    return found[0]


def _matches(query: SearchQuery, name: str, body: Resource) -> bool:
    entries = entries_of({**body, "id": name.partition("/")[2]})
    within = query.within is None or meets(query.within, entries)
    return within and all(clause.accepts(entries) for clause in query.clauses)
