"""Invariants of Bundle and Parameters."""

from __future__ import annotations

from typing import Final

from referral.fhir.invariants.reading import (
    Element,
    Rule,
    chosen,
    each,
    has,
    one_of,
    part,
    repeated,
    text,
    unless,
)

_ASKING: Final = frozenset({"batch", "transaction", "history"})
_ANSWERING: Final = frozenset({"batch-response", "transaction-response", "history"})
_LISTING: Final = frozenset({"searchset", "history"})


def _entries_have(name: str, kinds: frozenset[str]) -> Rule:
    """Every entry has the element exactly when the Bundle is of one of these kinds."""

    def check(bundle: Element) -> tuple[str | int, ...] | None:
        wanted = text(bundle, "type") in kinds
        for index, entry in each(bundle, "entry"):
            if has(entry, name) != wanted:
                return ("entry", index, name)
        return None

    return check


def _search_only_in_searchsets(bundle: Element) -> tuple[str | int, ...] | None:
    if text(bundle, "type") != "searchset":
        for index, entry in each(bundle, "entry"):
            if has(entry, "search"):
                return ("entry", index, "search")
    return None


def _unique_urls(bundle: Element) -> tuple[str | int, ...] | None:
    if text(bundle, "type") == "history":
        return None
    index = repeated(
        (index, (text(entry, "fullUrl"), text(part(part(entry, "resource"), "meta"), "versionId")))
        for index, entry in each(bundle, "entry")
        if has(entry, "fullUrl")
    )
    return None if index is None else ("entry", index, "fullUrl")


def _starts_with(kind: str, resource_type: str) -> Rule:
    def holds(bundle: Element) -> bool:
        first = next(each(bundle, "entry"), (0, {}))[1]
        return text(bundle, "type") != kind or text(part(first, "resource"), "resourceType") == resource_type

    return unless(holds, "entry")


def _document_identifier(bundle: Element) -> bool:
    identifier = part(bundle, "identifier")
    return text(bundle, "type") != "document" or (has(identifier, "system") and has(identifier, "value"))


def _one_content(parameter: Element) -> bool:
    kinds = (chosen(parameter, "value"), has(parameter, "resource"), has(parameter, "part"))
    return sum(kinds) == 1


RULES: Final[dict[tuple[str, str], Rule]] = {
    ("Bundle", "bdl-1"): unless(lambda e: not has(e, "total") or text(e, "type") in _LISTING, "total"),
    ("Bundle", "bdl-2"): _search_only_in_searchsets,
    ("Bundle", "bdl-3"): _entries_have("request", _ASKING),
    ("Bundle", "bdl-4"): _entries_have("response", _ANSWERING),
    ("Bundle", "bdl-7"): _unique_urls,
    ("Bundle", "bdl-9"): unless(_document_identifier, "identifier"),
    ("Bundle", "bdl-10"): unless(lambda e: text(e, "type") != "document" or has(e, "timestamp"), "timestamp"),
    ("Bundle", "bdl-11"): _starts_with("document", "Composition"),
    ("Bundle", "bdl-12"): _starts_with("message", "MessageHeader"),
    ("Bundle.entry", "bdl-5"): one_of("resource", "request", "response"),
    ("Bundle.entry", "bdl-8"): unless(lambda e: "/_history/" not in text(e, "fullUrl"), "fullUrl"),
    ("Parameters.parameter", "inv-1"): unless(_one_content),
}
