"""Where a fax provider brings what has come in: with its pages, or with the name to fetch them by.

The signature comes before everything else. Answers are empty: 204 for whoever is genuine, also the second
time, 403 for everybody else.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

import structlog
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from referral.bootstrap import Runtime
from referral.channels.signatures import body_ok, clinic_secret
from referral.channels.webhooks import FAX_SIGNATURE, FAX_TIMESTAMP
from referral.domain.errors import NotFound
from referral.domain.fax import FaxSource
from referral.domain.ids import is_uuid
from referral.services.take_fax import Arrived, take_fax
from referral.storage import clinics
from referral.web.dependencies import RuntimeDep, public
from referral.web.middleware import LARGER

log = structlog.get_logger(__name__)
router: Final = APIRouter(include_in_schema=False)
PATH: Final = "/hooks/fax-in/"
MAX_BODY: Final = LARGER[PATH]
# Of bodies in memory at a time; whoever is turned away comes again. Bytes that have arrived are counted, not
# callers: anybody may call, and who sends nothing must not keep out who has a fax.
_MOST_HELD: Final = 4 * MAX_BODY
_SECONDS: Final = 60.0
_STALLED: Final = 10.0
_EVENT: Final = "INCOMING_FAX"
# It becomes part of a path at the provider.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NUMBER: Final = re.compile(r"\+?[0-9]{7,15}")
_WHY: Final = public("the provider's signature is checked before anything is read; it learns nothing")
_held = 0


@router.post(PATH + "{clinic_id}", dependencies=[_WHY])
async def take_call(request: Request, runtime: RuntimeDep, clinic_id: str) -> Response:
    """One fax that came in. What is no fax is answered in the same way and left alone."""
    try:
        body = await _whole(request)
    except TimeoutError:
        return Response(status_code=408)
    except ClientDisconnect:
        return Response(status_code=400)
    if body is None:
        return Response(status_code=503, headers={"Retry-After": "30"})
    if not _is_genuine(request, runtime, clinic_id, body):
        log.warning("hook.refused", provider="fax-in")
        return Response(status_code=403)
    arrived = await _arrived(request, body)
    if arrived is None:
        log.warning("hook.not_understood", provider="fax-in")
        return Response(status_code=204)
    return await run_in_threadpool(_keep, runtime, clinic_id, arrived)


async def _whole(request: Request) -> bytes | None:
    """None where there is no room for it now. Raises TimeoutError and ClientDisconnect."""
    global _held  # noqa: PLW0603 - one event loop, and what is counted is the memory of this process
    received, loop = bytearray(), asyncio.get_running_loop()
    end = loop.time() + _SECONDS
    try:
        async with asyncio.timeout(_STALLED) as patience:
            async for chunk in request.stream():
                received += chunk
                _held += len(chunk)
                if _held > _MOST_HELD:
                    return None
                patience.reschedule(min(loop.time() + _STALLED, end))
        return bytes(received)
    finally:
        _held -= len(received)


def _is_genuine(request: Request, runtime: Runtime, clinic_id: str, body: bytes) -> bool:
    account = runtime.settings.fax
    if account is None or not is_uuid(clinic_id):
        return False
    secret = clinic_secret(account.secret, clinic_id)
    stamp, signature = request.headers.get(FAX_TIMESTAMP, ""), request.headers.get(FAX_SIGNATURE, "")
    return body_ok(secret, stamp, body, signature, runtime.now())


def _keep(runtime: Runtime, clinic_id: str, arrived: Arrived) -> Response:
    with runtime.transaction() as session:
        try:
            clinics.get(session, clinic_id)
        except NotFound:
            return Response(status_code=403)
        session.enter_clinic(clinic_id)
        take_fax(session, arrived, runtime.now())
    return Response(status_code=204)


async def _arrived(request: Request, body: bytes) -> Arrived | None:
    """None for what is not a fax that has come in. As JSON the file is in base64, as a form it is a file."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "multipart/form-data":
            said, content = await _form(request, body)
        else:
            said = json.loads(body)
            content = _decoded(said.get("file")) if isinstance(said, dict) else None
        fax = said["fax"] if isinstance(said["fax"], dict) else json.loads(said["fax"])
        return _read(said, fax, content)
    except (ValueError, KeyError, TypeError, RecursionError, MultiPartException):
        return None


def _read(said: Mapping[str, Any], fax: Mapping[str, Any], content: bytes | None) -> Arrived | None:
    reference = str(fax.get("id", ""))
    if said.get("event") != _EVENT or not _NAME.fullmatch(reference):
        return None
    if content is None and fax.get("status") not in (None, "COMPLETED"):
        return None  # nothing has come of it, and nothing can be fetched
    sender = re.sub(r"[ ().-]", "", str(fax.get("from") or ""))
    return Arrived(
        source=FaxSource.WEBHOOK,
        content=content or None,
        reference=reference,
        from_number=sender if _NUMBER.fullmatch(sender) else None,
    )


def _decoded(file: object) -> bytes | None:
    if not isinstance(file, str) or not file:
        return None
    try:
        return base64.b64decode(file, validate=True)
    except binascii.Error as error:
        raise ValueError("file is not base64") from error


async def _form(request: Request, body: bytes) -> tuple[dict[str, Any], bytes | None]:
    async def once() -> AsyncGenerator[bytes]:
        yield body

    parser = MultiPartParser(request.headers, once(), max_files=1, max_fields=20)
    # In memory: nothing of a fax lies in a temporary file.
    parser.spool_max_size = MAX_BODY
    form = await parser.parse()
    try:
        said = {name: value for name, value in form.multi_items() if isinstance(value, str)}
        files = [value for value in form.values() if isinstance(value, UploadFile)]
        return said, await files[0].read() if files else None
    finally:
        await form.close()
