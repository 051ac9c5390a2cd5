"""Answers that are drawn after the transaction of the request has ended: drawing takes seconds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from anyio import CapacityLimiter, to_thread
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from referral.letters.content import LetterProblem
from referral.letters.preview import Drawn, Wanted, draw
from referral.web.staff.documents import pdf_response

# What is drawn depends on the address alone until the letterhead changes, which a browser asks for.
_AGAIN: Final = {"Cache-Control": "private, no-cache"}


# Threads of their own: whoever waits for a drawing (they are made one by one) takes none of those in
# which pages are answered.
_THREADS: Final = CapacityLimiter(2)


class DrawnLater(Response):
    """A response that is made when it is sent: the connection that the request held is free by then.

    `make` reads nothing of the database.
    """

    def __init__(self, make: Callable[[], Response]) -> None:
        super().__init__()
        self._make = make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await to_thread.run_sync(self._make, limiter=_THREADS)
        await response(scope, receive, send)


def sample_response(wanted: Wanted, kind: str, form: str) -> Response:
    """A sample as `pdf`, or its first page as `png`; a sentence where it cannot be drawn."""

    def make() -> Response:
        try:
            made = draw(wanted, kind)
        except LetterProblem as problem:
            return PlainTextResponse(str(problem), 422)
        return _response(made, kind, form)

    return DrawnLater(make)


def _response(made: Drawn, kind: str, form: str) -> Response:
    if form == "pdf":
        return pdf_response(made.pdf, f"sample-{kind}")
    tag = hashlib.sha256(made.picture).hexdigest()
    return Response(made.picture, media_type="image/png", headers={**_AGAIN, "ETag": f'"{tag}"'})
