"""A search as the client asked for it, answered as a Bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from referral.domain.errors import Issue
from referral.fhir.answer_bundles import Found, Version, history, searchset
from referral.fhir.history_query import HistoryQuery
from referral.fhir.json import encode
from referral.fhir.operation_outcome import operation_outcome
from referral.fhir.problems import InvalidSearch
from referral.fhir.search_query import SearchQuery, query_pairs, read_search
from referral.fhir.subset import subset
from referral.services.search_resources import Results, search_resources
from referral.storage.db import Session
from referral.storage.history import HistoryPage
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


def part_of(caller: Caller, type: str, text: str) -> Part:
    """What `_summary` and `_elements` of a read ask for; raises InvalidSearch."""
    pairs = [pair for pair in query_pairs(text) if pair[0] in ("_summary", "_elements")]
    query = read_search(type, pairs, now=caller.now)
    if query.summary == "count":
        text = "_summary=count is for searches; a read can be true, text, data or false."
        raise InvalidSearch(Issue(text, ("http._summary",), "value"))
    return Part(query.summary, query.elements)


@dataclass(frozen=True, slots=True)
class Part:
    """How much of each resource is wanted; everything, where both are empty."""

    summary: str | None = None
    elements: tuple[str, ...] = ()

    def of(self, stored: Stored) -> str:
        """The JSON that goes out."""
        if not (self.summary or self.elements):
            return stored.body
        return encode(subset(stored.document, summary=self.summary, elements=self.elements)).decode()


def search_bundle(session: Session, caller: Caller, query: SearchQuery) -> dict[str, Any]:
    """The searchset of one page, with what was ignored told in it."""
    found = search_resources(session, caller.actor, query, lambda name: caller.may(name, "r"))
    cursors = {"next": found.page.next, "previous": found.page.previous}
    return searchset(
        _rows(found, query),
        caller.base_url,
        links(caller.base_url, query.type, query.self_query(), cursors),
        total=found.page.total,
        outcome=_ignored(query),
    )


def history_bundle(caller: Caller, query: HistoryQuery, page: HistoryPage) -> dict[str, Any]:
    """One page of versions as they were written, newest first."""
    rows = [
        Version(
            stored.type,
            stored.id,
            stored.version,
            "POST" if stored.version == 1 else "PUT",
            stored.last_updated,
            msgspec.Raw(stored.body.encode()),
        )
        for stored in page.versions
    ]
    path = f"{query.type}/_history" if query.id is None else f"{query.type}/{query.id}/_history"
    address = links(caller.base_url, path, query.self_query(), {"next": page.next})
    # How many there are in all is known without counting where they are on one page.
    whole = page.next is None and query.cursor is None
    return history(rows, caller.base_url, address, total=len(rows) if whole else None)


def _rows(found: Results, query: SearchQuery) -> list[Found]:
    """`_elements` are those of the type that is searched; what comes along is left whole."""
    matched, brought = Part(query.summary, query.elements), Part(query.summary)
    return [_row(match, "match", matched) for match in found.page.matches] + [
        _row(match, "include", brought) for match in found.included
    ]


def _row(match: Match, mode: str, part: Part) -> Found:
    return Found(match.stored.reference, msgspec.Raw(part.of(match.stored).encode()), mode)


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
