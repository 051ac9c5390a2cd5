"""CORS for CDS Hooks: pages whose origin is on a trust list may call from a browser; off elsewhere.

An origin opens no door by itself: each call still needs its token.
"""

from __future__ import annotations

import time
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from referral.bootstrap import Runtime
from referral.domain.errors import Unavailable
from referral.storage import cds
from referral.web.fhir_client import BELIEVED_FOR

_PATHS: Final = "/cds-services"
_LONGEST: Final = 300
_MOST_ORIGINS: Final = 1000
_MAY: Final = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "authorization, content-type",
    "Access-Control-Max-Age": "600",
}


class CdsCors:
    """ASGI middleware; does nothing for a request without an Origin, or to another path."""

    def __init__(self, app: ASGIApp, runtime: Runtime) -> None:
        self._app = app
        self._runtime = runtime
        self._known: dict[str, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_PATHS):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        if not await self._is_known(origin):
            await self._app(scope, receive, send)
            return

        async def send_with_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(raw=message["headers"])
                answer["Access-Control-Allow-Origin"] = origin
                answer.add_vary_header("Origin")
            await send(message)

        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await Response(status_code=204, headers=_MAY)(scope, receive, send_with_origin)
            return
        await self._app(scope, receive, send_with_origin)

    async def _is_known(self, origin: str) -> bool:
        if not 0 < len(origin) <= _LONGEST or not origin.isascii() or not origin.isprintable():
            return False
        if time.monotonic() < self._known.get(origin, 0.0):
            return True
        try:
            found = await run_in_threadpool(self._find, origin)
        except Unavailable:
            return False
        if found:
            if len(self._known) >= _MOST_ORIGINS:
                self._known.clear()
            self._known[origin] = time.monotonic() + BELIEVED_FOR
        return found

    def _find(self, origin: str) -> bool:
        with self._runtime.transaction() as session:
            return cds.knows_origin(session, origin)
