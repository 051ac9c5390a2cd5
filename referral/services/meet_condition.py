"""What a condition of a write finds: a search by another name, and audited like one."""

from __future__ import annotations

from referral.fhir.search_query import SearchQuery
from referral.services.access import Access
from referral.services.note_attempt import note_attempt
from referral.services.search_resources import restricted, search_entries
from referral.storage import audit, search, search_includes
from referral.storage.db import Session


def ids_meeting(session: Session, by: Access, condition: SearchQuery) -> list[str]:
    """Two at most, which are enough to know that there are several; as far as the caller's scopes reach.

    Raises Forbidden as a search does; the caller has asked for the right to search the type.
    """
    query = restricted(by, condition)
    ids = search.find_ids(session, query)
    found = [match for id in ids if (match := search.find_one(session, query.type, id)) is not None]
    looked_at = search_includes.patients_looked_at(session, query, found)
    entries = search_entries(query, found, looked_at)
    audit.record(session, by.actor, *entries)
    note_attempt(session, f"{query.type}?{query.self_query()}", *entries)
    return ids
