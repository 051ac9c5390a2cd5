"""What an entry of a Bundle may ask: everything that a GET can, and the operations that change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from referral.domain.errors import NotFound, NotSupported
from referral.fhir import gate
from referral.fhir.answer_bundles import Outcome, etag
from referral.fhir.bundle import Entry, split_url
from referral.fhir.intervals import interval
from referral.fhir.operation_input import Input, input_of_body, input_of_query
from referral.fhir.search_query import query_pairs
from referral.services.refresh_gate import read_decision
from referral.services.search_resources import read_resource, read_version, require_sight
from referral.storage.db import Session
from referral.web.fhir_client import Caller
from referral.web.fhir_measure import measure_answer
from referral.web.fhir_operations import docref_bundle, everything_bundle, populate_answer
from referral.web.fhir_search import history_bundle, part_of, read_query, search_bundle
from referral.web.fhir_wire import http_date, is_known, number_of_version

Operate = Callable[[Session, Caller, str | None, Input], dict[str, Any]]


def read_entry(session: Session, caller: Caller, entry: Entry) -> Outcome:
    """Raises as the same request on its own would; 304 for a version that the client says it has."""
    steps = [unquote(step) for step in split_url(entry.url)[0].split("/")]
    text = entry.query or ""
    match steps:
        case _ if entry.operation is not None:
            bundle = _operate(session, caller, entry)
        case ["_history"]:
            bundle = history_bundle(session, caller, None, None, text)
        case [type]:
            bundle = search_bundle(session, caller, read_query(caller, type, text))
        case [type, "_history"]:
            bundle = history_bundle(session, caller, type, None, text)
        case [type, id, "_history"]:
            bundle = history_bundle(session, caller, type, id, text)
        case [type, id] | [type, id, "_history", _]:
            return _read(session, caller, entry, type, id)
        case _:
            raise NotFound(f"There is nothing at {entry.url[:100]}.")
    return Outcome("200 OK", resource=bundle)


def _read(session: Session, caller: Caller, entry: Entry, type: str, id: str) -> Outcome:
    part = part_of(caller, type, entry.query or "")
    _, mark, version = split_url(entry.url)[0].partition("/_history/")
    if mark:
        stored = read_version(session, caller.access, type, id, number_of_version(version))
    else:
        stored = read_resource(session, caller.access, type, id)
    if not mark and is_known(stored, entry.if_none_match, _since(entry)):
        return Outcome("304 Not Modified", etag=etag(stored.version), last_modified=stored.last_updated)
    body = msgspec.Raw(part.of(stored).encode())
    return Outcome("200 OK", None, etag(stored.version), stored.last_updated, body)


def _since(entry: Entry) -> str | None:
    """An instant here, where a header would have HTTP's own form."""
    found = interval(entry.if_modified_since)
    return http_date(found[0]) if found is not None else None


# ---- Operations


def _operate(session: Session, caller: Caller, entry: Entry) -> dict[str, Any]:
    operate = _OPERATIONS.get((entry.type, entry.operation, entry.id is not None))
    if operate is None:
        raise NotSupported(f"{entry.method} {entry.url[:100]} cannot be done in a Bundle.")
    if entry.method == "POST":
        given = input_of_body(entry.resource) if entry.resource else Input()
    else:
        given = input_of_query(query_pairs(entry.query or ""))
    return operate(session, caller, entry.id, given)


def _gate(session: Session, caller: Caller, id: str | None, _: Input) -> dict[str, Any]:
    require_sight(session, caller.access, "ServiceRequest", str(id))
    return gate.parameters(read_decision(session, caller.actor, str(id), caller.now))


def _everything(session: Session, caller: Caller, id: str | None, given: Input) -> dict[str, Any]:
    return everything_bundle(session, caller, str(id), given)


# By type, name, and whether it is asked of one resource.
_OPERATIONS: Final[dict[tuple[str | None, str | None, bool], Operate]] = {
    ("ServiceRequest", "$gate", True): _gate,
    ("Patient", "$everything", True): _everything,
    ("DocumentReference", "$docref", False): docref_bundle,
    ("Measure", "$evaluate-measure", False): measure_answer,
    ("Measure", "$evaluate-measure", True): measure_answer,
    ("Questionnaire", "$populate", False): populate_answer,
    ("Questionnaire", "$populate", True): populate_answer,
}
