"""Operations on a record and on a form: $everything, $docref and $populate, by GET and by POST."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import urlencode

import msgspec
from fastapi import Depends, Request
from starlette.responses import Response

from referral.domain.errors import Issue
from referral.fhir.answer_bundles import Found, searchset
from referral.fhir.compartment import EVERYTHING_TYPES
from referral.fhir.intervals import BEGINNING, END
from referral.fhir.json import decode
from referral.fhir.operation_input import Input, input_of_body, input_of_query, refuse_input
from referral.fhir.operation_outcome import operation_outcome
from referral.fhir.primitives import PRIMITIVES
from referral.fhir.reference_targets import parse_reference, relative_references
from referral.fhir.search_model import MAX_COUNT
from referral.fhir.search_query import query_pairs, read_search
from referral.services.find_docrefs import DocrefQuery, find_docrefs
from referral.services.populate_form import find_form, populate_form
from referral.services.read_everything import EverythingQuery, read_everything
from referral.storage.db import Session
from referral.storage.resources import Stored
from referral.web.area import Area
from referral.web.fhir_client import Caller, client
from referral.web.fhir_wire import Wanted, WantedDep, links, query_text, read_body, resource_response

router: Final = Area(prefix="/fhir", tags=["FHIR"])

Anyone = Annotated[Caller, client("any")]
# What every request may carry and no operation reads.
_PRESENTATION: Final = ("_format", "_pretty")
_EVERYTHING: Final = ("start", "end", "_since", "_type", "_count", "_cursor")
_DOCREF: Final = ("patient", "start", "end", "type", "on-demand", "profile")
_POPULATE: Final = (
    "identifier", "canonical", "questionnaire", "questionnaireRef",
    "subject", "context", "local", "launchContext",
)  # fmt: skip


async def _body(request: Request) -> bytes:
    """A POST without parameters needs no body."""
    if request.method != "POST" or not (request.headers.get("content-type") or await request.body()):
        return b""
    return await read_body(request)


BodyDep = Annotated[bytes, Depends(_body)]


def input_of(request: Request, raw: bytes, caller: Caller) -> Input:
    """Out of the body of a POST, else out of the query."""
    if request.method == "POST" and raw:
        return input_of_body(relative_references(decode(raw), caller.base_url))
    return input_of_query(query_pairs(query_text(request)))


def require_known(given: Input, how: Wanted, *known: str) -> None:
    """What an operation does not know is ignored, or refused where the client wants it strict."""
    unknown = given.unknown(*known, *_PRESENTATION)
    if unknown and how.strict:
        refuse_input(unknown[0], "is no parameter of this operation", "not-supported")


# ---- Patient/$everything


@router.get("/Patient/{id}/$everything")
@router.post("/Patient/{id}/$everything")
def everything(request: Request, caller: Anyone, how: WantedDep, raw: BodyDep, id: str) -> Response:
    """The patient's record with what it refers to, page by page."""
    given = input_of(request, raw, caller)
    require_known(given, how, *_EVERYTHING)
    with caller.transaction() as session:
        return resource_response(everything_bundle(session, caller, id, given), how)


def everything_bundle(session: Session, caller: Caller, id: str, given: Input) -> dict[str, Any]:
    """One page as a searchset; `next` is followed with GET, however the first page was asked for."""
    types = given.texts("_type")
    unknown = [name for name in types if name not in EVERYTHING_TYPES]
    if unknown:
        refuse_input("_type", f"names {unknown[0][:40]}, which is no part of a record here", "not-supported")
    since = given.interval("_since")
    start, end = _care_time(given)
    asked = [
        *[(name, str(given.text(name))) for name in ("start", "end", "_since", "_count") if given.all(name)],
        *([("_type", ",".join(types))] if types else []),
    ]
    address = urlencode(asked, safe=":|,/")
    query = EverythingQuery(
        patient_id=id,
        types=types or None,
        start=start,
        end=end,
        since=since[0] if since else None,
        count=_count(given),
        cursor=given.text("_cursor"),
        mark=address,
    )
    page = read_everything(session, caller.access, query)
    rows = [_row(stored, "match" if own else "include") for stored, own in page.rows]
    found = links(caller.base_url, f"Patient/{id}/$everything", address, {"next": page.next})
    return searchset(rows, caller.base_url, found, total=page.total)


def _care_time(given: Input) -> tuple[Any, Any]:
    """[start, end) of the time of care; None twice where neither was given."""
    start, end = given.interval("start"), given.interval("end")
    if start is None and end is None:
        return None, None
    low, high = start[0] if start else BEGINNING, end[1] if end else END
    if low >= high:
        refuse_input("end", "lies before start")
    return low, high


def _count(given: Input) -> int:
    text = given.text("_count")
    if text is None:
        return MAX_COUNT
    if not (text.isascii() and text.isdigit()) or len(text) > 12 or int(text) == 0:
        refuse_input("_count", "has to be a whole number from 1")
    return min(int(text), MAX_COUNT)


def _row(stored: Stored, mode: str) -> Found:
    return Found(stored.reference, msgspec.Raw(stored.body.encode()), mode)


# ---- DocumentReference/$docref


@router.get("/DocumentReference/$docref")
@router.post("/DocumentReference/$docref")
def docref(request: Request, caller: Anyone, how: WantedDep, raw: BodyDep) -> Response:
    """The documents of a patient that exist; none is made on demand."""
    given = input_of(request, raw, caller)
    require_known(given, how, *_DOCREF)
    with caller.transaction() as session:
        return resource_response(docref_bundle(session, caller, None, given), how)


def docref_bundle(session: Session, caller: Caller, _: str | None, given: Input) -> dict[str, Any]:
    """A searchset of DocumentReferences, whose content is read through their attachments."""
    patient = given.text("patient")
    if not patient:
        refuse_input("patient", "is needed: the id of the patient", "required")
    if PRIMITIVES["id"](patient.removeprefix("Patient/")):
        refuse_input("patient", "has to be the id of a patient: 1 to 64 letters, digits, hyphens or dots")
    pairs = [("type", _token(value)) for value in given.all("type")]
    pairs += [("_profile", str(value)) for value in given.all("profile")]
    clauses = read_search("DocumentReference", pairs, now=caller.now, strict=True).clauses
    start, end = _care_time(given)
    query = DocrefQuery(patient.removeprefix("Patient/"), start, end, clauses)
    found = find_docrefs(session, caller.access, query)
    note = None
    if given.text("on-demand") == "true":
        text = "No document is made on demand here; these are the ones that exist."
        note = operation_outcome([Issue(text, ("http.on-demand",), "informational", "information")])
    address = urlencode([(name, _shown(value)) for name in _DOCREF for value in given.all(name)], safe=":|,/")
    rows = [_row(stored, "match") for stored in found]
    found_at = links(caller.base_url, "DocumentReference/$docref", address, {})
    return searchset(rows, caller.base_url, found_at, total=len(rows), outcome=note)


def _token(value: Any) -> str:
    """A token out of a CodeableConcept, a Coding, or what was written in the query."""
    if not isinstance(value, dict):
        return str(value)
    codings = value.get("coding", [value])
    tokens = [f"{row.get('system', '')}|{row['code']}" for row in codings if row.get("code")]
    if not tokens:
        refuse_input("type", "needs a coding with a code")
    # A document of any of these codes is meant.
    return ",".join(token.lstrip("|") for token in tokens)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _token(value) if isinstance(value, dict) else str(value)


# ---- Questionnaire/$populate


@router.get("/Questionnaire/$populate")
@router.post("/Questionnaire/$populate")
def populate(request: Request, caller: Anyone, how: WantedDep, raw: BodyDep) -> Response:
    """The form that is named, begun from what is known; nothing is stored."""
    return _populate(request, caller, how, raw, None)


@router.get("/Questionnaire/{id}/$populate")
@router.post("/Questionnaire/{id}/$populate")
def populate_this(request: Request, caller: Anyone, how: WantedDep, raw: BodyDep, id: str) -> Response:
    """The same for the form in the path."""
    return _populate(request, caller, how, raw, id)


def _populate(request: Request, caller: Caller, how: Wanted, raw: bytes, id: str | None) -> Response:
    given = input_of(request, raw, caller)
    require_known(given, how, *_POPULATE)
    with caller.transaction() as session:
        return resource_response(populate_answer(session, caller, id, given), how)


def populate_answer(session: Session, caller: Caller, id: str | None, given: Input) -> dict[str, Any]:
    """Parameters with the response and, where something could not be filled in, the issues."""
    form = _form(session, caller, id, given)
    subject = _reference(given.one("subject"), "subject")
    literal = parse_reference(subject)
    if literal is None or literal.type != "Patient" or literal.base:
        refuse_input("subject", "has to be a Patient of this server, such as Patient/1")
    context = [found for value in given.all("context") if (found := _context(value)) is not None]
    made = populate_form(session, caller.access, form, literal.id, context, caller.now)
    rows: list[dict[str, Any]] = [{"name": "response", "resource": made.response}]
    if made.notes:
        rows.append({"name": "issues", "resource": operation_outcome(made.notes)})
    return {"resourceType": "Parameters", "parameter": rows}


def _form(session: Session, caller: Caller, id: str | None, given: Input) -> Any:
    """By the path, by its canonical or a reference, or as it was sent along."""
    sent = given.one("questionnaire")
    if id is None and isinstance(sent, dict) and sent.get("resourceType") == "Questionnaire":
        return sent
    address = given.text("canonical")
    if id is None and address is None and isinstance(sent, str):
        address = sent
    named = given.one("questionnaireRef")
    if id is None and address is None and named is not None:
        literal = parse_reference(_reference(named, "questionnaireRef"))
        id = literal.id if literal is not None and literal.type == "Questionnaire" else ""
    if id is None and not address:
        text = "is needed where the path names no form: canonical, questionnaire or questionnaireRef"
        refuse_input("questionnaire", text, "required")
    return find_form(session, caller.access, id=id, address=address, now=caller.now)


def _reference(value: Any, name: str) -> str:
    """The text of a Reference, or what was written in the query."""
    found = value.get("reference") if isinstance(value, dict) else value
    if not isinstance(found, str) or not found:
        refuse_input(name, "is needed, as a reference", "required")
    return found


def _context(value: Any) -> str | None:
    """What a context points at: SDC's parts name and content, or a reference; a Patient adds nothing."""
    if isinstance(value, dict) and "part" in value:
        parts = {part.get("name"): part for part in value["part"] if isinstance(part, dict)}
        content = parts.get("content", {})
        sent = content.get("resource")
        if isinstance(sent, dict) and "id" in sent:
            value = f"{sent.get('resourceType')}/{sent['id']}"
        else:
            value = content.get("valueReference")
    if value is None:
        return None
    text = _reference(value, "context")
    return None if text.startswith("Patient/") else text
