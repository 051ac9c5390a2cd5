"""The stream that an open page listens to (web/live.py)."""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from referral.domain.audit import Actor
from referral.domain.errors import InvalidInput, Issue, NotFound
from referral.web.dependencies import RuntimeDep, is_live, session_runs, staff_without_transaction
from referral.web.live import Live, Stream
from referral.web.policy import Permission
from referral.web.turn import Router

router: Final = Router()
_MOST: Final = 20
_NAME: Final = re.compile(r"\*|[A-Za-z-]{1,40}(/[A-Za-z0-9.-]{1,64})?")
_AGE: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_HEADERS: Final = {"X-Accel-Buffering": "no"}


class _Stream(StreamingResponse):
    """Leaves when it ends, in whichever way; a generator that never began would not notice."""

    media_type = "text/event-stream"

    def __init__(self, live: Live, stream: Stream, request: Request, runtime: RuntimeDep) -> None:
        self._live, self._stream = live, stream
        super().__init__(live.written(stream, lambda: session_runs(request, runtime)), headers=_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._live.leave(self._stream)


@router.get("/live")
async def follow(
    request: Request,
    runtime: RuntimeDep,
    actor: Annotated[Actor, staff_without_transaction(Permission.SEE_WORK)],
) -> Response:
    """For our own script alone, which says what the page shows (`follow`) and how old it is (`age`, seconds).

    Nothing but that something has changed is sent; what it is, the page asks for itself.
    """
    if not is_live(request):
        raise NotFound("There is no such page.")
    names = request.query_params.getlist("follow")
    age = request.query_params.get("age", "")
    if not names or len(names) > _MOST or not all(map(_NAME.fullmatch, names)) or not _AGE.fullmatch(age):
        raise InvalidInput(Issue("Say what the page shows, and since when.", code="value"))
    live: Live = request.app.state.live
    stream = await live.open(actor.clinic_id, str(actor.id), frozenset(names), float(age))
    return _Stream(live, stream, request, runtime)
