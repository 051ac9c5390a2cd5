"""A search as the client asked for it, answered as a Bundle."""

from __future__ import annotations

from typing import Any

import msgspec

from referral.domain.errors import Issue
from referral.fhir.answer_bundles import Found, Version, history, searchset
from referral.fhir.operation_outcome import operation_outcome
from referral.fhir.problems import InvalidSearch
from referral.fhir.search_query import SearchQuery, query_pairs, read_search
from referral.services.search_resources import Results, search_resources
from referral.storage.db import Session
from referral.storage.resources import Stored
from referral.storage.search import Match
from referral.web.fhir_client import Caller
from referral.web.fhir_wire import links


def read_query(caller: Caller, type: str, text: str, *, strict: bool = False) -> SearchQuery:
    """Raises InvalidSearch with every fault, and for characters that no stored value can hold."""
    pairs = query_pairs(text)
    if any("\x00" in part for pair in pairs for part in pair):
        raise InvalidSearch(Issue("The query contains the character U+0000.", ("http.query",), "value"))
    return read_search(type, pairs, now=caller.now, strict=strict, base_url=caller.base_url)


def search_bundle(session: Session, caller: Caller, query: SearchQuery) -> dict[str, Any]:
    """The searchset of one page, with what was ignored told in it."""
    found = search_resources(session, caller.actor, query, lambda name: caller.may(name, "r"))
    cursors = {"next": found.page.next, "previous": found.page.previous}
    return searchset(
        _rows(found),
        caller.base_url,
        links(caller.base_url, query.type, query.self_query(), cursors),
        total=found.page.total,
        outcome=_ignored(query),
    )


def history_bundle(caller: Caller, type: str, id: str, versions: list[Stored]) -> dict[str, Any]:
    """All versions as they were written, newest first."""
    rows = [
        Version(
            type,
            id,
            stored.version,
            "POST" if stored.version == 1 else "PUT",
            stored.last_updated,
            msgspec.Raw(stored.body.encode()),
        )
        for stored in versions
    ]
    address = links(caller.base_url, f"{type}/{id}/_history", "", {})
    return history(rows, caller.base_url, address, total=len(rows))


def _rows(found: Results) -> list[Found]:
    return [_row(match, "match") for match in found.page.matches] + [
        _row(match, "include") for match in found.included
    ]


def _row(match: Match, mode: str) -> Found:
    return Found(match.stored.reference, msgspec.Raw(match.stored.body.encode()), mode)


def _ignored(query: SearchQuery) -> dict[str, Any] | None:
    if not query.ignored:
        return None
    return operation_outcome(
        Issue(
            f"{query.type} has no search parameter '{ascii(name)[1:-1][:64]}'; it was ignored.",
            (f"http.{ascii(name)[1:-1][:64]}",),
            "not-supported",
            "warning",
        )
        for name in query.ignored
    )
