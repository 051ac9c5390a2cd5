"""HEAD is a GET whose body is kept back, and a slash at the end of an address means nothing."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PREFIX: Final = "/fhir/"


class FhirPath:
    """ASGI middleware for what stands below /fhir/; leaves everything else alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_PREFIX):
            await self._app(scope, receive, send)
            return
        if scope["method"] != "HEAD" and not scope["path"].endswith("/"):
            await self._app(scope, receive, send)
            return
        # A copy: the server looks at its own, to know whether it has to wait for a body.
        inner = dict(scope)
        if inner["path"] != _PREFIX:
            inner["path"] = inner["path"].rstrip("/")
        if inner["method"] != "HEAD":
            await self._run(inner, scope, receive, send)
            return

        async def send_no_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        inner["method"] = "GET"
        await self._run(inner, scope, receive, send_no_body)

    async def _run(self, inner: Scope, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(inner, receive, send)
        finally:
            # The access log, which stands around all this, names the route.
            if "route" in inner:
                scope["route"] = inner["route"]
