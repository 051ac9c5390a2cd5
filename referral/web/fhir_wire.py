"""What FHIR says about HTTP: media types, Prefer, ETags; bodies in and resources out."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from referral.fhir.answer_bundles import etag
from referral.fhir.json import decode, decode_stored, encode, encode_pretty
from referral.fhir.json_patch import MEDIA_TYPE as JSON_PATCH
from referral.fhir.json_patch import Patch, read_json_patch
from referral.fhir.operation_outcome import all_well, operation_outcome
from referral.fhir.path_patch import PathPatch, path_patch_of
from referral.fhir.problems import Issue, Unreadable
from referral.fhir.xml import decode_xml, encode_xml
from referral.services.write_resources import Written
from referral.storage.resources import Stored

FHIR_JSON: Final = "application/fhir+json"
FHIR_XML: Final = "application/fhir+xml"
# Instead of a media type: the bytes of a Binary under their own.
AS_IT_IS: Final = ""
_JSON: Final = "application/json"
_XML: Final = "application/xml"
_FORMATS: Final = {
    "json": FHIR_JSON,
    "application/fhir+json": FHIR_JSON,
    "application/json+fhir": FHIR_JSON,
    "application/json": _JSON,
    "text/json": _JSON,
    "xml": FHIR_XML,
    "application/fhir+xml": FHIR_XML,
    "application/xml+fhir": FHIR_XML,
    "application/xml": _XML,
    "text/xml": _XML,
}
_RANGES: Final = {"*/*": FHIR_JSON, "application/*": FHIR_JSON, **_FORMATS}
_XML_BODIES: Final = frozenset(name for name, kind in _FORMATS.items() if kind in (FHIR_XML, _XML)) - {"xml"}
_SPOKEN: Final = "This server speaks application/fhir+json and application/fhir+xml of FHIR 4.0."
# A Binary may hold XML of its own: these ask for what it holds, unless FHIR's own type is named.
_CONTENT_TYPES_TOO: Final = frozenset({"application/xml", "text/xml"})
_VERSIONS: Final = frozenset({"4.0", "4.0.1"})
_ETAG: Final = re.compile(r'(?:W/)?"?([0-9]{1,9})"?')
_CONTENT_TYPE: Final = re.compile(r"[a-z]+/[a-z0-9.+-]+(; ?charset=[a-z0-9-]+)?")
_RETURNS: Final = frozenset({"minimal", "representation", "OperationOutcome"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """How the client wants to be answered. `returns` is minimal, representation or OperationOutcome."""

    media_type: str
    pretty: bool = False
    returns: str = "representation"
    strict: bool = False

    @property
    def is_xml(self) -> bool:
        return self.media_type[-3:] == "xml"


async def wanted(request: Request) -> Wanted:
    """Raises 406 where nothing that is asked for can be given; unknown Prefer values are ignored."""
    query = request.query_params if request.url.query else {}
    accept = request.headers.get("accept", "").strip()
    if _reads_binary(request) and _wants_content(accept, query.get("_format", "")):
        return Wanted(AS_IT_IS)
    return _wanted(
        accept, request.headers.get("prefer", ""), query.get("_format", ""), query.get("_pretty") == "true"
    )


def _reads_binary(request: Request) -> bool:
    """Only a read can be answered with the bytes that a resource holds."""
    return (
        request.path_params.get("type") == "Binary"
        and request.method in ("GET", "HEAD")
        and request.scope["route"].path_format == "/fhir/{type}/{id}"
    )


def _wants_content(accept: str, asked: str) -> bool:
    """Whether a client that reads a Binary wants the bytes themselves: it names no type that is FHIR's."""
    names = [part.split(";", 1)[0].strip().lower() for part in accept.split(",") if part.strip()]
    return (
        not asked
        and bool(names)
        and not any(name in _RANGES and name not in _CONTENT_TYPES_TOO for name in names)
    )


# Clients send the same few headers all day.
@lru_cache(maxsize=256)
def _wanted(accept: str, prefer: str, asked: str, pretty: bool) -> Wanted:
    preferred = prefer.replace(" ", "").replace(";", ",").split(",")
    returns = next((part[7:] for part in preferred if part[:7] == "return=" and part[7:] in _RETURNS), None)
    return Wanted(
        media_type=_format(asked) if asked else _accepted(accept),
        pretty=pretty,
        returns=returns or "representation",
        strict="handling=strict" in preferred,
    )


WantedDep = Annotated[Wanted, Depends(wanted)]


def _format(asked: str) -> str:
    # A plus sign that was not encoded arrives as a space.
    found = _offer(asked.lower().replace("fhir ", "fhir+"), _FORMATS)
    if found is None:
        raise HTTPException(406, _SPOKEN)
    return found[1]


def asked_in_form(how: Wanted, form: str) -> Wanted:
    """A search by POST may say in its form what else stands in the query; the query wins."""
    given = dict(parse_qsl(form)) if "_format=" in form or "_pretty=" in form else {}
    media_type = _format(given["_format"]) if "_format" in given else how.media_type
    return replace(how, media_type=media_type, pretty=how.pretty or given.get("_pretty") == "true")


def _accepted(header: str) -> str:
    if not header:
        return FHIR_JSON
    offers = [offer for part in header.split(",") if (offer := _offer(part, _RANGES)) is not None]
    if not offers:
        raise HTTPException(406, _SPOKEN)
    return max(offers, key=lambda offer: offer[0])[1]


def _offer(part: str, known: Mapping[str, str]) -> tuple[float, str] | None:
    """Names of parameters are the same in capitals (RFC 9110, 5.6.6)."""
    name, *parameters = [piece.strip() for piece in part.lower().split(";")]
    found = known.get(name)
    values = dict(piece.partition("=")[::2] for piece in parameters)
    version = values.get("fhirversion", "4.0").strip('"')
    try:
        quality = float(values.get("q", "1"))
    except ValueError:
        quality = 1.0
    return (quality, found) if found and quality > 0 and version in _VERSIONS else None


def answers_in_xml(accept: str, asked: str) -> bool:
    """Whether a refusal is to be told in XML; by Accept and `_format`, and never refused itself."""
    try:
        return _wanted(accept.strip(), "", asked, False).is_xml
    except HTTPException:
        return False


async def read_body(request: Request) -> bytes:
    """The bytes of a body as JSON, not parsed; 415 for another media type. Comes after the caller is known.

    XML is translated here: whatever reads a body knows JSON alone, and JSON that comes in passes untouched.
    What is written to Binary under another type is what the Binary holds (R4, Binary).
    """
    kind = request.headers.get("content-type", "").strip()
    if _writes_binary(request) and _is_content(kind):
        return encode(_binary(request, kind, await request.body()))
    name = _require_content(request, FHIR_JSON, _JSON, "application/json+fhir", *_XML_BODIES)
    body = await request.body()
    return await run_in_threadpool(_as_json, body) if name in _XML_BODIES else body


BodyDep = Annotated[bytes, Depends(read_body)]


def _writes_binary(request: Request) -> bool:
    return request.path_params.get("type") == "Binary" and request.scope["route"].path_format in (
        "/fhir/{type}",
        "/fhir/{type}/{id}",
    )


def _is_content(kind: str) -> bool:
    """Whether this names a media type in which no resource is written."""
    name = kind.partition(";")[0].strip().lower()
    return bool(_CONTENT_TYPE.fullmatch(name)) and name not in _FORMATS


def _binary(request: Request, kind: str, content: bytes) -> dict[str, Any]:
    """The resource around what was sent; X-Security-Context says whose record it belongs to."""
    made: dict[str, Any] = {"resourceType": "Binary", "contentType": kind}
    if "id" in request.path_params:
        made["id"] = request.path_params["id"]
    if context := request.headers.get("x-security-context"):
        made["securityContext"] = {"reference": context}
    return {**made, "data": base64.b64encode(content).decode()} if content else made


def _as_json(xml: bytes) -> bytes:
    return encode(decode_xml(xml))


async def read_patch(request: Request) -> Callable[[], Patch | PathPatch]:
    """What reads the body of a PATCH, which is meant as its media type says; 415 for any other."""
    name = _require_content(request, JSON_PATCH, FHIR_JSON, FHIR_XML)
    body = await request.body()
    if name == JSON_PATCH:
        return lambda: read_json_patch(body)
    return lambda: path_patch_of(decode_xml(body) if name == FHIR_XML else decode(body))


PatchDep = Annotated[Callable[[], Patch | PathPatch], Depends(read_patch)]


def _require_content(request: Request, *known: str) -> str:
    name, *parameters = [piece.strip() for piece in request.headers.get("content-type", "").split(";")]
    values = {
        key.lower(): value.strip('"').lower() for key, _, value in (p.partition("=") for p in parameters)
    }
    if name.lower() not in known or values.get("charset", "utf-8") not in ("utf-8", "utf8"):
        raise HTTPException(415, f"Send the body as {_named(known)} in UTF-8.")
    if values.get("fhirversion", "4.0") not in _VERSIONS:
        raise HTTPException(415, "This server speaks FHIR 4.0.")
    return name.lower()


def _named(types: tuple[str, ...]) -> str:
    """The types that are FHIR's own; the others are courtesies."""
    return " or ".join(name for name in types if name in (FHIR_JSON, FHIR_XML, JSON_PATCH))


async def read_form(request: Request) -> str:
    """The body of a `_search` as a query string."""
    name = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if name not in ("application/x-www-form-urlencoded", ""):
        raise HTTPException(415, "Send the search as application/x-www-form-urlencoded.")
    body = await request.body()
    try:
        return body.decode("ascii")
    except UnicodeDecodeError as error:
        raise Unreadable(Issue("Encode the form with percent signs.", ("http.body",), "structure")) from error


FormDep = Annotated[str, Depends(read_form)]


def query_text(request: Request) -> str:
    """What stands behind the question mark; characters that were not encoded are read as UTF-8."""
    return _utf8(request.scope["query_string"], "http.query")


def header_text(request: Request, name: str) -> str | None:
    """A header that holds a query, read in the same way."""
    value = request.headers.get(name)
    return None if value is None else _utf8(value.encode("latin-1"), f"http.{name}")


def _utf8(raw: bytes, where: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(Issue("The query is not UTF-8.", (where,), "structure")) from error


def version_in(header: str | None) -> int | None:
    """The version that an If-Match or If-None-Match names; None where there is no header."""
    if header is None:
        return None
    match = _ETAG.fullmatch(header.strip())
    if match is None:
        text = 'If-Match has to be an ETag of this server, such as W/"3".'
        raise Unreadable(Issue(text, ("http.If-Match",), "value"))
    return int(match[1])


def resource_response(document: Any, how: Wanted, status: int = 200, **headers: str) -> Response:
    """A resource as a dict, or as the text that is stored."""
    if how.is_xml:
        # What is stored may lie in a Bundle as the bytes it is kept in.
        text = document if isinstance(document, str) else encode(document).decode()
        body = encode_xml(decode_stored(text), pretty=how.pretty)
    elif isinstance(document, str):
        body = encode_pretty(decode(document.encode())) if how.pretty else document.encode()
    else:
        body = encode_pretty(document) if how.pretty else encode(document)
    return Response(body, status, headers, how.media_type)


def stored_response(stored: Stored, how: Wanted, base_url: str, body: str | None = None) -> Response:
    """What a read answers: the whole of it, or what stands in `body`."""
    return resource_response(body or stored.body, how, 200, **version_headers(stored, base_url))


def is_known(stored: Stored, tags: str | None, since: str | None) -> bool:
    """Whether the client has this version already: If-None-Match, or else If-Modified-Since (RFC 9110 13)."""
    if tags is not None:
        found = [_ETAG.fullmatch(tag.strip()) for tag in tags.split(",")]
        return tags.strip() == "*" or any(match and int(match[1]) == stored.version for match in found)
    if since is None:
        return False
    try:
        moment = parsedate_to_datetime(since)
    except (ValueError, OverflowError):
        return False
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return stored.last_updated.replace(microsecond=0) <= zoned


def number_of_version(text: str) -> int:
    """A version as a path names it; 0, which no resource has, for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def content_response(binary: Stored) -> Response:
    """The bytes of a Binary, as a file: whatever a client stored is never shown as a page of ours."""
    document = binary.document
    kind = str(document["contentType"])
    safe = kind if _CONTENT_TYPE.fullmatch(kind) else "application/octet-stream"
    headers = {"Content-Disposition": "attachment"}
    return Response(base64.b64decode(document.get("data", "")), 200, headers, safe)


def version_headers(stored: Stored, base_url: str) -> dict[str, str]:
    """Which version this is, when it was written and where it stays."""
    return {
        "ETag": etag(stored.version),
        "Last-Modified": http_date(stored.last_updated),
        "Content-Location": f"{base_url}/{stored.reference}/_history/{stored.version}",
    }


def written_response(written: Written, how: Wanted, base_url: str) -> Response:
    """What a create or update answers, as Prefer asks.

    R4 has a place for warnings in an OperationOutcome alone; whoever asked for something else gets them in
    the header Warning as well (RFC 7234, 5.5: 299 is a warning of the application).
    """
    stored, created = written.stored, written.created
    headers = version_headers(stored, base_url)
    if written.warnings:
        headers["Warning"] = ", ".join(f'299 - "{issue.text}"' for issue in written.warnings)
    if created:
        headers["Location"] = headers["Content-Location"]
    status = 201 if created else 200
    if how.returns == "minimal":
        return Response(b"", status, headers)
    if how.returns == "OperationOutcome":
        word = "created" if created else "updated"
        issues = (all_well(f"{stored.reference} was {word}."), *written.warnings)
        return resource_response(operation_outcome(issues), how, status, **headers)
    return resource_response(stored.body, how, status, **headers)


def http_date(moment: datetime) -> str:
    """RFC 9110: whole seconds, GMT."""
    return format_datetime(moment.astimezone(UTC).replace(microsecond=0), usegmt=True)


def links(base_url: str, path: str, query: str, cursors: Mapping[str, str | None]) -> dict[str, str]:
    """Absolute URLs: self, and next and previous where there is such a page."""
    address = f"{base_url}/{path}"
    found = {"self": f"{address}?{query}" if query else address}
    for relation, cursor in cursors.items():
        if cursor is not None:
            found[relation] = f"{address}?{query}{'&' if query else ''}_cursor={cursor}"
    return found
