"""`$export` after Bulk Data Access 2.0: kick-off, status, files."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.responses import Response

from referral.domain.errors import Issue
from referral.domain.exports import RETRY_AFTER, ExportState
from referral.fhir.bulk_data import NDJSON, Asked, Output, manifest, read_pairs, read_parameters
from referral.fhir.json import decode, encode
from referral.fhir.operation_outcome import all_well, operation_outcome
from referral.fhir.problems import InvalidSearch
from referral.fhir.search_query import query_pairs
from referral.fhir.validation import validate
from referral.services import bulk_export
from referral.storage.exports import Export, File
from referral.web.area import Area
from referral.web.fhir_client import Caller, client
from referral.web.fhir_wire import BodyDep, Wanted, WantedDep, http_date, query_text, resource_response

router: Final = Area(prefix="/fhir", tags=["FHIR"])

Anyone = Annotated[Caller, client("any")]


# ---- Kick-off


@router.get("/$export")
def export_everything(request: Request, caller: Anyone, how: WantedDep) -> Response:
    """Start an export of all that the client may read."""
    return _kick_off(request, caller, how, _of_query(request, patient_level=False), patient_level=False)


@router.post("/$export")
def export_everything_by_post(request: Request, caller: Anyone, how: WantedDep, raw: BodyDep) -> Response:
    """The same with the parameters in the body."""
    return _kick_off(request, caller, how, _of_body(request, raw, patient_level=False), patient_level=False)


@router.get("/Patient/$export")
def export_patients(request: Request, caller: Anyone, how: WantedDep) -> Response:
    """Start an export of what belongs to patients."""
    return _kick_off(request, caller, how, _of_query(request, patient_level=True), patient_level=True)


@router.post("/Patient/$export")
def export_patients_by_post(request: Request, caller: Anyone, how: WantedDep, raw: BodyDep) -> Response:
    """The same with the parameters in the body, of some patients only where they are named."""
    return _kick_off(request, caller, how, _of_body(request, raw, patient_level=True), patient_level=True)


def _preferences(request: Request) -> frozenset[str]:
    header = ",".join(request.headers.getlist("prefer"))
    return frozenset(part.strip().lower() for part in header.replace(";", ",").split(","))


def _of_query(request: Request, *, patient_level: bool) -> Asked:
    lenient = "handling=lenient" in _preferences(request)
    return read_pairs(query_pairs(query_text(request)), patient_level=patient_level, lenient=lenient)


def _of_body(request: Request, raw: bytes, *, patient_level: bool) -> Asked:
    """Without a body, as without parameters."""
    lenient = "handling=lenient" in _preferences(request)
    document: dict[str, Any] = decode(raw) if raw.strip() else {"resourceType": "Parameters"}
    validate(document)
    return read_parameters(document, patient_level=patient_level, lenient=lenient)


def _kick_off(
    request: Request, caller: Caller, how: Wanted, asked: Asked, *, patient_level: bool
) -> Response:
    if "respond-async" not in _preferences(request):
        text = "An export takes its time: send the header Prefer: respond-async."
        raise InvalidSearch(Issue(text, ("http.Prefer",), "required"))
    query = request.url.query
    url = f"{caller.base_url}/{'Patient/' if patient_level else ''}$export{'?' if query else ''}{query}"
    with caller.transaction() as session:
        wish = bulk_export.KickOff(asked, url, patient_level)
        id = bulk_export.start_export(session, caller.access, wish, caller.now)
    place = f"{caller.base_url}/export-status/{id}"
    told = operation_outcome([all_well(f"The export was started; see {place}.")])
    return resource_response(told, how, 202, **{"Content-Location": place})


# ---- Status


@router.get("/export-status/{id}")
def read_status(caller: Anyone, how: WantedDep, id: str) -> Response:
    """202 while it runs, then the manifest; 500 with the reason where it came to no end."""
    with caller.transaction() as session:
        export = bulk_export.look_at_export(session, caller.access, id, caller.now)
        files = bulk_export.files_of(session, export) if export.state is ExportState.COMPLETED else []
    if export.state is ExportState.COMPLETED:
        return _manifest(caller, export, files)
    if export.state is ExportState.FAILED:
        failed = operation_outcome([Issue(str(export.error), ("http.path",), "processing")])
        return resource_response(failed, how, 500)
    words = f"{export.resources} resources written" if export.attempts else "waiting for a worker"
    return Response(b"", 202, {"X-Progress": words, "Retry-After": str(RETRY_AFTER)})


def _manifest(caller: Caller, export: Export, files: list[File]) -> Response:
    place = f"{caller.base_url}/export-files/{export.id}"
    outputs = [Output(file.type, f"{place}/{file.number}.ndjson", file.resources) for file in files]
    assert export.transaction_time is not None  # noqa: S101 - set by whoever completed it
    body = encode(manifest(export.transaction_time, export.wish.request, outputs))
    headers = {"Expires": http_date(export.expires_at)}
    return Response(body, 200, headers, "application/json")


@router.delete("/export-status/{id}")
def delete_export(caller: Anyone, how: WantedDep, id: str) -> Response:
    """Cancel it, or remove what was written."""
    with caller.transaction() as session:
        bulk_export.remove_export(session, caller.access, id, caller.now)
    return resource_response(operation_outcome([all_well("The export and its files are deleted.")]), how, 202)


# ---- Files


@router.get("/export-files/{id}/{number}.ndjson")
def read_file(request: Request, caller: Anyone, id: str, number: str) -> Response:
    """One file, part by part, so that its size does not matter; packed where the client can unpack it."""
    known = int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 0
    with caller.transaction() as session:
        export, file = bulk_export.open_file(session, caller.access, id, known, caller.now)
    headers = {"Vary": "Accept-Encoding", "Expires": http_date(export.expires_at)}
    parts = _parts(caller, export, file)
    if _takes_gzip(request.headers.get("accept-encoding", "")):
        headers["Content-Encoding"] = "gzip"
        parts = _packed(parts)
    else:
        headers["Content-Length"] = str(file.size)
    return StreamingResponse(parts, 200, headers, NDJSON)


def _takes_gzip(header: str) -> bool:
    """Whether gzip is named and not refused with q=0."""
    for part in header.lower().split(","):
        name, *parameters = [piece.strip() for piece in part.split(";")]
        if name in ("gzip", "*"):
            return not any(p.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for p in parameters)
    return False


def _parts(caller: Caller, export: Export, file: File) -> Iterator[bytes]:
    """Each is read by itself: a slow client holds no connection of the database."""
    for number in range(file.parts):
        with caller.transaction() as session:
            part = bulk_export.read_part(session, export, file, number)
        yield part


def _packed(parts: Iterable[bytes]) -> Iterator[bytes]:
    """One gzip member over all of them: not every client reads several."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for part in parts:
        yield packer.compress(part)
    yield packer.flush()
