"""Around every request: a request id, security headers, a limit on the size of bodies."""

from __future__ import annotations

import re
import uuid
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY: Final = 1024 * 1024
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


def protect(outgoing: MutableHeaders, path: str, request_id: str) -> None:
    """Set what every answer carries; the answer to a bug, made outside of this middleware, calls it too."""
    if path.startswith("/static/"):
        # Styles and scripts hold nothing personal; browsers keep them and ask whether they changed.
        outgoing.setdefault("Cache-Control", "no-cache")
    for name, value in _HEADERS.items():
        outgoing.setdefault(name, value)
    if path.startswith(_DOCS):
        outgoing["Content-Security-Policy"] = _DOCS_POLICY
    outgoing["X-Request-Id"] = request_id


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

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                protect(MutableHeaders(scope=message), scope["path"], request_id)
            await send(message)

        length = headers.get("content-length", "0")
        if not _LENGTH.fullmatch(length) or int(length) > MAX_BODY:
            await _refuse(send_with_headers)
            return
        await self._limited(scope, receive, send_with_headers)

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts what arrives without a length as well."""
        read, started = 0, False

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > MAX_BODY:
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
                await _refuse(send)


async def _refuse(send: Send) -> None:
    body = (
        b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"too-long",'
        b'"details":{"text":"The body is larger than 1 MiB."}}]}'
    )
    await send(
        {
            "type": "http.response.start",
            "status": 413,
            "headers": [
                (b"content-type", b"application/fhir+json"),
                (b"content-length", str(len(body)).encode()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
