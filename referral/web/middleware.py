"""Around every request: a request id, security headers, a limit on the size of bodies."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from referral.domain.errors import Issue
from referral.domain.language import phrase
from referral.fhir.operation_outcome import operation_outcome
from referral.web.fhir_wire import FHIR_JSON, FHIR_XML, Wanted, answers_in_xml, resource_response
from referral.web.pages import error_page, is_for_guests
from referral.web.reader import kept_choice, language_of

MAX_BODY: Final = 1024 * 1024
# Where more is taken, by the beginning of the path: a fax of 16 MiB in base64 (web/hooks_fax_in.py).
# A letter that is uploaded has 16 MiB and the rest of its form.
LARGER: Final = {
    "/hooks/fax-in/": 24 * 1024 * 1024,
    "/request/upload": 17 * 1024 * 1024,
    "/uploads/": 17 * 1024 * 1024,
    "/verify": 5 * 1024 * 1024,
}
# What people read who have sent more; and how much more is read before they are told: a browser shows an
# answer only once it has sent everything.
_TOLD: Final = {
    "/request/upload": phrase("It is larger than 16 MB."),
    "/uploads/": phrase("It is larger than 16 MB."),
    "/verify": phrase("This file is larger than 4 MB; a sealed record is smaller."),
}
_READ_ON: Final = 64 * 1024 * 1024
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LENGTH: Final = re.compile(r"[0-9]{1,9}")
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self';"
    " img-src 'self' data:; connect-src 'self'; font-src 'self'; object-src 'none';"
    " frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
}
# The interactive API documentation brings scripts of its own and shows no data.
_DOCS: Final = ("/docs", "/redoc")
_DOCS_POLICY: Final = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; connect-src 'self'"
)


def protect(headers: list[tuple[bytes, bytes]], path: str, request_id: str) -> None:
    """Add what every answer carries to raw headers, and leave what the application has set itself.

    The answer to a bug, made outside of this middleware, calls it too. Raw, since it runs for every request.
    """
    there = {name for name, _ in headers}
    for name, value in _for_path(path):
        if name not in there:
            headers.append((name, value))
    headers.append((b"x-request-id", request_id.encode()))


def _for_path(path: str) -> tuple[tuple[bytes, bytes], ...]:
    if path.startswith("/static/"):
        return _STATIC
    return _DOCS_HEADERS if path.startswith(_DOCS) else _RAW


def _raw(headers: Mapping[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.lower().encode(), value.encode()) for name, value in headers.items())


_RAW: Final = _raw(_HEADERS)
# Styles and scripts hold nothing personal; browsers keep them and ask whether they changed.
_STATIC: Final = _raw({**_HEADERS, "Cache-Control": "no-cache"})
_DOCS_HEADERS: Final = _raw({**_HEADERS, "Content-Security-Policy": _DOCS_POLICY})


class TooLarge(Exception):
    """The body went over the limit while it was read."""


class Frame:
    """ASGI middleware; sets only headers that the application has not set itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        offered = headers.get("x-request-id", "")
        request_id = offered if _REQUEST_ID.fullmatch(offered) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id

        choice = kept_choice(scope) if is_for_guests(scope["path"]) else None

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                protect(message["headers"], scope["path"], request_id)
                if choice is not None:
                    message["headers"].append(choice)
            await send(message)

        length = headers.get("content-length", "0")
        limit = next((most for start, most in LARGER.items() if scope["path"].startswith(start)), MAX_BODY)
        if not _LENGTH.fullmatch(length) or int(length) > limit:
            await _refuse(scope, receive, send_with_headers)
            return
        await self._limited(scope, receive, send_with_headers, limit)

    async def _limited(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        """Counts what arrives without a length as well."""
        read, started = 0, False

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                raise TooLarge
            return message

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except TooLarge:
            if not started:
                await _refuse(scope, receive, send)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    path, accept = scope["path"], Headers(scope=scope).get("accept", "")
    if is_for_guests(path) or ("text/html" in accept and not path.startswith("/fhir")):
        told = next((text for start, text in _TOLD.items() if path.startswith(start)), "")
        if told:
            await _read_on(receive)
        language = language_of(Request(scope)) if is_for_guests(path) else None
        page = error_page(path, 413, (told or phrase("This is too large."),), language)
        await page(scope, _nothing, send)
        return
    query = QueryParams(scope["query_string"])
    xml = path.startswith("/fhir") and answers_in_xml(accept, query.get("_format", ""))
    issue = Issue("The body is larger than 1 MiB.", ("http.body",), "too-long")
    answer = resource_response(operation_outcome([issue]), Wanted(FHIR_XML if xml else FHIR_JSON), 413)
    await answer(scope, _nothing, send)


async def _read_on(receive: Receive) -> None:
    """Drop what is still coming, up to a limit."""
    read, more = 0, True
    while more and read < _READ_ON:
        message = await receive()
        read += len(message.get("body", b""))
        more = message.get("more_body", False)


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
