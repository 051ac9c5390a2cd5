"""`$validate`: whether a resource is as R4 and its profiles want it; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from starlette.responses import Response

from referral.domain.errors import Issue
from referral.fhir.json import decode
from referral.fhir.operation_outcome import operation_outcome
from referral.fhir.problems import InvalidResource
from referral.fhir.reference_targets import relative_references
from referral.fhir.search_query import query_pairs
from referral.fhir.validation_request import ValidationRequest, read_validation
from referral.services.validate_resource import validate_new, validate_stored
from referral.web.area import Area
from referral.web.fhir_client import Caller, client
from referral.web.fhir_wire import Wanted, WantedDep, query_text, read_body, resource_response

router: Final = Area(prefix="/fhir", tags=["FHIR"])

Anyone = Annotated[Caller, client("any")]


async def _read(request: Request) -> bytes | InvalidResource:
    """The body as JSON, if there is one; what is wrong with one in XML is part of the answer, not its end."""
    if not await request.body():
        return b""
    try:
        return await read_body(request)
    except InvalidResource as problem:
        return problem


Sent = Annotated[Any, Depends(_read)]


@router.get("/{type}/$validate")
def validate_without_a_body(request: Request, caller: Anyone, how: WantedDep, type: str) -> Response:
    """There is nothing to check without a body, except whether the type can be deleted."""
    return _new(request, caller, how, type, b"")


@router.post("/{type}/$validate")
def validate(request: Request, caller: Anyone, how: WantedDep, sent: Sent, type: str) -> Response:
    """Check the resource in the body, or in Parameters with a mode and profiles."""
    return _new(request, caller, how, type, sent)


def _new(request: Request, caller: Caller, how: Wanted, type: str, sent: bytes | InvalidResource) -> Response:
    if isinstance(sent, InvalidResource):
        return _answer(sent.issues, how)
    return _answer(validate_new(caller.access, type, _asked(request, caller, sent)), how)


@router.get("/{type}/{id}/$validate")
def validate_stored_one(request: Request, caller: Anyone, how: WantedDep, type: str, id: str) -> Response:
    """Check what is stored."""
    return _stored(request, caller, how, f"{type}/{id}", b"")


@router.post("/{type}/{id}/$validate")
def validate_instance(
    request: Request, caller: Anyone, how: WantedDep, sent: Sent, type: str, id: str
) -> Response:
    """Check what is to take the place of what is stored; without a resource, what is stored."""
    return _stored(request, caller, how, f"{type}/{id}", sent)


def _stored(
    request: Request, caller: Caller, how: Wanted, reference: str, sent: bytes | InvalidResource
) -> Response:
    type, _, id = reference.partition("/")
    asked = _asked(request, caller, b"" if isinstance(sent, InvalidResource) else sent)
    with caller.transaction() as session:
        issues: Sequence[Issue] = validate_stored(session, caller.access, type, id, asked)
    return _answer(sent.issues if isinstance(sent, InvalidResource) else issues, how)


def _asked(request: Request, caller: Caller, sent: bytes) -> ValidationRequest:
    body = relative_references(decode(sent), caller.base_url) if sent else None
    return read_validation(body, query_pairs(query_text(request)))


def _answer(issues: Sequence[Issue], how: Wanted) -> Response:
    return resource_response(operation_outcome(issues), how)
