"""A search as the client asked for it, answered as a Bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from referral.domain.errors import Issue
from referral.fhir.answer_bundles import Found, Version, history, searchset
from referral.fhir.history_query import read_history_query
from referral.fhir.json import encode
from referral.fhir.operation_outcome import operation_outcome
from referral.fhir.problems import InvalidSearch
from referral.fhir.search_query import SearchQuery, query_pairs, read_search
from referral.fhir.subset import subset
from referral.services.search_resources import Results, count_history, read_history, search_resources
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


def part_of(caller: Caller, type: str, text: str) -> Part:
    """What `_summary` and `_elements` of a read ask for; raises InvalidSearch."""
    part = _part(caller, type, text)
    if part.summary == "count":
        text = "_summary=count is for searches; a read can be true, text, data or false."
        raise InvalidSearch(Issue(text, ("http._summary",), "value"))
    return part


def _part(caller: Caller, type: str, text: str) -> Part:
    pairs = [pair for pair in query_pairs(text) if pair[0] in ("_summary", "_elements")]
    query = read_search(type, pairs, now=caller.now)
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


def search_bundle(
    session: Session, caller: Caller, query: SearchQuery, of_patient: str | None = None
) -> dict[str, Any]:
    """The searchset of one page, with what was ignored; `of_patient` is whose record is searched."""
    found = search_resources(session, caller.access, query, of_patient)
    path = f"Patient/{of_patient}/{query.type}" if of_patient else query.type
    cursors = {"next": found.page.next, "previous": found.page.previous}
    return searchset(
        _rows(found, query),
        caller.base_url,
        links(caller.base_url, path, query.self_query(), cursors),
        total=found.page.total,
        outcome=_outcome(query, found),
    )


def history_bundle(
    session: Session, caller: Caller, type: str | None, id: str | None, text: str, *, strict: bool = False
) -> dict[str, Any]:
    """One page of versions, newest first, or with `_summary=count` how many there are.

    Without a type they are those of all types that the client may search; Forbidden where it may none.
    """
    query = read_history_query(type, id, query_pairs(text), strict=strict)
    part = _part(caller, type or "Resource", text)
    if part.summary == "count":
        total = count_history(session, caller.access, query)
        return history(
            [], caller.base_url, links(caller.base_url, query.path, query.self_query(), {}), total=total
        )
    page = read_history(session, caller.access, query)
    rows = [_version(stored, part) for stored in page.versions]
    address = links(caller.base_url, query.path, query.self_query(), {"next": page.next})
    # How many there are in all is known without counting where they are on one page.
    whole = page.next is None and query.cursor is None
    return history(rows, caller.base_url, address, total=len(rows) if whole else None)


def _version(stored: Stored, part: Part) -> Version:
    """With the request that wrote it: a new resource is posted, by whatever condition."""
    method = stored.method or ("POST" if stored.version == 1 else "PUT")
    body = msgspec.Raw(part.of(stored).encode())
    return Version(stored.type, stored.id, stored.version, method, stored.last_updated, body)


def _rows(found: Results, query: SearchQuery) -> list[Found]:
    """`_elements` are those of the type that is searched; what comes along is left whole."""
    matched, brought = Part(query.summary, query.elements), Part(query.summary)
    return [_row(match, "match", matched) for match in found.page.matches] + [
        _row(match, "include", brought) for match in found.included
    ]


def _row(match: Match, mode: str, part: Part) -> Found:
    return Found(match.stored.reference, msgspec.Raw(part.of(match.stored).encode()), mode)


def _outcome(query: SearchQuery, found: Results) -> dict[str, Any] | None:
    """What is not as the client may think: parameters that were ignored, more that could have come along."""
    shown = [ascii(name)[1:-1][:64] for name in query.ignored]
    issues = [
        Issue(
            f"{query.type} has no search parameter '{name}'; it was ignored.",
            (f"http.{name}",),
            "not-supported",
            "warning",
        )
        for name in shown
    ]
    if found.cut:
        text = "More would come along than one page can bring; ask for fewer matches with _count."
        issues.append(Issue(text, ("http._include",), "too-costly", "warning"))
    return operation_outcome(issues) if issues else None
